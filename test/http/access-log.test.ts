import { describe, expect, test } from 'vitest'
import { openRaw, rawExchange, rawRequest } from '../support/raw-http.ts'
import { startService, tokenFor } from '../support/running-service.ts'
import { forEachTest } from '../support/started.ts'

// Each request has one line in the log, with everything that an operator needs and no secret.

const running = forEachTest(() => startService())

const USER = 'planted-user-7f3a'
const lines = () => running.log.filter(({ msg }) => msg === 'request')

/** The one line of the request that this answer belongs to. */
function lineOf(id: string | null | undefined): Record<string, unknown> | undefined {
  const found = lines().filter((line) => line['request_id'] === id)
  expect(found).toHaveLength(1)
  return found[0]
}

describe('the access log', () => {
  test('has one line for a mint, with its upstream call', async () => {
    const response = await running.mint(tokenFor(USER))
    const upstream = running.upstream.requests()[0]
    expect(lineOf(response.headers.get('x-request-id'))).toEqual({
      level: 30,
      time: expect.any(Number),
      msg: 'request',
      request_id: response.headers.get('x-request-id'),
      method: 'POST',
      route: '/v1/sessions',
      status: 200,
      user: expect.stringMatching(/^[0-9a-f]{16}$/),
      workflow: 'support',
      session: running.upstream.sessions()[0]?.id,
      upstream: {
        operation: 'create_session',
        status: 200,
        request_id: upstream?.request_id,
        attempts: 1,
        ms: expect.any(Number),
      },
      ms: expect.any(Number),
    })
  })

  test('shows the last status and the attempts of a mint that was retried and failed', async () => {
    running.upstream.setFaults({ status: 500 })
    const response = await running.mint(tokenFor(USER))
    const last = running.upstream.requests().at(-1)
    expect(lineOf(response.headers.get('x-request-id'))).toMatchObject({
      level: 50,
      status: 503,
      code: 'upstream_unavailable',
      reason: expect.stringContaining('status 500'),
      user: expect.stringMatching(/^[0-9a-f]{16}$/),
      workflow: 'support',
      upstream: { status: 500, request_id: last?.request_id, attempts: 2 },
    })
  })

  test('shows the precise reason for a refused token, and no user, because no claim is verified', async () => {
    const response = await running.mint(tokenFor(USER, { aud: 'other' }))
    const line = lineOf(response.headers.get('x-request-id'))
    expect(line).toMatchObject({
      level: 30,
      status: 401,
      code: 'invalid_token',
      reason: 'claims: aud is not for this service: "other", expected "chat-api"',
    })
    expect(line).not.toHaveProperty('user')
    expect(line).not.toHaveProperty('upstream')
  })

  const withHeader = (line: string, header: string) => rawRequest(line, { headers: [header] })
  test.each([
    ['the parser', withHeader('GET /livez', 'X: a\0b'), 400, 'invalid_request', /HPE_/],
    ['a Host check', 'GET / HTTP/1.1\r\n\r\n', 400, 'invalid_request', /0 Host headers/],
    ['the URL parser', 'GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n', 400, 'invalid_request', /URL/],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 405, 'method_not_allowed', /CONNECT/],
    ['Expect', withHeader('GET /', 'Expect: x'), 417, 'expectation_failed', /Expect/],
  ])('has one line for a refusal by %s', async (_name, bytes, status, code, reason) => {
    const answer = await rawExchange(running.url, bytes)
    expect(lineOf(answer.headers['x-request-id'])).toMatchObject({
      level: 30,
      status,
      code,
      reason: expect.stringMatching(reason),
    })
    expect(lines()).toHaveLength(1)
  })

  test('has one line for a broken body, although the app had the request already', async () => {
    const headers = [`Authorization: Bearer ${tokenFor()}`, 'Content-Type: application/json']
    const head = rawRequest('POST /v1/sessions', {
      headers: [...headers, 'Transfer-Encoding: chunked'],
    })
    const connection = await openRaw(running.url)
    connection.send(Buffer.concat([head, Buffer.from('zz\r\n')]))
    const answer = await connection.next()
    await connection.closed
    // The next request's line is behind whatever the broken one still writes.
    await fetch(`${running.url}/livez`)
    expect(lines()).toMatchObject([
      { request_id: answer.headers['x-request-id'], status: 400, code: 'invalid_request' },
      { route: '/livez' },
    ])
  })
})

test('a user has the same hash in all lines, and another user another hash', async () => {
  for (const user of [USER, 'bob', USER]) await running.mint(tokenFor(user))
  const [first, bob, again] = lines().map(({ user }) => user)
  expect(first).toBe(again)
  expect(first).not.toBe(bob)
})

test('the log shows routes as patterns, a path only where there is no route, and nothing of a query', async () => {
  await fetch(`${running.url}/v1/session?planted-query=1`)
  await fetch(`${running.url}/livez?planted-query=1`)
  await fetch(`${running.url}/v1/threads/planted-id`)
  expect(lines()).toHaveLength(3)
  const [unknown, live, thread] = lines()
  expect(unknown).toMatchObject({
    status: 404,
    reason: expect.stringMatching(/^no route "\/v1\/session", expected one like "\/v1\/sessions"/),
  })
  expect(live).toMatchObject({ route: '/livez' })
  expect(thread).toMatchObject({ route: '/v1/threads/:id' })
  expect(running.logText()).not.toContain('planted')
})
