import { createServer, IncomingMessage, type Server, ServerResponse } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'
import type { Origins } from '../../../src/http/origins.ts'
import { createMintLimiter } from '../../../src/http/server/mint-pacing.ts'
import { type Shedding, startShedding } from '../../../src/http/server/shedding.ts'
import { createLog } from '../../../src/lib/log.ts'
import { type HandTiming, handTiming } from '../../support/hand-timing.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { openRaw, type RawConnection, rawRequest } from '../../support/raw-http.ts'

const ORIGIN = 'https://app.acme.example'
const MOST = 256

let timing: HandTiming
let shedding: Shedding
let server: Server
let connection: RawConnection
let draining: AbortController
let refused: number[]
let log: Record<string, unknown>[]
/** Mints that the app received and has not answered yet. */
let held: ServerResponse[]

beforeEach(async () => {
  timing = handTiming()
  draining = new AbortController()
  refused = []
  log = []
  held = []
  shedding = startShedding(options({ credentials: false }))
  await serve()
})
afterEach(async () => {
  connection.destroy()
  await new Promise((resolve) => server.close(resolve))
})

function options(change: Partial<Origins>) {
  const destination = { write: (line: string) => void log.push(JSON.parse(line)) }
  return {
    mintLimiter: createMintLimiter(),
    origins: {
      app: new Set([ORIGIN]),
      appPatterns: new Map<string, RegExp>(),
      admin: new Set<string>(),
      console: new Set<string>(),
      credentials: false,
      ...change,
    },
    log: createLog({ level: 'info', destination }),
    draining: draining.signal,
    onRefused: (count: number) => refused.push(count),
  }
}

/** An app that answers with the request it got, and holds mints until `release`. */
async function serve(): Promise<void> {
  const answer = shedding.around(async (request, response) => {
    if (request.headers['x-hold'] === undefined) {
      response.end('the app')
      return
    }
    held.push(response)
    await new Promise((resolve) => response.once('finish', resolve))
  })
  server = createServer((request, response) => void answer(request, response))
  const { origin } = await listenOnLoopback(server)
  connection = await openRaw(origin)
}

const mint = (headers: readonly string[] = [`Origin: ${ORIGIN}`]) => {
  connection.send(rawRequest('POST /v1/sessions', { headers }))
  return connection.next()
}

/** Starts as many mints as are never refused, each on its own connection. */
async function hold(): Promise<void> {
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  for (let at = 0; at < MOST; at++) {
    const other = await openRaw(url)
    other.send(rawRequest('POST /v1/sessions', { headers: ['X-Hold: yes'] }))
  }
  await expect.poll(() => held.length).toBe(MOST)
}

/** The same, and a loop that is late. */
async function overload(): Promise<void> {
  await hold()
  for (let sample = 0; sample < 20; sample++) timing.fire(120)
}

function release(): void {
  for (const response of held.splice(0)) response.end('the app')
}

test('no timer runs before a mint, nor after it once the loop is on time', async () => {
  expect(vi.getTimerCount()).toBe(0)
  await mint()
  expect(vi.getTimerCount()).toBe(1)
  timing.fire(120)
  expect(vi.getTimerCount()).toBe(1)
  timing.fire(20)
  expect(vi.getTimerCount()).toBe(0)
})

test('the timer runs while a mint is under way, and until refusals are reported', async () => {
  await overload()
  expect((await mint()).status).toBe(503)
  release()
  for (let sample = 0; sample < 20; sample++) timing.fire(20)
  expect((await mint()).body).toBe('the app')
  for (let sample = 0; sample < 200; sample++) timing.fire(20)
  expect(refused).toEqual([1])
  expect(vi.getTimerCount()).toBe(0)
})

test('a loop that is on time, or late while little is under way: the app answers', async () => {
  timing.fire(20)
  expect((await mint()).body).toBe('the app')
  for (let sample = 0; sample < 20; sample++) timing.fire(120)
  expect((await mint()).body).toBe('the app')
})

test('a store whose calls wait: mints beyond 256 are refused although the loop is on time', async () => {
  let storeWaitedMs = 50
  connection.destroy()
  server.close()
  shedding = startShedding({ ...options({}), storeWaitedMs: () => storeWaitedMs })
  await serve()
  await hold()
  for (let sample = 0; sample < 20; sample++) timing.fire(20)
  expect((await mint()).body).toBe('the app')
  storeWaitedMs = 200
  for (let sample = 0; sample < 20; sample++) timing.fire(20)
  expectProblem(await mint(), 503, 'overloaded')
  release()
})

/** A request that no server has read, and its answer. */
function arrived(method: string, url: string): [IncomingMessage, ServerResponse] {
  const request = Object.assign(new IncomingMessage(new Socket()), { method, url })
  return [request, new ServerResponse(request)]
}

test('mints that come together begin over several turns, and what is no mint is served at once', async () => {
  const served: (string | undefined)[] = []
  const answer = shedding.around(async ({ url }) => served.push(url))
  const all = Array.from({ length: 40 }, () => answer(...arrived('POST', '/v1/sessions')))
  all.push(answer(...arrived('POST', '/v1/sessions/revoke')))
  expect(served).toHaveLength(17)
  expect(served.at(-1)).toBe('/v1/sessions/revoke')
  await Promise.all(all)
  expect(served).toHaveLength(41)
})

