import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/lib/errors.ts'
import { type KeyServer, startKeyServer } from '../support/key-server.ts'
import { expectProblem } from '../support/problem-answer.ts'
import { rawExchange, rawRequest } from '../support/raw-http.ts'
import { HIGH_LIMITS, type Running, startService } from '../support/running-service.ts'
import {
  claimsOf,
  createSigner,
  handMade,
  type Part,
  signDer,
  withSameKey,
} from '../support/tokens.ts'

// The "Tokens" table once through the whole service; the corner cases of each row are with step 1.

const es = createSigner('ES256', 'shared-kid')
const rs = createSigner('RS256', 'rsa')
const foreign = createSigner('ES256', 'shared-kid')
const stranger = createSigner('ES256', 'stranger')

let server: KeyServer
let otherServer: KeyServer
let running: Running
beforeAll(async () => {
  server = await startKeyServer([es.publicJwk, rs.publicJwk])
  otherServer = await startKeyServer([foreign.publicJwk])
  running = await startService({
    config: `
issuers:
  - { issuer: '${server.issuer}', audience: [chat-api], algorithms: [ES256, RS256], jwks_uri: '${server.jwksUri}' }
  - { issuer: '${otherServer.issuer}', audience: [chat-api], algorithms: [ES256], jwks_uri: '${otherServer.jwksUri}' }
user: issuer + "|" + claims.sub
workflows:
  support: { id: wf_support }
admins: { when: 'claims.admin', issuers: ['${server.issuer}'] }
${HIGH_LIMITS}
`,
  })
})
afterAll(async () => {
  await running.close()
  await Promise.all([server.close(), otherServer.close()])
})
beforeEach(() => running.api.api.clearRequests())

const claims = (changes = {}) => claimsOf(server.issuer, Date.now(), changes)
const seconds = () => Math.floor(Date.now() / 1000)
const bearer = (token: string) => [`Authorization: Bearer ${token}`]
const good = () => es.token(claims())

function post(headers: readonly string[], target = '/v1/sessions', body?: string) {
  const parts = { headers, ...(body !== undefined && { body }) }
  return rawExchange(running.url, rawRequest(`POST ${target}`, parts))
}

async function expectRefused(
  headers: readonly string[],
  [status, code, reason]: readonly [number, ErrorCode, RegExp],
): Promise<void> {
  const answer = await post(headers)
  expectProblem(answer, status, code)
  const id = answer.headers['x-request-id']
  const line = running.log.find((one) => one['request_id'] === id)
  expect(line?.['reason']).toMatch(reason)
  expect(running.api.api.requests()).toEqual([])
}

/** Refused as `invalid_token`, each for its own reason, so that no row is refused by accident. */
function expectInvalid(token: string, reason: RegExp): Promise<void> {
  return expectRefused(bearer(token), [401, 'invalid_token', reason])
}

describe('where the token is', () => {
  test('Authorization: Bearer, in any case: 200', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      expect((await post([`Authorization: ${scheme} ${good()}`])).status).toBe(200)
    }
    expect(running.api.api.requests()).toHaveLength(3)
  })

  test('no Authorization, or another scheme: 401 missing_token', async () => {
    const refusal = [401, 'missing_token', /Authorization header/] as const
    for (const value of [
      'Basic YTpi',
      good(),
      `Token ${good()}`,
      `Bearer\u00a0${good()}`,
      'Bearer ',
    ]) {
      await expectRefused([`Authorization: ${value}`], refusal)
    }
    await expectRefused([], refusal)
    await expectRefused([`Proxy-Authorization: Bearer ${good()}`], refusal)
    await expectRefused([`X-Authorization: Bearer ${good()}`], refusal)
  })

  test('in the query or in the body: 401 missing_token', async () => {
    const inQuery = await post([], `/v1/sessions?access_token=${good()}&token=${good()}`)
    expectProblem(inQuery, 401, 'missing_token')
    const form = ['Content-Type: application/x-www-form-urlencoded']
    expectProblem(await post(form, '/v1/sessions', `access_token=${good()}`), 401, 'missing_token')
    const json = ['Content-Type: application/json']
    const inBody = await post(json, '/v1/sessions', JSON.stringify({ access_token: good() }))
    expectProblem(inBody, 401, 'missing_token')
    expect(running.api.api.requests()).toEqual([])
  })

  test('two Authorization headers, equal or not: 400', async () => {
    const refusal = [400, 'invalid_request', /several Authorization/] as const
    await expectRefused([...bearer(good()), ...bearer(good())], refusal)
    await expectRefused([...bearer(good()), 'authorization: Basic YTpi'], refusal)
    await expectRefused(['Authorization:', ...bearer(good())], refusal)
  })
})

