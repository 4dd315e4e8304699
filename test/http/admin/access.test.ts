import { beforeEach, describe, expect, test } from 'vitest'
import {
  ADMIN_CALLS,
  ADMIN_CONFIG,
  adminToken,
  auditOf,
  callAdmin,
} from '../../support/admin-calls.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { rawExchange, rawRequest } from '../../support/raw-http.ts'
import {
  APP_ORIGIN,
  claimsOf,
  signer,
  startService,
  tokenFor,
} from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'

const LINES = ADMIN_CALLS.map(([, line]) => line)

const PUBLIC_URL = 'https://mint.acme.example'
const ADMIN_ORIGIN = 'https://admin.acme.example'
const TWO_ISSUERS = `
issuers:
  - { issuer: 'https://issuer.test', audience: [chat-api], algorithms: [HS256], secret_env: TEST_SHARED_SECRET, cookie: __session }
  - { issuer: 'https://other.test', audience: [chat-api], algorithms: [HS256], secret_env: TEST_SHARED_SECRET }
user: issuer + "|" + claims.sub
workflows:
  support: { id: wf_support }
cors: { origins: ['${APP_ORIGIN}'] }
admins:
  when: '"chatkit-admin" in claims.roles'
  issuers: ['https://issuer.test']
  origins: ['${ADMIN_ORIGIN}']
`

const running = forAllTests(() => startService({ config: TWO_ISSUERS, env: { PUBLIC_URL } }))
beforeEach(() => running.upstream.clearRequests())

test.each(ADMIN_CALLS)(
  '%s refuses a user with 403, and the audit says who tried',
  async (route, line) => {
    const sub = `user-of-${line.replace(/\W/g, '-')}`
    const answer = await callAdmin(running, line, { token: tokenFor(sub), body: undefined })
    expectProblem(answer, 403, 'admin_required')
    expect(running.upstream.requests()).toEqual([])
    const [entry] = (await auditOf(running, '&action=admin_attempt')).filter(
      ({ actor }) => actor === `https://issuer.test|${sub}`,
    )
    expect(entry).toMatchObject({
      outcome: 'refused',
      reason: `${line.split(' ')[0]} ${route}`,
      request_id: answer.headers['x-request-id'],
      user: `https://issuer.test|${sub}`,
    })
  },
)

test.each<[string, Record<string, unknown>, string]>([
  ['only other roles', { roles: ['support'] }, '`when` is false'],
  ['no roles at all (the rule fails)', {}, 'No such key: roles'],
  ['roles that are no list (the rule yields no bool, or fails)', { roles: 7 }, '`when` fails'],
  ['roles as text that holds the name', { roles: 'chatkit-admin-not' }, '`when` fails'],
  ['a role in another case', { roles: ['Chatkit-Admin'] }, '`when` is false'],
])('a token with %s does not make an admin, and the log says why', async (_name, claims, why) => {
  const answer = await callAdmin(running, 'GET /sessions', { token: tokenFor('eve', claims) })
  expectProblem(answer, 403, 'admin_required')
  const id = answer.headers['x-request-id']
  const line = running.log.find(({ request_id, code }) => request_id === id && code !== undefined)
  expect(line).toMatchObject({ reason: expect.stringContaining(why) })
})

test('a token of an issuer that is not on the list never makes an admin', async () => {
  const token = signer.token(
    claimsOf({ iss: 'https://other.test', sub: 'ada', roles: ['chatkit-admin'] }),
  )
  expect((await running.mint(token)).status).toBe(200)
  for (const line of LINES) {
    expectProblem(await callAdmin(running, line, { token }), 403, 'admin_required')
  }
})

test.each(LINES)('%s refuses a call without a good token in the header', async (line) => {
  const [method, path] = line.split(' ')
  const raw = (headers: string[]) =>
    rawExchange(running.url, rawRequest(`${method} /v1/admin${path}`, { headers }))
  expectProblem(await raw([]), 401, 'missing_token')
  expectProblem(await raw(['Authorization: Bearer a.b.c']), 401, 'invalid_token')
  const cookie = `Cookie: __session=${adminToken()}`
  for (const proof of [`Origin: ${PUBLIC_URL}`, 'Sec-Fetch-Site: same-origin']) {
    expectProblem(await raw([cookie, proof]), 401, 'missing_token')
  }
  const bearer = `Authorization: Bearer ${adminToken()}`
  expectProblem(await raw([bearer, bearer]), 400, 'invalid_request')
  const expired = adminToken({ iat: 1, exp: 2 })
  expectProblem(await raw([`Authorization: Bearer ${expired}`]), 401, 'token_expired')
})

describe('browser origins', () => {
  test.each([PUBLIC_URL, ADMIN_ORIGIN])('a page of the origin %s may call', async (origin) => {
    const answer = await callAdmin(running, 'GET /sessions', { headers: { origin } })
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({ 'access-control-allow-origin': origin, vary: 'Origin' })
    const preflight = await callAdmin(running, 'OPTIONS /users/alice/revoke', {
      headers: { origin, 'access-control-request-method': 'POST' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers['access-control-allow-methods']).toContain('POST')
  })

  test.each([APP_ORIGIN, 'https://evil.example', 'null', `${ADMIN_ORIGIN}.evil`])(
    'a call from the origin %s is refused before its token is read, without CORS headers',
    async (origin) => {
      for (const line of [...LINES, 'OPTIONS /sessions']) {
        const answer = await callAdmin(running, line, { headers: { origin }, token: 'a.b.c' })
        expectProblem(answer, 403, 'origin_not_allowed')
        expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
      }
    },
  )

  test('a page of an admin origin may not mint', async () => {
    const answer = await running.mint(tokenFor(), { headers: { origin: ADMIN_ORIGIN } })
    expect(answer.status).toBe(403)
  })
})

test('an admin is let through to every call', async () => {
  for (const line of LINES) {
    const { status } = await callAdmin(running, line)
    expect([200, 204, 400, 404], line).toContain(status)
  }
})

test('with one issuer its name may be left out, and PUBLIC_URL is then the only origin', async () => {
  const one = await startService({ config: ADMIN_CONFIG, env: { PUBLIC_URL } })
  expect((await callAdmin(one, 'GET /sessions')).status).toBe(200)
  for (const [origin, status] of [
    [PUBLIC_URL, 200],
    [ADMIN_ORIGIN, 403],
    [APP_ORIGIN, 403],
  ] as const) {
    expect((await callAdmin(one, 'GET /sessions', { headers: { origin } })).status).toBe(status)
  }
})

test('without the key `admins` every admin endpoint is 404, even for an admin', async () => {
  const without = await startService()
  for (const line of LINES) expectProblem(await callAdmin(without, line), 404, 'not_found')
})

test('an admin whose claims map to no user is an admin, and is blocked by issuer and subject', async () => {
  const config = TWO_ISSUERS.replace('claims.sub', 'claims.uid')
  const lean = await startService({ config, env: { PUBLIC_URL } })
  expect((await callAdmin(lean, 'GET /sessions')).status).toBe(200)
  const user = 'https://issuer.test|ada'
  const body = { user, block_seconds: 60 }
  const token = adminToken({ sub: 'grace' })
  expect((await callAdmin(lean, 'POST /revoke', { token, body })).status).toBe(200)
  expectProblem(await callAdmin(lean, 'GET /sessions'), 403, 'user_blocked')
})
