import { beforeEach, describe, expect, test } from 'vitest'
import { expectProblem } from '../support/problem-answer.ts'
import { type RawAnswer, rawExchange, rawRequest } from '../support/raw-http.ts'
import { APP_ORIGIN, DEFAULT_CONFIG, startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

// Preview deployments: a new origin for each branch, allowed by one pattern, and trusted less than the app.

const running = forAllTests(() =>
  startService({
    config: DEFAULT_CONFIG.replace(
      /^cors: .*$/m,
      `cors: { origins: ['${APP_ORIGIN}', 'https://app-*.acme.example', 'https://*-ui.acme.example:8443', 'https://*.preview.acme.example'] }`,
    )
      .replace('secret_env:', 'cookie: __session\n    token_header: X-App-Token\n    secret_env:')
      .replace('workflows:', "admins: { when: 'true' }\nworkflows:"),
    env: { PUBLIC_URL: 'https://app-mint.acme.example' },
  }),
)
beforeEach(() => running.upstream.clearRequests())

const token = tokenFor()
const bearer = `Authorization: Bearer ${token}`
const PREVIEW = 'https://app-7.acme.example'
const ALLOWED = 'access-control-allow-origin'
const CREDENTIALS = 'access-control-allow-credentials'

function call(line: string, ...headers: string[]): Promise<RawAnswer> {
  return rawExchange(running.url, rawRequest(line, { headers }))
}

describe('a preview deployment', () => {
  test.each([
    PREVIEW,
    'https://app-fix-login-2.acme.example',
    'https://app--.acme.example',
    'https://x-ui.acme.example:8443',
    'https://fix-login.preview.acme.example',
  ])('at %s mints with a bearer token, without credentials', async (origin) => {
    const answer = await call('POST /v1/sessions', bearer, `Origin: ${origin}`)
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({ [ALLOWED]: origin, vary: 'Origin' })
    expect(answer.headers).not.toHaveProperty(CREDENTIALS)
  })

  test('gets its preflight answered, and its errors with CORS headers', async () => {
    const asks = ['Access-Control-Request-Method: POST', 'Access-Control-Request-Headers: baggage']
    const preflight = await call('OPTIONS /v1/sessions', `Origin: ${PREVIEW}`, ...asks)
    expect(preflight.status).toBe(204)
    expect(preflight.headers['access-control-allow-headers']).toContain('baggage')
    const refused = await call('POST /v1/sessions', `Origin: ${PREVIEW}`)
    expectProblem(refused, 401, 'missing_token')
    for (const { headers } of [preflight, refused]) {
      expect(headers[ALLOWED]).toBe(PREVIEW)
      expect(headers).not.toHaveProperty(CREDENTIALS)
    }
  })

  test.each([
    ['a cookie', [`Cookie: __session=${token}`]],
    ['a cookie of a proxied page', [`Cookie: __session=${token}`, 'Sec-Fetch-Site: same-origin']],
    ['a header that a proxy made of a cookie', [`X-App-Token: ${token}`]],
    ['such a header of a proxied page', [`X-App-Token: ${token}`, 'Sec-Fetch-Site: same-origin']],
  ])('mints nothing with %s, while the app itself does', async (_name, headers) => {
    const answer = await call('POST /v1/sessions', `Origin: ${PREVIEW}`, ...headers)
    expectProblem(answer, 401, 'missing_token')
    expect(running.upstream.requests()).toEqual([])
    const byApp = await call('POST /v1/sessions', `Origin: ${APP_ORIGIN}`, ...headers)
    expect(byApp.status).toBe(200)
    expect(byApp.headers[CREDENTIALS]).toBe('true')
  })

  test('never reaches the admin endpoints', async () => {
    const answer = await call('GET /v1/admin/sessions', bearer, `Origin: ${PREVIEW}`)
    expectProblem(answer, 403, 'origin_not_allowed')
    expect(answer.headers).not.toHaveProperty(ALLOWED)
  })
})

test('an origin that is named exactly counts as such, although a pattern fits it too', async () => {
  const own = 'Origin: https://app-mint.acme.example'
  expect((await call('POST /v1/sessions', `Cookie: __session=${token}`, own)).status).toBe(200)
})

test.each([
  'https://app-.acme.example',
  'https://app.acme.example.evil',
  'https://app-7.acme.example.evil',
  'https://app-7.acme.example:8443',
  'https://app-7.evil.acme.example',
  'https://app-evil.example/.acme.example',
  'https://app-evil.example#.acme.example',
  'https://app-evil@.acme.example',
  'https://app-evil:443.acme.example',
  'https://app-7xacme.example',
  'https://app-A.acme.example',
  'https://app-a_b.acme.example',
  'https://app-é.acme.example',
  'https://x.app-7.acme.example',
  'https://x-ui.acme.example',
  'https://preview.acme.example',
  'https://a.b.preview.acme.example',
  'http://app-7.acme.example',
  'https://app-*.acme.example/',
  'https://app-7.acme.example, https://app-8.acme.example',
])('the origin %s fits no pattern, and mints nothing', async (origin) => {
  const answer = await call('POST /v1/sessions', bearer, `Origin: ${origin}`)
  expectProblem(answer, 403, 'origin_not_allowed')
  expect(answer.headers).not.toHaveProperty(ALLOWED)
  expect(running.upstream.requests()).toEqual([])
})