const signed = (header: Part, payload: Part = claims()) => handMade(header, payload, es.sign)
const ES = { alg: 'ES256', kid: 'shared-kid' }

describe('401 invalid_token', () => {
  test.each<[string, () => string, RegExp]>([
    ['alg none', () => signed({ alg: 'none' }), /alg/],
    ['alg nOnE', () => signed({ alg: 'nOnE' }), /alg/],
    ['alg missing', () => signed({ kid: 'shared-kid' }), /header: alg/],
    ['alg null', () => signed({ alg: null }), /header: alg/],
    ['alg an array', () => signed({ alg: ['ES256'] }), /header: alg/],
    ['no signature', () => `${good().split('.').slice(0, 2).join('.')}.`, /segments/],
    ['HS256 with the public key', () => hmacWithPublicKey(), /alg/],
    ['an algorithm not on the list', () => withSameKey(rs, 'RS512').token(claims()), /alg/],
    [
      'PS256 under an RS256 header',
      () => handMade({ alg: 'RS256', kid: 'rsa' }, claims(), withSameKey(rs, 'PS256').sign),
      /signature/,
    ],
    ['a DER-encoded signature', () => handMade(ES, claims(), signDer(es)), /signature/],
    ['an all-zero signature', () => handMade(ES, claims(), Buffer.alloc(64)), /signature/],
    ['a changed payload', () => changed(good()), /signature/],
    ['kid a path', () => signed({ ...ES, kid: '../../etc/passwd' }), /kid|key/],
    ['kid SQL', () => signed({ ...ES, kid: "' OR 1=1 --" }), /kid|key/],
    ['kid __proto__', () => signed({ ...ES, kid: '__proto__' }), /kid|key/],
    ['kid of 5 KB', () => signed({ ...ES, kid: 'k'.repeat(5000) }), /kid/],
    ['kid an object', () => signed({ ...ES, kid: { a: 1 } }), /kid/],
    ['a key that is nobody’s', () => stranger.token(claims()), /key/],
    ['crit', () => signed({ ...ES, crit: ['exp'] }), /crit/],
    ['b64: false', () => signed({ ...ES, b64: false }), /b64/],
    ['five segments', () => 'e30.e30.e30.e30.e30', /segments/],
    ['a nested token', () => signed({ ...ES, cty: 'JWT' }), /cty/],
    ['typ logout+jwt', () => signed({ ...ES, typ: 'logout+jwt' }), /typ/],
    ['typ dpop+jwt', () => signed({ ...ES, typ: 'dpop+jwt' }), /typ/],
    ['typ secevent+jwt', () => signed({ ...ES, typ: 'secevent+jwt' }), /typ/],
    ['another issuer’s key with the same kid', () => foreign.token(claims()), /signature/],
    ['iss with a slash behind', () => es.token(claims({ iss: `${server.issuer}/` })), /issuer/],
    ['iss in another case', () => es.token(claims({ iss: server.issuer.toUpperCase() })), /issuer/],
    ['iss an array', () => es.token(claims({ iss: [server.issuer] })), /iss/],
    ['aud absent', () => es.token(claims({ aud: undefined })), /aud/],
    ['aud other', () => es.token(claims({ aud: 'other' })), /aud/],
    ['aud a prefix of ours', () => es.token(claims({ aud: 'chat' })), /aud/],
    ['aud a suffix of ours', () => es.token(claims({ aud: 'my-chat-api' })), /aud/],
    ['aud an object', () => es.token(claims({ aud: { 'chat-api': true } })), /aud/],
    ['exp absent', () => es.token(claims({ exp: undefined })), /exp/],
    ['exp null', () => es.token(claims({ exp: null })), /exp/],
    ['exp text', () => es.token(claims({ exp: String(seconds() + 300) })), /exp/],
    ['exp in milliseconds', () => es.token(claims({ exp: Date.now() + 300_000 })), /exp/],
    ['exp beyond all numbers', () => signed(ES, withExp('1e999')), /exp/],
    ['nbf in the future', () => es.token(claims({ nbf: seconds() + 90 })), /nbf/],
    ['iat in the future', () => es.token(claims({ iat: seconds() + 90 })), /iat/],
    ['sub absent', () => es.token(claims({ sub: undefined })), /sub/],
    ['sub empty', () => es.token(claims({ sub: '' })), /sub/],
    ['sub a number', () => es.token(claims({ sub: 7 })), /sub/],
    ['sub of 256 characters', () => es.token(claims({ sub: 'x'.repeat(256) })), /sub/],
    ['sub with NUL', () => es.token(claims({ sub: 'a\0b' })), /sub/],
    ['sub with a lone surrogate', () => es.token(claims({ sub: 'a\ud800' })), /sub/],
    ['sub with a bidi control', () => es.token(claims({ sub: 'a\u202eb' })), /sub/],
    [
      'a repeated claim',
      () => signed(ES, `{"sub":"bob",${JSON.stringify(claims()).slice(1)}`),
      /key/,
    ],
    ['3,000 levels', () => signed(ES, deep(3000)), /levels/],
    ['over 8 KiB', () => es.token(claims({ pad: 'x'.repeat(8192) })), /8 KiB/],
    ['another last character', () => otherLastCharacter(good()), /base64url/],
    ['padding', () => `${good()}=`, /base64url/],
    ['not a token', () => 'hunter2', /segments/],
  ])('%s', async (_name, token, reason) => {
    await expectInvalid(token(), reason)
  })

  test('expired beyond the tolerance is token_expired', async () => {
    const token = es.token(claims({ exp: seconds() - 31 }))
    await expectRefused(bearer(token), [401, 'token_expired', /exp/])
    expect((await post(bearer(es.token(claims({ exp: seconds() - 20 }))))).status).toBe(200)
  })

  test('unknown keys and foreign URLs made nobody fetch more than once', async () => {
    const header = { ...ES, jku: otherServer.jwksUri, x5u: otherServer.jwksUri }
    const before = { ...otherServer.fetches }
    for (let at = 0; at < 20; at++) await post(bearer(signed({ ...header, kid: `kid-${at}` })))
    expect(otherServer.fetches).toEqual(before)
    // The first fetch, and one for all unknown kids of this file within the cool-down.
    expect(server.fetches.jwks).toBeLessThanOrEqual(2)
    expect(running.api.api.requests()).toEqual([])
  })
})

