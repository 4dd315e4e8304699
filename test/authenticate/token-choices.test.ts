import { beforeEach, expect, test } from 'vitest'
import { claimsOf, createSigner } from '../support/tokens.ts'
import {
  authenticate,
  claims,
  clock,
  configure,
  es,
  forgetKeys,
  invalid,
  other,
  otherServer,
  refusal,
  seconds,
  server,
} from './two-issuers.ts'

beforeEach(forgetKeys)

// The "Tokens" table, row by row: which key, which issuer, which type, what size.

test.each<[string, unknown]>([
  ['a path', '../../../../dev/null'],
  ['an address', 'http://127.0.0.1:1/key'],
  ['SQL', "x' UNION SELECT 'secret"],
  ['__proto__', '__proto__'],
  ['constructor', 'constructor'],
  ['empty', ''],
  ['an object', { kid: 'shared-kid' }],
  ['an array', ['shared-kid']],
  ['10 KB', 'k'.repeat(10_240)],
])('a token whose kid is %s is refused, and costs at most one more fetch', async (_name, kid) => {
  for (let i = 0; i < 20; i++) {
    expect((await refusal(es.token(claims(), { kid }))).code).toBe('invalid_token')
  }
  expect(server.fetches.jwks).toBeLessThanOrEqual(1)
  clock.advance(5)
  await Promise.all(Array.from({ length: 20 }, () => refusal(es.token(claims(), { kid }))))
  expect(server.fetches.jwks).toBeLessThanOrEqual(2)
})

test('keys that a token names itself (jku, x5u, x5c, jwk) are neither fetched nor used', async () => {
  const attacker = createSigner('ES256', 'shared-kid')
  const bait = {
    jku: `${server.issuer}/bait`,
    x5u: `${server.issuer}/bait`,
    jwk: attacker.publicJwk,
    x5c: ['AAAA'],
  }
  await invalid(attacker.token(claims(), bait), /signature is wrong/)
  expect((await authenticate(es.token(claims(), bait))).subject).toBe('alice')
  expect(server.fetches.other).toBe(0)
})

test('a forged token that has also expired is invalid_token, not token_expired', async () => {
  await invalid(other.token(claims({ exp: seconds() - 3600 })), /signature is wrong/)
})

test.each([undefined, null, ['x'], 1, {}])('the malformed iss %j is refused', async (iss) => {
  await invalid(es.token(claims({ iss })), /^iss is not a string/)
})

test.each(['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'application/logout+jwt', 'none', 'JWE', ''])(
  'a bearer token with typ %j is refused',
  async (typ) => {
    await invalid(es.token(claims(), { typ }), /^typ /)
  },
)

test.each([undefined, 'JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/JWT'])(
  'a bearer token with typ %j is accepted',
  async (typ) => {
    expect((await authenticate(es.token(claims(), { typ }))).subject).toBe('alice')
  },
)

test('a token without typ is refused when the list does not say none', async () => {
  configure({ tokenTypes: ['at+jwt'] })
  await invalid(es.token(claims(), { typ: undefined }), /^typ is absent.*; add none to token_types/)
  await invalid(es.token(claims()), /^typ "JWT" is not accepted, expected "at\+jwt" in any case$/)
})

test('a refused typ is told that tokens without one are expected', async () => {
  configure({ tokenTypes: ['none'] })
  await invalid(es.token(claims()), /^typ "JWT" is not accepted, expected no typ$/)
  configure({ tokenTypes: ['at+jwt', 'none'] })
  await invalid(es.token(claims()), /expected "at\+jwt" in any case or no typ$/)
})

test('a token from a cookie counts only for issuers configured with it', async () => {
  configure({ cookie: '__session' })
  const token = es.token(claims())
  const principal = await authenticate(token, { cookie: '__session' })
  expect(principal.subject).toBe('alice')
  await expect(authenticate(token, { cookie: 'sso' })).rejects.toMatchObject({
    code: 'invalid_token',
  })
  const ofOther = other.token(claimsOf(otherServer.issuer, clock.now()))
  await expect(authenticate(ofOther, { cookie: '__session' })).rejects.toMatchObject({
    code: 'invalid_token',
  })
})

test('a token over 12 KiB is refused before any key is fetched', async () => {
  await invalid(es.token(claims({ filler: 'x'.repeat(12_288) })), /longer than 12 KiB/)
  expect(server.fetches.jwks).toBe(0)
})

test.each([33, 2_700, 3_000])('a token with claims %i levels deep is refused', async (levels) => {
  const deep = '['.repeat(levels) + ']'.repeat(levels)
  await invalid(es.token(`{"iss":"${server.issuer}","deep":${deep}}`), /levels deep|12 KiB/)
})

test('a token with as many claims as fit into 12 KiB is accepted', async () => {
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [i.toString(36), 1]))
  expect((await authenticate(es.token({ ...claims(), ...many }))).subject).toBe('alice')
})

test('no reason holds the token, its subject or its signature', async () => {
  const bad = [
    es.token(claims({ sub: 'subject-with-\u0000' })),
    es.token(claims({ aud: 'other' })),
    other.token(claims()),
    es.token(claims({ exp: 1 })),
    `${es.token(claims())}=`,
  ]
  for (const token of bad) {
    const error = await authenticate(token).catch((thrown: unknown) => thrown)
    const text = String(error) + JSON.stringify(error)
    expect(text).not.toMatch(/eyJ|subject-with|alice/)
    expect(text).not.toContain(token.slice(token.lastIndexOf('.') + 1))
  }
})

test('a reason shows an alg, typ or iss of the attacker only cut and cleaned', async () => {
  const evil = `\u001b[31m\n{"level":60}${'x'.repeat(500)}`
  for (const token of [
    es.token(claims(), { alg: evil }),
    es.token(claims(), { typ: evil }),
    es.token(claims({ iss: evil })),
  ]) {
    const { reason } = await refusal(token)
    expect(reason).not.toContain('x'.repeat(201))
    expect(reason.length).toBeLessThan(400)
    expect(reason).toMatch(/^[\x20-\x7e…]+$/)
  }
})
