import { describe, expect, test } from 'vitest'
import { VERSION } from '../../../src/lib/version.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { APP_ORIGIN, startService } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'

const running = forAllTests(() => startService())

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(running.url + path, { headers })

describe.each([
  ['/client.js', 'text/javascript; charset=utf-8', 'public, max-age=300'],
  ['/client.d.ts', 'application/typescript; charset=utf-8', 'no-store'],
  ['/client.tgz', 'application/gzip', 'public, max-age=300'],
])('GET %s', (path, type, caching) => {
  test('is a file with a tag, which may be kept, apart from the types', async () => {
    const response = await get(path)
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': type,
      'cache-control': caching,
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.stringMatching(/^req_/),
      vary: 'Origin',
      etag: expect.stringMatching(/^"[\w-]{43}"$/),
    })
  })

  test('may be read by pages of allowed origins, and of no others', async () => {
    const response = await get(path, { Origin: APP_ORIGIN })
    expect(response.headers.get('access-control-allow-origin')).toBe(APP_ORIGIN)
    const other = await answerOf(await get(path, { Origin: 'https://evil.example' }))
    expectProblem(other, 403, 'origin_not_allowed')
    expect(other.headers['cache-control']).toBe('no-store')
  })

  test('is not sent again to a client that has it', async () => {
    const etag = (await get(path)).headers.get('etag') ?? ''
    for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const response = await get(path, { 'If-None-Match': condition, Origin: APP_ORIGIN })
      expect(response.status).toBe(304)
      expect(response.headers.get('etag')).toBe(etag)
      expect(response.headers.get('access-control-allow-origin')).toBe(APP_ORIGIN)
      expect(await response.text()).toBe('')
    }
    expect((await get(path, { 'If-None-Match': '"other"' })).status).toBe(200)
  })
})

test('the script is the helper without its comments', async () => {
  const text = await (await get('/client.js')).text()
  expect(text).toContain('export function createGetClientSecret')
  expect(text).not.toMatch(/\/\*\*|^\s*\/\//m)
})

test('the types are those of the helper', async () => {
  expect(await (await get('/client.d.ts')).text()).toContain(
    'export declare function createChatKitFetch',
  )
})

test('a browser keeps the package under a name with its version', async () => {
  const { headers } = await get('/client.tgz')
  const name = `chatkit-mint-client-${VERSION}.tgz`
  expect(headers.get('content-disposition')).toBe(`attachment; filename="${name}"`)
})
