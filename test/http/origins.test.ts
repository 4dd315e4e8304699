import { beforeEach, describe, expect, test } from 'vitest'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { type RawAnswer, rawExchange, rawRequest } from '../support/raw-http.ts'
import { APP_ORIGIN, DEFAULT_CONFIG, startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

const running = forAllTests(() => {
  const origins = `['${APP_ORIGIN}', 'http://localhost:3000', 'capacitor://localhost']`
  return startService({
    config: DEFAULT_CONFIG.replace(/^cors: .*$/m, `cors: { origins: ${origins} }`),
    env: { PUBLIC_URL: 'https://mint.acme.example' },
  })
})
beforeEach(() => running.upstream.clearRequests())

const authorization = `Bearer ${tokenFor()}`

async function call(method: string, path: string, headers: Record<string, string>) {
  return answerOf(await fetch(`${running.url}${path}`, { method, headers }))
}

function expectCors({ headers }: RawAnswer, origin: string): void {
  expect(headers['access-control-allow-origin']).toBe(origin)
  expect(headers['vary']).toBe('Origin')
  expect(headers['access-control-expose-headers']).toBe(
    'Retry-After, RateLimit, RateLimit-Policy, X-Request-Id',
  )
  // No cookie is configured here.
  expect(headers).not.toHaveProperty('access-control-allow-credentials')
}

function expectNoCors({ headers }: RawAnswer): void {
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
}

describe('an allowed origin', () => {
  test.each([
    APP_ORIGIN,
    'http://localhost:3000',
    'capacitor://localhost',
    'https://mint.acme.example',
  ])('%s mints', async (origin) => {
    const answer = await call('POST', '/v1/sessions', { authorization, origin })
    expect(answer.status).toBe(200)
    expectCors(answer, origin)
  })

  test('is not required: a request without Origin (a native app) mints, without CORS headers', async () => {
    const answer = await call('POST', '/v1/sessions', { authorization })
    expect(answer.status).toBe(200)
    expectNoCors(answer)
    expectNoCors(await call('OPTIONS', '/v1/sessions', {}))
  })

  test.each<[string, string, string, Record<string, string>, number]>([
    ['400', 'POST', '/v1/sessions', { authorization, 'content-type': 'application/json' }, 400],
    ['401', 'POST', '/v1/sessions', {}, 401],
    ['404', 'GET', '/nowhere', {}, 404],

    ['405', 'GET', '/v1/sessions', {}, 405],
    ['415', 'POST', '/v1/sessions', { authorization, 'content-type': 'text/plain' }, 415],
    ['200 of another route', 'GET', '/livez', {}, 200],
  ])('gets CORS headers with status %s too', async (_name, method, path, headers, status) => {
    const init = { method, headers: { ...headers, origin: APP_ORIGIN } }
    const body = status === 400 || status === 415 ? { body: '[]' } : {}
    const answer = await answerOf(await fetch(`${running.url}${path}`, { ...init, ...body }))
    expect(answer.status).toBe(status)
    expectCors(answer, APP_ORIGIN)
  })

  test('gets CORS headers with an upstream error too', async () => {
    running.upstream.setFaults({ status: 401, times: 1 })
    const answer = await call('POST', '/v1/sessions', { authorization, origin: APP_ORIGIN })
    expectProblem(answer, 502, 'upstream_auth_failed')
    expectCors(answer, APP_ORIGIN)
  })
})

describe('any other origin gets 403 without CORS headers, and mints nothing', () => {
  test.each([
    'https://evil.example',
    'null',
    'https://app.acme.example.evil',
    'https://app.acme.example:8443',
    'https://app.acme.example:443',
    'http://app.acme.example',
    'https://APP.acme.example',
    'https://app.acme.example/',
    'https://acme.example',
    'https://evil.example/https://app.acme.example',
    'https://app.acme.example, https://evil.example',
    'http://localhost:3001',
    'http://localhost',
    'capacitor://localhost.evil',
    'file://',
    '*',
    '',
  ])('such as %s', async (origin) => {
    const headers = [`Origin: ${origin}`, `Authorization: ${authorization}`]
    const answer = await rawExchange(running.url, rawRequest('POST /v1/sessions', { headers }))
    expectProblem(answer, 403, 'origin_not_allowed')
    expectNoCors(answer)
    expect(running.upstream.requests()).toEqual([])
  })

  test('and so do two Origin headers, even the allowed one twice', async () => {
    const headers = [
      `Origin: ${APP_ORIGIN}`,
      `Origin: ${APP_ORIGIN}`,
      `Authorization: ${authorization}`,
    ]
    const answer = await rawExchange(running.url, rawRequest('POST /v1/sessions', { headers }))
    expectProblem(answer, 403, 'origin_not_allowed')
    expect(running.upstream.requests()).toEqual([])
  })

  test('on every route', async () => {
    for (const path of ['/livez', '/readyz', '/openapi.json']) {
      expectProblem(
        await call('GET', path, { origin: 'https://evil.example' }),
        403,
        'origin_not_allowed',
      )
    }
  })
})

describe('a preflight', () => {
  const asks = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization, content-type',
  }

  test('from an allowed origin gets 204 with methods, headers and their lifetime', async () => {
    const answer = await call('OPTIONS', '/v1/sessions', { ...asks, origin: APP_ORIGIN })
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 204, body: '' })
    expectCors(answer, APP_ORIGIN)
    const { headers } = answer
    expect(headers['access-control-allow-methods']?.split(', ')).toContain('POST')
    expect(headers['access-control-allow-headers']?.toLowerCase().split(', ').sort()).toEqual([
      'authorization',
      'content-type',
    ])
    expect(Number(headers['access-control-max-age'])).toBeGreaterThanOrEqual(60)
  })

  test.each([
    [
      'the headers that it asks for',
      'content-type, authorization, traceparent,x-datadog-trace-id',
      ['content-type', 'authorization', 'traceparent', 'x-datadog-trace-id'],
    ],
    [
      'the headers of Sentry and OpenTelemetry',
      'authorization,baggage,content-type,sentry-trace,traceparent,tracestate',
      ['baggage', 'sentry-trace', 'traceparent', 'tracestate'],
    ],
    ['no name that is none, and no wildcard', '*, x a, x:y, x-ok, "q", é', ['x-ok']],
    ['no more than 1 KiB of names', `x-first, ${'x'.repeat(1024)}`, ['x-first']],
    ['all names of exactly 1 KiB', `x-a, ${'y'.repeat(1019)}`, ['x-a', 'y'.repeat(1019)]],
    ['no cut name', `${'x-b, '.repeat(204)}y-cut-off`, ['x-b']],
    ['nothing more for an empty list', '', []],
  ])('allows %s', async (_name, asked, allowed) => {
    const headers = { ...asks, origin: APP_ORIGIN, 'access-control-request-headers': asked }
    const raw = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
    const answer = await rawExchange(
      running.url,
      rawRequest('OPTIONS /v1/sessions', { headers: raw }),
    )
    expect(answer.status).toBe(204)
    expectCors(answer, APP_ORIGIN)
    const names = answer.headers['access-control-allow-headers']?.toLowerCase().split(', ')
    expect(new Set(names)).toEqual(new Set(['authorization', 'content-type', ...allowed]))
  })

  test('needs no token, and mints nothing', async () => {
    await call('OPTIONS', '/v1/sessions', { ...asks, origin: APP_ORIGIN, authorization })
    expect(running.upstream.requests()).toEqual([])
  })

  test.each(['https://evil.example', 'null', 'https://app.acme.example.evil'])(
    'from %s gets 403',
    async (origin) => {
      const answer = await call('OPTIONS', '/v1/sessions', { ...asks, origin })
      expectProblem(answer, 403, 'origin_not_allowed')
      expectNoCors(answer)
    },
  )

  test('of a path that does not exist gets 404', async () => {
    const answer = await call('OPTIONS', '/nowhere', { ...asks, origin: APP_ORIGIN })
    expectProblem(answer, 404, 'not_found')
  })
})