describe('200', () => {
  test.each<[string, () => string]>([
    ['aud an array that contains ours', () => es.token(claims({ aud: ['other', 'chat-api'] }))],
    ['jku, x5u and jwk are ignored', () => signed({ ...ES, jku: 'http://127.0.0.1:9/', jwk: {} })],
    ['RS256', () => rs.token(claims())],
    ['no typ', () => signed(ES)],
  ])('%s', async (_name, token) => {
    expect((await post(bearer(token()))).status).toBe(200)
    expect(running.api.api.requests()[0]?.body).toMatchObject({ user: `${server.issuer}|alice` })
  })

  test('as many claims as fit into 8 KiB', async () => {
    const many = Object.fromEntries(Array.from({ length: 550 }, (_, at) => [`k${at}`, at]))
    expect((await post(bearer(es.token(claims(many))))).status).toBe(200)
  })
})

describe('403', () => {
  const admin = () => bearer(es.token(claims({ sub: 'ada', admin: true })))

  test('a blocked user with a valid token: user_blocked', async () => {
    const token = es.token(claims({ sub: 'mallory' }))
    const body = JSON.stringify({ user: `${server.issuer}|mallory`, block_seconds: 600 })
    const headers = [...admin(), 'Content-Type: application/json']
    expect((await post(headers, '/v1/admin/revoke', body)).status).toBe(200)
    await expectRefused(bearer(token), [403, 'user_blocked', /blocked until/])
  })

  test('a user token on an admin call: admin_required', async () => {
    expectProblem(await post(bearer(good()), '/v1/admin/revoke', '{}'), 403, 'admin_required')
    const ofOther = claimsOf(otherServer.issuer, Date.now(), { admin: true })
    const answer = await post(bearer(foreign.token(ofOther)), '/v1/admin/revoke', '{}')
    expectProblem(answer, 403, 'admin_required')
  })
})

function hmacWithPublicKey(): string {
  const pem = rs.publicKey.export({ type: 'spki', format: 'pem' })
  const sign = (input: string) => createHmac('sha256', pem).update(input).digest()
  return handMade({ alg: 'HS256', kid: 'rsa' }, claims(), sign)
}

/** The same header and signature over claims of somebody else. */
function changed(token: string): string {
  const [header, , signature] = token.split('.')
  const payload = Buffer.from(JSON.stringify(claims({ sub: 'bob' }))).toString('base64url')
  return `${header}.${payload}.${signature}`
}

function withExp(text: string): string {
  return JSON.stringify(claims({ exp: 0 })).replace('"exp":0', `"exp":${text}`)
}

function deep(levels: number): string {
  return `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`
}

/** The last character of a 64-byte signature holds four unused bits. */
function otherLastCharacter(token: string): string {
  const last = token.at(-1) ?? ''
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return token.slice(0, -1) + alphabet[alphabet.indexOf(last) + 1]
}