test('mints that wait long for their turn: those beyond 256 are refused although the loop is on time', async () => {
  const answer = shedding.around(async () => undefined)
  const mint = () => {
    const [request, response] = arrived('POST', '/v1/sessions')
    return { response, done: answer(request, response) }
  }
  const all = Array.from({ length: MOST }, mint)
  const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 200)
  for (let sample = 0; sample < 20; sample++) timing.fire(20)
  clock.mockRestore()
  const { response, done } = mint()
  expect(response.statusCode).toBe(503)
  await Promise.all([...all.map((one) => one.done), done])
  expect(all.map((one) => one.response.statusCode)).not.toContain(503)
})

describe('a refused mint', () => {
  beforeEach(overload)
  afterEach(release)

  test('is the problem `overloaded`, with all headers that a page needs to read it', async () => {
    const answer = await mint()
    expectProblem(answer, 503, 'overloaded')
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      vary: 'Origin',
      'access-control-expose-headers': expect.stringContaining('Retry-After'),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': answer.json().request_id,
    })
    expect(answer.headers).not.toHaveProperty('access-control-allow-credentials')
    expect(answer.headers).not.toHaveProperty('connection', 'close')
  })

  test('tells clients different times to come back', async () => {
    const random = vi.spyOn(Math, 'random')
    onTestFinished(() => random.mockRestore())
    const waits: unknown[] = []
    for (const drawn of [0, 0.25, 0.5, 0.999]) {
      random.mockReturnValue(drawn)
      waits.push((await mint()).headers['retry-after'])
    }
    expect(waits).toEqual(['1', '2', '3', '5'])
  })

  test('of a native app has no CORS headers; a query changes nothing', async () => {
    connection.send(rawRequest('POST /v1/sessions?a=b'))
    const answer = await connection.next()
    expectProblem(answer, 503, 'overloaded')
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  })

  test.each(['/v1/%73essions', '/%76%31/sessions', '/v1/sess%69ons?a=%2f', '/v1/session%73?'])(
    'is one at the same path percent-encoded, %s',
    async (target) => {
      connection.send(rawRequest(`POST ${target}`))
      expectProblem(await connection.next(), 503, 'overloaded')
    },
  )

  test.each(['/v1/%2573essions', '/v1%2fsessions', '/v1/%ffsessions', '/v1/sessions%zz'])(
    'is none at the other path %s',
    async (target) => {
      connection.send(rawRequest(`POST ${target}`))
      expect((await connection.next()).body).toBe('the app')
    },
  )

  test('leaves its connection usable, whether or not it has a small body', async () => {
    connection.send(rawRequest('POST /v1/sessions', { body: '{}' }))
    expectProblem(await connection.next(), 503, 'overloaded')
    connection.send(rawRequest('GET /livez'))
    expect((await connection.next()).body).toBe('the app')
  })

  test.each([
    ['long', 'Content-Length: 16385'],
    ['of unknown length', 'Transfer-Encoding: chunked'],
  ])('with a body that is %s closes its connection', async (_name, header) => {
    const answer = await mint([header])
    expectProblem(answer, 503, 'overloaded')
    expect(answer.headers['connection']).toBe('close')
  })

  test('closes its connection while the service drains', async () => {
    draining.abort()
    expect((await mint()).headers['connection']).toBe('close')
  })

  test.each([
    'DELETE /v1/sessions',
    'POST /v1/admin/users/alice/revoke',
    'POST /v1/admin/revoke',
    'POST /v1/backchannel-logout',
    'POST /chatkit/helpdesk',
    'GET /livez',
    'GET /readyz',
    'OPTIONS /v1/sessions',
    'POST /v1/sessions/x',
  ])('is a mint: %s goes to the app', async (line) => {
    connection.send(rawRequest(line))
    expect((await connection.next()).body).toBe('the app')
  })

  test('is never the answer to a page that may not call: the app answers that page itself', async () => {
    expect((await mint(['Origin: https://evil.example'])).body).toBe('the app')
    expect((await mint(['Origin: null'])).body).toBe('the app')
  })

  test('shares one line of the log with all others of the same second', async () => {
    timing.fire(2000)
    for (let at = 0; at < 7; at++) await mint()
    timing.fire(60)
    for (let at = 0; at < 4; at++) await mint()
    timing.fire(500)
    expect(refused).toEqual([7])
    timing.fire(600)
    expect(refused).toEqual([7, 4])
    await mint()
    shedding.stop()
    expect(refused).toEqual([7, 4, 1])
    expect(log.map((line) => line['refused'])).toEqual([7, 4, 1])
    expect(log[0]).toMatchObject({ level: 40, code: 'overloaded', under_way: MOST, limit: MOST })
  })

  test('is followed by mints again once those under way are answered', async () => {
    expect((await mint()).status).toBe(503)
    release()
    await expect.poll(async () => (await mint()).body).toBe('the app')
  })
})

test('a refusal allows credentials where a cookie is configured', async () => {
  connection.destroy()
  server.close()
  shedding = startShedding(options({ credentials: true }))
  await serve()
  await overload()
  expect((await mint()).headers['access-control-allow-credentials']).toBe('true')
  release()
})
