import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import {
  claimsOf,
  createSecretSigner,
  createSigner,
  handMade,
  withSameKey,
} from '../support/tokens.ts'
import {
  authenticate,
  claims,
  clock,
  configure,
  es,
  forgetKeys,
  invalid,
  refusal,
  rs,
  seconds,
  secret,
  server,
} from './two-issuers.ts'

beforeEach(forgetKeys)

// The "Tokens" table, row by row: good tokens and algorithms.

test('a good token gives the principal', async () => {
  const given = claims({ sid: 'sso-1', groups: ['support'] })
  expect(await authenticate(es.token(given))).toEqual({
    issuer: server.issuer,
    subject: 'alice',
    claims: given,
    expiresAt: seconds() + 300,
    issuedAt: seconds(),
    sid: 'sso-1',
  })
})

test('a good token may come without iat and sid', async () => {
  const principal = await authenticate(es.token(claims({ iat: undefined })))
  expect(principal).toMatchObject({ issuedAt: undefined, sid: undefined })
})

const rsa = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const
test.each(rsa)('a token signed with %s is accepted', async (alg) => {
  const signer = withSameKey(rs, alg, alg)
  const keys = { kind: 'jwks', jwks: { keys: [signer.publicJwk] } } as const
  configure({ algorithms: [alg], keys })
  expect((await authenticate(signer.token(claims()))).subject).toBe('alice')
})

const curves = ['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const
test.each(curves)('a token signed with %s is accepted', async (alg) => {
  const signer = createSigner(alg)
  const keys = { kind: 'jwks', jwks: { keys: [signer.publicJwk] } } as const
  configure({ algorithms: [alg], keys })
  expect((await authenticate(signer.token(claims()))).subject).toBe('alice')
})

test.each([
  ['EdDSA', 'Ed25519'],
  ['Ed25519', 'EdDSA'],
] as const)('a token of %s is accepted by a key of %s, which is the same', async (alg, other) => {
  const signer = createSigner(alg)
  const jwks = { keys: [{ ...signer.publicJwk, alg: other }] }
  configure({ algorithms: [alg], keys: { kind: 'jwks', jwks } })
  expect((await authenticate(signer.token(claims()))).subject).toBe('alice')
  configure({ algorithms: [other], keys: { kind: 'jwks', jwks } })
  await invalid(signer.token(claims()), /is not on the issuer's list/)
})

test.each(['HS256', 'HS512'] as const)(
  'a %s token is accepted only by the shared secret',
  async (alg) => {
    const given = claimsOf('https://secret.example', clock.now())
    const principal = await authenticate(createSecretSigner(alg, secret).token(given))
    expect(principal.issuer).toBe('https://secret.example')
    const forged = createSecretSigner(alg, `${secret}!`).token(given)
    await invalid(forged, /signature is wrong/)
  },
)

test('a token is refused after any single character of it was changed', async () => {
  const token = es.token(claims())
  await authenticate(token)
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: token.length - 1 }),
      fc.constantFrom(
        ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0é',
      ),
      async (at, char) => {
        fc.pre(token[at] !== char)
        const changed = token.slice(0, at) + char + token.slice(at + 1)
        expect((await refusal(changed)).code).toBe('invalid_token')
      },
    ),
    { numRuns: 500 },
  )
})

test.each(['none', 'None', 'NONE', 'nOnE', 'none ', ''])(
  'alg %j is refused, signed or not',
  async (alg) => {
    const unsigned = handMade({ alg, kid: 'shared-kid' }, claims(), Buffer.from('x'))
    await invalid(unsigned, /alg ".*" is not on the issuer's list/)
    await invalid(es.token(claims(), { alg }), /alg ".*" is not on the issuer's list/)
    await invalid(`${unsigned.slice(0, unsigned.lastIndexOf('.'))}.`, /non-empty segments/)
  },
)

test.each([undefined, null, ['ES256'], { alg: 'ES256' }, 256])(
  'the malformed alg %j is refused',
  async (alg) => {
    await invalid(es.token(claims(), { alg }), /^header: alg/)
  },
)

test.each([
  ['PEM (SPKI)', rs.publicKey.export({ type: 'spki', format: 'pem' })],
  [
    'PEM without the last line break',
    String(rs.publicKey.export({ type: 'spki', format: 'pem' })).trim(),
  ],
  ['PEM (PKCS #1)', rs.publicKey.export({ type: 'pkcs1', format: 'pem' })],
  ['DER (SPKI)', rs.publicKey.export({ type: 'spki', format: 'der' })],
  ['DER (PKCS #1)', rs.publicKey.export({ type: 'pkcs1', format: 'der' })],
  ['JWK', JSON.stringify(rs.publicJwk)],
  ['JWK set', JSON.stringify({ keys: [rs.publicJwk] })],
  ['modulus', Buffer.from(String(rs.publicJwk['n']), 'base64url')],
  ['modulus, base64url', String(rs.publicJwk['n'])],
  ['nothing', ''],
])("HS256 with the issuer's public key as %s is refused", async (_name, key) => {
  const forger = createSecretSigner('HS256', key, 'rsa')
  await invalid(forger.token(claims()), /alg "HS256" is not on the issuer's list/)
  // Even a list that names HS256 by mistake does not turn a public key into a secret.
  configure({ algorithms: ['RS256', 'HS256'] })
  await invalid(forger.token(claims()), /no key of the issuer fits/)
})

test('an RS256 header with the kid of an EC key is refused', async () => {
  await invalid(
    rs.token(claims(), { kid: 'shared-kid' }),
    /no key of the issuer fits alg "RS256" and kid "shared-kid"; its keys are .*"shared-kid \(ES256\)"/,
  )
})

test.each([
  ['all-zero', Buffer.alloc(64)],
  ['all-ones', Buffer.alloc(64, 255)],
  ['one byte', Buffer.alloc(1)],
  ['too long', Buffer.alloc(65)],
])('an ES256 signature that is %s is refused', async (_name, signature) => {
  const forged = handMade({ alg: 'ES256', kid: 'shared-kid' }, claims(), signature)
  await invalid(forged, /signature is wrong/)
})
