import { beforeEach, describe, expect, test } from 'vitest'
import { createSecretSigner, createSigner, handMade, withSameKey } from '../support/tokens.ts'
import {
  authenticate,
  claims,
  configure,
  es,
  forgetKeys,
  invalid,
  rs,
  secret,
  server,
} from './two-issuers.ts'

// One issuer that signs with a secret and with published keys, while it moves from one to the other
// (Supabase): HS* is verified by the secret alone, everything else by the key set alone.

beforeEach(() => {
  forgetKeys()
  server.jwksBehaviour = { kind: 'ok' }
  configure({ algorithms: ['ES256', 'RS256', 'HS256', 'HS512'], sharedSecretEnv: 'SHARED' })
})

const hs = createSecretSigner('HS256', secret)

test.each<[string, () => string]>([
  ['HS256 by the secret', () => hs.token(claims())],
  [
    'HS256 by the secret under the kid of a published key',
    () => hs.token(claims(), { kid: 'rsa' }),
  ],
  ['HS512 by the secret', () => createSecretSigner('HS512', secret).token(claims())],
  ['ES256 by the key set', () => es.token(claims())],
  ['RS256 by the key set', () => rs.token(claims())],
])('%s is accepted, twice', async (_name, token) => {
  const text = token()
  expect((await authenticate(text)).subject).toBe('alice')
  expect((await authenticate(text)).subject).toBe('alice')
})

describe('HS256 signed with what a published key gives is refused', () => {
  const published = rs.publicKey
  test.each<[string, Uint8Array | string]>([
    ['PEM (SPKI)', published.export({ type: 'spki', format: 'pem' })],
    ['PEM (PKCS #1)', published.export({ type: 'pkcs1', format: 'pem' })],
    [
      'PEM without its last line end',
      String(published.export({ type: 'spki', format: 'pem' })).trim(),
    ],
    ['DER', published.export({ type: 'spki', format: 'der' })],
    ['the JWK', JSON.stringify(rs.publicJwk)],
    ['the modulus', Buffer.from(String(rs.publicJwk['n']), 'base64url')],
    ['the modulus as text', String(rs.publicJwk['n'])],
    ['nothing', new Uint8Array()],
  ])('%s', async (_name, key) => {
    for (const kid of ['rsa', undefined]) {
      await invalid(createSecretSigner('HS256', key).token(claims(), { kid }), /signature is wrong/)
    }
  })
})

test('a token that names a public-key algorithm over an HMAC of the secret is refused', async () => {
  for (const [alg, kid] of [
    ['RS256', 'rsa'],
    ['ES256', 'shared-kid'],
  ]) {
    await invalid(handMade({ alg, kid }, claims(), hs.sign), /signature is wrong/)
  }
})

test('a symmetric key in the published set verifies nothing', async () => {
  const planted = 'a planted secret of more than 32 bytes'
  const k = Buffer.from(planted).toString('base64url')
  server.keys = [{ kty: 'oct', k, kid: 'planted', alg: 'HS256' }, es.publicJwk, rs.publicJwk]
  await invalid(createSecretSigner('HS256', planted).token(claims(), { kid: 'planted' }), /wrong/)
  expect((await authenticate(es.token(claims()))).subject).toBe('alice')
})

test('a key of nobody, and an algorithm that is not on the list, are refused', async () => {
  await invalid(createSigner('ES256', 'shared-kid').token(claims()), /signature is wrong/)
  await invalid(createSecretSigner('HS384', secret).token(claims()), /alg/)
  await invalid(withSameKey(rs, 'PS256').token(claims()), /alg/)
})

test('HS256 goes on while the key set is down, and its keys are not asked for', async () => {
  server.jwksBehaviour = { kind: 'reset' }
  expect((await authenticate(hs.token(claims()))).subject).toBe('alice')
  expect(server.fetches.jwks).toBe(0)
  await expect(authenticate(es.token(claims()))).rejects.toMatchObject({ code: 'idp_unavailable' })
  server.jwksBehaviour = { kind: 'ok' }
})
