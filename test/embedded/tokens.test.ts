import { createServer, request } from 'node:http'
import { compactVerify, createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { newSigningKey, publicHalf } from '../../src/embedded/sign-in/keys.ts'
import { startSignIn } from '../../src/embedded/sign-in/sign-in.ts'
import type { MadeToken } from '../../src/embedded/sign-in/token-maker.ts'
import { hasPrivateMembers } from '../../src/lib/key-set.ts'
import { issuerSettings } from '../support/issuer-settings.ts'
import { forAllTests } from '../support/started.ts'

const ISSUER = 'https://login.acme.example/'
const SECRET = 'a shared secret of at least thirty-two bytes'

const signIn = forAllTests(async () => {
  const key = await newSigningKey('RS256')
  const settings = issuerSettings({ issuer: ISSUER, requiredClaims: ['exp', 'sub', 'email', 'x'] })
  return startSignIn({ port: 0, issuers: [{ settings, key }] })
})

const ASKED = { sub: 'alice' }

function ask(body: unknown, init: RequestInit = {}): Promise<Response> {
  const headers = { 'content-type': 'application/json', ...init.headers }
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(`${signIn.issuer}/_embedded/tokens`, {
    method: 'POST',
    body: text,
    ...init,
    headers,
  })
}

/** Sends what `fetch` would not: `Host` and `Origin` as they are given. */
async function askAs(headers: Readonly<Record<string, string>>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const url = `${signIn.issuer}/_embedded/tokens`
    const sent = request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    })
    sent.on('error', reject).on('response', (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    sent.end(JSON.stringify(ASKED))
  })
}

test.each([
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
])('a token of %s verifies with the public half of its key', async (alg) => {
  const key = await newSigningKey(alg)
  expect(hasPrivateMembers(publicHalf(key))).toBe(false)
  const one = await startSignIn({ port: 0, issuers: [{ settings: issuerSettings(), key }] })
  const { token } = await one.makeToken(ASKED)
  await one.close()
  const keys = createLocalJWKSet({ keys: [{ kty: '', ...publicHalf(key) }] })
  const { protectedHeader } = await jwtVerify(token, keys, { algorithms: [alg] })
  expect(protectedHeader).toMatchObject({ alg, kid: key.kid })
})

test.each(['HS256', 'HS384', 'HS512'])('a token of %s verifies with its secret', async (alg) => {
  const key = { alg, secret: SECRET }
  const one = await startSignIn({ port: 0, issuers: [{ settings: issuerSettings(), key }] })
  const { token, header } = await one.makeToken(ASKED)
  await one.close()
  expect(header).toEqual({ alg, typ: 'at+jwt' })
  await compactVerify(token, Buffer.from(SECRET), { algorithms: [alg] })
})

test('the answer has the token, what is in it, and how to send it', async () => {
  const answer = await ask({ ...ASKED, claims: { level: 3 }, expires_in: 60 })
  expect(answer.status).toBe(201)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  const { token, claims, header, send_as } = (await answer.json()) as MadeToken
  expect(decodeJwt(token)).toEqual(claims)
  expect(decodeProtectedHeader(token)).toEqual(header)
  expect(send_as).toEqual([`Authorization: Bearer ${token}`])
  expect(claims).toMatchObject({
    iss: ISSUER,
    aud: 'chat-api',
    groups: ['support'],
    level: 3,
    email: 'alice@example.com',
    x: 'alice-x',
  })
  expect(Number(claims['exp']) - Number(claims['iat'])).toBe(60)
})

test('the sign-in itself is an issuer too, with the key that it publishes', async () => {
  const { token } = await signIn.makeToken({ ...ASKED, issuer: signIn.issuer })
  const keys = await (await fetch(`${signIn.issuer}/jwks`)).json()
  const { payload } = await jwtVerify(token, createLocalJWKSet(keys as never), { typ: 'at+jwt' })
  expect(payload).toMatchObject({ iss: signIn.issuer, aud: 'chat-api', sub: 'alice' })
})

test.each([
  ['no JSON', '{', 400, 'not JSON'],
  ['without sub', {}, 400, 'sub'],
  ['an unknown member', { ...ASKED, admin: true }, 400, 'admin'],
  ['an issuer that is none', { ...ASKED, issuer: 'https://x.test' }, 400, ISSUER],
  ['iss as a claim', { ...ASKED, claims: { iss: 'x' } }, 400, '--issuer'],
  ['sub as a claim', { ...ASKED, claims: { sub: 'x' } }, 400, '--sub'],
  ['a life of no time', { ...ASKED, expires_in: 0 }, 400, 'expires_in'],
  ['more than 64 KiB', { ...ASKED, claims: { x: 'x'.repeat(70_000) } }, 413, '64 KiB'],
])('%s is refused with a sentence and gives no token', async (_, body, status, why) => {
  const answer = await ask(body)
  expect(answer.status).toBe(status)
  const told = (await answer.json()) as object
  expect(told).toEqual({ error: expect.stringContaining(why) })
})

test('only POST with JSON is a request for a token', async () => {
  const get = await fetch(`${signIn.issuer}/_embedded/tokens`)
  expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    expect((await ask(ASKED, { headers: { 'content-type': type } })).status).toBe(415)
  }
})

test.each([
  ['a page of another site', { origin: 'https://evil.example' }],
  ['a page of another port of this machine', { origin: 'http://localhost:3000' }],
  ['a page without an origin of its own', { origin: 'null' }],
  ['a name that was made to lead here', { host: 'evil.example:8788' }],
  ['such a name with its own origin', { host: 'evil.example', origin: 'http://evil.example' }],
  ['a request that says it crosses sites', { 'sec-fetch-site': 'cross-site' }],
  ['a request of a neighbouring port', { 'sec-fetch-site': 'same-site' }],
])('%s gets no token', async (_, headers) => {
  expect(await askAs(headers)).toBe(403)
})

test('the origin of the sign-in itself, and no origin, may ask', async () => {
  expect(await askAs({})).toBe(201)
  expect(await askAs({ origin: signIn.issuer, 'sec-fetch-site': 'same-origin' })).toBe(201)
})

test('a preflight of another page is not answered with what it asks for', async () => {
  const answer = await fetch(`${signIn.issuer}/_embedded/tokens`, {
    method: 'OPTIONS',
    headers: { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' },
  })
  expect(answer.headers.get('access-control-allow-origin')).toBeNull()
  expect(answer.ok).toBe(false)
})

test('a port that is taken is an error, as before', async () => {
  const { port, close } = await listenOnLoopback(createServer())
  await expect(startSignIn({ port })).rejects.toThrow('EADDRINUSE')
  await close()
})

test('an issuer with a maximum token age: that is the default lifetime, and a longer one gets a remark', async () => {
  const key = await newSigningKey('ES256')
  const settings = issuerSettings({ maxTokenAgeSeconds: 900 })
  const one = await startSignIn({ port: 0, issuers: [{ settings, key }] })
  const lifeOf = ({ claims }: MadeToken) => Number(claims['exp']) - Number(claims['iat'])
  const [usual, long] = [
    await one.makeToken(ASKED),
    await one.makeToken({ ...ASKED, expires_in: 43_200 }),
  ]
  await one.close()
  expect({ life: lifeOf(usual), remark: usual.remark }).toEqual({ life: 900, remark: undefined })
  expect(lifeOf(long)).toBe(43_200)
  expect(long.remark).toBe('max_token_age_seconds of the config ends the token after 900 s')
})
