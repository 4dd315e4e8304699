import { beforeEach, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/lib/errors.ts'
import { expectProblem } from '../support/problem-answer.ts'
import { type RawAnswer, rawExchange, rawRequest } from '../support/raw-http.ts'
import { APP_ORIGIN, HIGH_LIMITS, startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

// Cloudflare Access, IAP and Azure put the token into a header of their own, and some overwrite
// Authorization. Where such a header is there, it is the token.

const issuer = (name: string, more: string) =>
  `  - { issuer: 'https://${name}.test', audience: [chat-api], algorithms: [HS256], secret_env: TEST_SHARED_SECRET, ${more} }`
const CONFIG = `
issuers:
${issuer('issuer', 'token_header: Cf-Access-Jwt-Assertion, cookie: __session')}
${issuer('second', 'token_header: X-Goog-Iap-Jwt-Assertion')}
${issuer('bearer', 'token_types: [JWT]')}
${issuer('absent', 'token_header: X-Native, audience_when_absent: accept')}
user: issuer + "|" + claims.sub
workflows:
  support: { id: wf_support }
admins: { when: 'claims.admin', issuers: ['https://issuer.test'] }
cors: { origins: ['${APP_ORIGIN}'] }
${HIGH_LIMITS}
`

const running = forAllTests(() =>
  startService({ config: CONFIG, env: { PUBLIC_URL: 'https://mint.acme.example' } }),
)
beforeEach(() => running.upstream.clearRequests())

const token = tokenFor('alice')
const header = `Cf-Access-Jwt-Assertion: ${token}`
const ofSecond = tokenFor('sue', { iss: 'https://second.test' })
const ofBearer = tokenFor('bea', { iss: 'https://bearer.test' })
const ofAbsent = tokenFor('ann', { iss: 'https://absent.test', aud: undefined })
const origin = `Origin: ${APP_ORIGIN}`
const bearer = (value: string) => `Authorization: Bearer ${value}`
const CROSS = 'Sec-Fetch-Site: cross-site'
const MISSING = [401, 'missing_token'] as const
const INVALID = [401, 'invalid_token'] as const
const TWICE = [400, 'invalid_request'] as const

function call(line: string, ...headers: string[]): Promise<RawAnswer> {
  return rawExchange(running.url, rawRequest(line, { headers }))
}

describe('the token in the header counts', () => {
  test.each([
    ['from a proxy, without Authorization', [header]],
    ['in any case of the name', [header.replace('Cf-Access', 'CF-ACCESS')]],
    ['before a good token in Authorization', [bearer(tokenFor('bob')), header]],
    ['before an Authorization that the proxy overwrote', ['Authorization: Basic YTpi', header]],
    ['before an Authorization that is empty', ['Authorization:', header]],
    ['before a cookie', [`Cookie: __session=${tokenFor('bob')}`, header, origin]],
    ['of a page of an allowed origin', [header, origin]],
    ['of a page of the service’s own origin', [header, 'Origin: https://mint.acme.example']],
    ['of the proxy’s own page', [header, 'Sec-Fetch-Site: same-origin']],
  ])('%s', async (_name, headers) => {
    expect((await call('POST /v1/sessions', ...headers)).status).toBe(200)
    const [mint] = running.upstream.requests()
    expect(mint?.body).toMatchObject({ user: 'https://issuer.test|alice' })
  })

  test('for each issuer in its own header, and for signing out and threads too', async () => {
    const second = `X-Goog-Iap-Jwt-Assertion: ${ofSecond}`
    expect((await call('POST /v1/sessions', second)).status).toBe(200)
    expect((await call('DELETE /v1/sessions', header)).status).toBe(204)
    expect((await call('GET /v1/threads', header)).status).toBe(200)
  })

  test('and without it, Authorization and cookies count as always', async () => {
    expect((await call('POST /v1/sessions', bearer(token))).status).toBe(200)
    expect((await call('POST /v1/sessions', `Cookie: __session=${token}`, origin)).status).toBe(200)
  })
})

describe('the token in the header is refused, and nothing is minted', () => {
  test.each<[string, readonly string[], number, ErrorCode]>([
    ['twice', [header, header], ...TWICE],
    ['twice, one empty', [header, 'Cf-Access-Jwt-Assertion:'], ...TWICE],
    ['in two headers', [header, `X-Goog-Iap-Jwt-Assertion: ${ofSecond}`], ...TWICE],
    ['in two headers, one of them empty', [header, 'X-Native:'], ...TWICE],
    ['beside two Authorization headers', [header, bearer(token), bearer(token)], ...TWICE],
    ['when it is empty, also beside a good bearer token', ['X-Native:', bearer(token)], ...MISSING],
    ['with a scheme before it', [`Cf-Access-Jwt-Assertion: Bearer ${token}`], ...INVALID],
    ['when it is no token, beside a good one', ['X-Native: abc', bearer(token)], ...INVALID],
    ['of another issuer', [`Cf-Access-Jwt-Assertion: ${ofSecond}`], ...INVALID],
    ['of an issuer without token_header', [`Cf-Access-Jwt-Assertion: ${ofBearer}`], ...INVALID],
    // A proxy may have taken it from a cookie.
    ['without an audience', [`X-Native: ${ofAbsent}`], ...INVALID],
    ['of a page elsewhere on the site', [header, 'Sec-Fetch-Site: same-site'], ...MISSING],
    ['of a page of another site', [header, CROSS], ...MISSING],
    ['of an address that was typed', [header, 'Sec-Fetch-Site: none'], ...MISSING],
    ['of another site, beside a good bearer token', [header, CROSS, bearer(token)], ...MISSING],
    ['of a foreign origin', [header, 'Origin: https://evil.example'], 403, 'origin_not_allowed'],
    ['of no origin', [header, 'Origin: null'], 403, 'origin_not_allowed'],
  ])('%s', async (_name, headers, status, code) => {
    expectProblem(await call('POST /v1/sessions', ...headers), status, code)
    expect(running.upstream.requests()).toEqual([])
  })

  test('after the same token counted as a bearer token', async () => {
    expect((await call('POST /v1/sessions', bearer(ofSecond))).status).toBe(200)
    running.upstream.clearRequests()
    const elsewhere = await call('POST /v1/sessions', `Cf-Access-Jwt-Assertion: ${ofSecond}`)
    expectProblem(elsewhere, ...INVALID)
    expect(running.upstream.requests()).toEqual([])
  })
})

test('admin calls read Authorization alone', async () => {
  const admin = tokenFor('ada', { admin: true })
  const assertion = `Cf-Access-Jwt-Assertion: ${admin}`
  for (const proof of [
    'X: y',
    'Sec-Fetch-Site: same-origin',
    'Origin: https://mint.acme.example',
  ]) {
    const answer = await call('GET /v1/admin/sessions', assertion, proof)
    expectProblem(answer, ...MISSING)
  }
  const asUser = await call('GET /v1/admin/sessions', assertion, bearer(token))
  expectProblem(asUser, 403, 'admin_required')
  const asAdmin = await call('GET /v1/admin/sessions', header, header, bearer(admin))
  expect(asAdmin.status).toBe(200)
})

test('no reason in the log holds a token that came in a header', async () => {
  const opaque = 'opaque-4f1c9b7ad2'
  expect((await call('POST /v1/sessions', `X-Native: ${opaque}`)).status).toBe(401)
  expect((await call('POST /v1/sessions', header, header)).status).toBe(400)
  expect(running.logText()).not.toContain(opaque)
  expect(running.logText()).not.toContain(token)
})
