import { describe, expect, test } from 'vitest'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { APP_ORIGIN, startService } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'

const running = forAllTests(() => startService())

const get = (headers: Record<string, string> = {}, method = 'GET') =>
  fetch(`${running.url}/client.js`, { method, headers })

describe('GET /client.js', () => {
  test('is a script that anyone may keep for five minutes', async () => {
    const response = await get()
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=300',
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.stringMatching(/^req_/),
      vary: 'Origin',
      etag: expect.stringMatching(/^"[\w-]{43}"$/),
    })
    const text = await response.text()
    expect(text).toContain('export function createGetClientSecret')
    expect(text).not.toMatch(/\/\*\*|^\s*\/\//m)
  })

  test('may be imported by pages of allowed origins, and of no others', async () => {
    const response = await get({ Origin: APP_ORIGIN })
    expect(response.headers.get('access-control-allow-origin')).toBe(APP_ORIGIN)
    const other = await answerOf(await get({ Origin: 'https://evil.example' }))
    expectProblem(other, 403, 'origin_not_allowed')
    expect(other.headers['cache-control']).toBe('no-store')
  })

  test('is not sent to whoever has it', async () => {
    const etag = (await get()).headers.get('etag') ?? ''
    for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const response = await get({ 'If-None-Match': condition, Origin: APP_ORIGIN })
      expect(response.status).toBe(304)
      expect(response.headers.get('etag')).toBe(etag)
      expect(response.headers.get('access-control-allow-origin')).toBe(APP_ORIGIN)
      expect(await response.text()).toBe('')
    }
    expect((await get({ 'If-None-Match': '"other"' })).status).toBe(200)
  })

  test('answers HEAD without the body, and refuses other methods', async () => {
    const head = await get({}, 'HEAD')
    expect(head.status).toBe(200)
    expect(await head.text()).toBe('')
    expectProblem(await answerOf(await get({}, 'POST')), 405, 'method_not_allowed')
  })
})
