import { describe, expect, test } from 'vitest'
import { answerOf, expectEnvelope } from '../support/problem-answer.ts'
import { openRaw, rawRequest } from '../support/raw-http.ts'
import { API_KEY, startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

// The headers of every answer, and answers to HEAD.

const running = forAllTests(() => startService())

const call = async (path: string, init?: RequestInit) =>
  answerOf(await fetch(`${running.url}${path}`, init))
const authorization = `Bearer ${tokenFor()}`

describe('every answer has a request id of ours, nosniff and no-store', () => {
  test.each<[string, string, RequestInit, number]>([
    ['a mint', '/v1/sessions', { method: 'POST', headers: { authorization } }, 200],
    ['a preflight', '/v1/sessions', { method: 'OPTIONS' }, 204],
    ['liveness', '/livez', {}, 200],
    ['readiness', '/readyz', {}, 200],
    ['the API description', '/openapi.json', {}, 200],
  ])('the answer to %s has them', async (_name, path, init, status) => {
    const answer = await call(path, init)
    expect(answer.status).toBe(status)
    expectEnvelope(answer)
  })

  test('no two answers have the same id, and an incoming one is not echoed', async () => {
    const headers = { 'x-request-id': 'req_chosen-by-the-client' }
    const ids = await Promise.all(
      Array.from(
        { length: 50 },
        async () => (await call('/livez', { headers })).headers['x-request-id'],
      ),
    )
    expect(new Set(ids).size).toBe(50)
    expect(ids).not.toContain('req_chosen-by-the-client')
  })

  test('no answer names the software behind it', async () => {
    const { headers } = await call('/livez')
    expect(headers).not.toHaveProperty('x-powered-by')
    expect(headers).not.toHaveProperty('server')
  })
})

describe('a mint', () => {
  test('answers the client secret and nothing else', async () => {
    const answer = await answerOf(await running.mint())
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/json')
    const [secret] = running.upstream.sessions().slice(-1)
    expect(answer.json()).toEqual({ client_secret: secret?.client_secret })
    expect(JSON.stringify(answer)).not.toContain(API_KEY)
  })

  test('ignores an unknown or repeated query parameter', async () => {
    const init = { method: 'POST', headers: { authorization } }
    expect((await call('/v1/sessions?user=bob&workflow=x&user=eve', init)).status).toBe(200)
    expect(running.upstream.sessions().at(-1)).toMatchObject({ user: 'alice' })
  })
})

describe('HEAD', () => {
  test('has the headers of GET and no body', async () => {
    const get = await call('/livez')
    const connection = await openRaw(running.url)
    connection.send(rawRequest('HEAD /livez'))
    connection.send(rawRequest('GET /livez'))
    const head = await connection.next({ head: true })
    expect(head.status).toBe(200)
    expectEnvelope(head)
    expect(head.headers['content-type']).toBe(get.headers['content-type'])
    // Had the first answer a body, this one would not be understood.
    expect((await connection.next()).json()).toEqual({ status: 'live' })
    connection.destroy()
  })

  test('that is refused has no body either', async () => {
    for (const [target, status] of [
      ['/nowhere', 404],
      ['/v1/sessions', 405],
      ['/v1/../livez', 400],
    ] as const) {
      const connection = await openRaw(running.url)
      connection.send(rawRequest(`HEAD ${target}`, { headers: ['Connection: close'] }))
      const answer = await connection.next({ head: true })
      await connection.closed
      expect(answer.status).toBe(status)
      expect(connection.rest()).toBe('')
    }
  })
})
