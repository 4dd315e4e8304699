import { beforeEach, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/lib/errors.ts'
import { expectProblem } from '../support/problem-answer.ts'
import { type RawAnswer, rawExchange, rawRequest } from '../support/raw-http.ts'
import { APP_ORIGIN, HIGH_LIMITS, startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

// A browser sends a cookie whichever site caused the request. So a token in a cookie counts only when the request
// provably comes from an allowed origin. It never counts for admins: ../http/admin/access.test.ts.

const OWN_ORIGIN = 'https://mint.acme.example'
const CONFIG = `
issuers:
  - { issuer: 'https://issuer.test', audience: [chat-api], algorithms: [HS256], secret_env: TEST_SHARED_SECRET, cookie: __session }
  - { issuer: 'https://second.test', audience: [chat-api], algorithms: [HS256], secret_env: TEST_SHARED_SECRET, cookie: second }
  - { issuer: 'https://headers.test', audience: [chat-api], algorithms: [HS256], secret_env: TEST_SHARED_SECRET }
user: issuer + "|" + claims.sub
workflows:
  support: { id: wf_support }
cors: { origins: ['${APP_ORIGIN}'] }
${HIGH_LIMITS}
`

const running = forAllTests(() => startService({ config: CONFIG, env: { PUBLIC_URL: OWN_ORIGIN } }))
beforeEach(() => running.upstream.clearRequests())

const token = tokenFor('alice')
const cookie = `Cookie: __session=${token}`
const origin = `Origin: ${APP_ORIGIN}`
const evil = 'Origin: https://evil.example'
const sameOrigin = 'Sec-Fetch-Site: same-origin'
const proven = [cookie, origin]
const AUTH = 'Authorization:'
const MISSING = [401, 'missing_token'] as const
const OF_SECOND = tokenFor('alice', { iss: 'https://second.test' })
const OF_HEADERS = tokenFor('alice', { iss: 'https://headers.test' })

function mint(...headers: string[]): Promise<RawAnswer> {
  return rawExchange(running.url, rawRequest('POST /v1/sessions', { headers }))
}

describe('the cookie counts', () => {
  test.each([
    ['with an allowed Origin', [cookie, origin]],
    ['with the origin of PUBLIC_URL', [cookie, `Origin: ${OWN_ORIGIN}`]],
    ['with Sec-Fetch-Site: same-origin', [cookie, sameOrigin]],
    ['with both', [cookie, origin, 'Sec-Fetch-Site: cross-site']],
    ['among others', [`Cookie: a=1; __session=${token}; b="2"`, origin]],
    ['in the second of two Cookie headers', ['Cookie: a=1', cookie, origin]],
    ['each issuer has its own', [`Cookie: second=${OF_SECOND}`, origin]],
  ])('%s', async (_name, headers) => {
    const answer = await mint(...headers)
    expect(answer.status).toBe(200)
    expect(running.upstream.requests()).toHaveLength(1)
  })

  test('for signing out too', async () => {
    const bytes = rawRequest('DELETE /v1/sessions', { headers: [cookie, origin] })
    expect((await rawExchange(running.url, bytes)).status).toBe(204)
    const unproven = rawRequest('DELETE /v1/sessions', { headers: [cookie] })
    expectProblem(await rawExchange(running.url, unproven), 401, 'missing_token')
  })
})

describe('the cookie does not count', () => {
  test.each<[string, readonly string[], number, ErrorCode]>([
    ['with nothing to prove the origin', [cookie], ...MISSING],
    ['with same-site', [cookie, 'Sec-Fetch-Site: same-site'], ...MISSING],
    ['with cross-site', [cookie, 'Sec-Fetch-Site: cross-site'], ...MISSING],
    ['with none (typed by the user)', [cookie, 'Sec-Fetch-Site: none'], ...MISSING],
    ['with same-origin twice', [cookie, sameOrigin, sameOrigin], ...MISSING],
    ['with a Referer of ours', [cookie, `Referer: ${APP_ORIGIN}/`], ...MISSING],
    ['with another Origin', [cookie, evil], 403, 'origin_not_allowed'],
    ['with Origin null', [cookie, 'Origin: null'], 403, 'origin_not_allowed'],
    ['with another Origin and same-origin', [cookie, evil, sameOrigin], 403, 'origin_not_allowed'],
    ['beside a bad bearer token', [...proven, `${AUTH} Bearer a.b.c`], 401, 'invalid_token'],
    ['beside an empty bearer token', [...proven, `${AUTH} Bearer`], ...MISSING],
    ['beside another scheme', [...proven, `${AUTH} Basic YTpi`], ...MISSING],
    ['beside an empty Authorization', [...proven, AUTH], ...MISSING],
    ['when it is empty', ['Cookie: __session=', origin], ...MISSING],
    ['under another name', [`Cookie: session=${token}`, origin], ...MISSING],
    ['under another case of the name', [`Cookie: __SESSION=${token}`, origin], ...MISSING],
    ['under a longer name', [`Cookie: x__session=${token}`, origin], ...MISSING],
    ['in another cookie’s value', [`Cookie: a=__session=${token}`, origin], ...MISSING],
    ['in quotes', [`Cookie: __session="${token}"`, origin], 401, 'invalid_token'],
    ['of another issuer', [`Cookie: __session=${OF_SECOND}`, origin], 401, 'invalid_token'],
    ['of an issuer without one', [`Cookie: __session=${OF_HEADERS}`, origin], 401, 'invalid_token'],
    ['twice, in one header', [`${cookie}; __session=${token}`, origin], 400, 'invalid_request'],
    ['twice, in two headers', [cookie, cookie, origin], 400, 'invalid_request'],
    ['twice, one of them empty', [`${cookie}; __session=`, origin], 400, 'invalid_request'],
    ['of two issuers at once', [`${cookie}; second=${OF_SECOND}`, origin], 400, 'invalid_request'],
  ])('%s', async (_name, headers, status, code) => {
    expectProblem(await mint(...headers), status, code)
    expect(running.upstream.requests()).toEqual([])
  })

  test('beside a good bearer token, which counts alone', async () => {
    const bearer = `Authorization: Bearer ${tokenFor('bob')}`
    expect((await mint(cookie, origin, bearer)).status).toBe(200)
    expect(running.upstream.requests()[0]?.body).toMatchObject({ user: 'https://issuer.test|bob' })
  })
})

describe('credentials are allowed to browsers where a cookie is configured', () => {
  const ALLOWED = 'access-control-allow-credentials'

  test.each([
    ['a mint', 'POST /v1/sessions', [cookie], 200],
    ['a refusal', 'POST /v1/sessions', [], 401],
    ['an unknown path', 'GET /nowhere', [], 404],
    ['a preflight', 'OPTIONS /v1/sessions', ['Access-Control-Request-Method: POST'], 204],
  ])('on %s', async (_name, line, headers, status) => {
    const bytes = rawRequest(line, { headers: [...headers, origin] })
    const answer = await rawExchange(running.url, bytes)
    expect(answer.status).toBe(status)
    expect(answer.headers[ALLOWED]).toBe('true')
    expect(answer.headers['access-control-allow-origin']).toBe(APP_ORIGIN)
  })

  test('but not to another origin, or to nobody', async () => {
    for (const headers of [[cookie, evil], [cookie]]) {
      expect((await mint(...headers)).headers).not.toHaveProperty(ALLOWED)
    }
  })
})
