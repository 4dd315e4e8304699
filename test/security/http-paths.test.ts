import { beforeEach, expect, test } from 'vitest'
import { expectProblem } from '../support/problem-answer.ts'
import { rawExchange, rawRequest } from '../support/raw-http.ts'
import { APP_ORIGIN, DEFAULT_CONFIG, startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

// Targets that some reader resolves to another path than the one they show. Each is sent with a good
// token, as POST: the one that came to mean /v1/sessions would mint.

const ADMINS = `admins: { when: 'claims.admin' }`
const running = forAllTests(() => startService({ config: `${DEFAULT_CONFIG}\n${ADMINS}\n` }))
beforeEach(() => running.upstream.clearRequests())

test.each([
  ['dot segments', '/v1/x/../sessions', 400],
  ['a single dot', '/v1/./sessions', 400],
  ['dot segments at the end', '/v1/sessions/..', 400],
  ['encoded dot segments', '/v1/%2e%2e/v1/sessions', 400],
  ['encoded in upper case', '/v1/%2E%2E/v1/sessions', 400],
  ['half encoded', '/v1/.%2e/v1/sessions', 400],
  ['towards the admin endpoints', '/v1/%2e%2e/admin', 400],
  ['encoded twice', '/v1/%252e%252e/v1/sessions', 404],
  ['dots behind encoded slashes', '/v1/x%2f..%2fsessions', 404],
  ['a backslash', '/v1\\sessions', 400],
  ['backslashes and dots', '/v1/x\\..\\sessions', 400],
  ['an encoded backslash', '/v1%5csessions', 404],
  ['two slashes in front', '//v1/sessions', 404],
  ['two slashes within', '/v1//sessions', 404],
  ['another host behind two slashes', '//evil.example/v1/sessions', 404],
  ['an encoded slash', '/v1%2fsessions', 404],
  ['a slash behind', '/v1/sessions/', 404],
  ['an encoded NUL', '/v1/sessions%00', 404],
  ['an encoded NUL and an ending', '/v1/sessions%00.json', 404],
  ['an encoded line end', '/v1/sessions%0d%0aX:%20y', 404],
  ['an encoded blank', '/v1/sessions%20', 404],
  ['a broken escape', '/v1/sessions%zz', 404],
  ['half an escape', '/v1/sessions%2', 404],
  ['an escape that is not UTF-8', '/v1/sessions%ff', 404],
  ['an overlong escape', '/v1%c0%afsessions', 404],
  ['a matrix parameter', '/v1/sessions;x=1', 404],
  ['another case', '/V1/sessions', 404],
  ['an ending', '/v1/sessions.json', 404],
  ['a fragment', '/v1/sessions#/../x', 400],
  ['an encoded question mark', '/v1/sessions%3fa=b', 404],
  ['a name that objects have', '/__proto__', 404],
  ['a name that functions have', '/constructor', 404],
  ['a pattern', '/v1/*', 404],
  ['a parameter', '/v1/:id', 404],
])('%s: %s', async (_name, target, status) => {
  const headers = [`Authorization: Bearer ${tokenFor()}`]
  const answer = await rawExchange(running.url, rawRequest(`POST ${target}`, { headers }))
  expectProblem(answer, status, status === 404 ? 'not_found' : 'invalid_request')
  expect(answer.body).not.toContain(target.slice(4))
  expect(running.upstream.requests()).toEqual([])
})

test.each(['/v1/%61dmin/sessions', '/%76%31/admin/sessions', '/v1/admi%6E/sessions'])(
  'a percent-encoded path of admins is one: %s',
  async (target) => {
    const admin = `Authorization: Bearer ${tokenFor('ada', { admin: true })}`
    const ask = (...headers: string[]) =>
      rawExchange(running.url, rawRequest(`GET ${target}`, { headers }))
    expect((await ask(admin)).status).toBe(200)
    // An app's pages may call what users call, and nothing of the admins'.
    expectProblem(await ask(admin, `Origin: ${APP_ORIGIN}`), 403, 'origin_not_allowed')
    expectProblem(await ask(`Authorization: Bearer ${tokenFor()}`), 403, 'admin_required')
  },
)

test('a percent-encoded path of users is one, with its origins and its answer', async () => {
  const target = 'POST /v1/%73essions'
  const token = `Authorization: Bearer ${tokenFor()}`
  const ask = (origin: string) =>
    rawExchange(running.url, rawRequest(target, { headers: [token, `Origin: ${origin}`] }))
  expectProblem(await ask('https://evil.example'), 403, 'origin_not_allowed')
  expect(running.upstream.requests()).toEqual([])
  expect((await ask(APP_ORIGIN)).status).toBe(200)
})

test('headers in which proxies put other paths and methods are ignored', async () => {
  const headers = [
    `Authorization: Bearer ${tokenFor()}`,
    'X-Original-URL: /v1/sessions',
    'X-Rewrite-URL: /v1/sessions',
    'X-HTTP-Method-Override: POST',
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Prefix: /v1/sessions',
  ]
  const elsewhere = await rawExchange(running.url, rawRequest('POST /nowhere', { headers }))
  expectProblem(elsewhere, 404, 'not_found')
  const otherMethod = await rawExchange(running.url, rawRequest('GET /v1/sessions', { headers }))
  expectProblem(otherMethod, 405, 'method_not_allowed')
  expect(running.upstream.requests()).toEqual([])
})
