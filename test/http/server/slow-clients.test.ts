import { Duplex } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { Hono } from 'hono'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { AppEnv } from '../../../src/http/context.ts'
import { createCloseUnused } from '../../../src/http/server/connection-cap.ts'
import { limitsFor, listen } from '../../../src/http/server/server.ts'
import { createLog } from '../../../src/lib/log.ts'
import { eventually } from '../../support/eventually.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { openRaw, type RawConnection, rawRequest } from '../../support/raw-http.ts'
import { startService, tokenFor } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'

// Several slow clients at once, and a fast one that must not notice them.

const running = forAllTests(() => startService())

const bearer = `Authorization: Bearer ${tokenFor('slow')}`
const JSON_TYPE = 'Content-Type: application/json'

/** Writes a byte at a time until the connection is closed. */
async function drip(connection: RawConnection, byte: string): Promise<void> {
  let open = true
  void connection.closed.then(() => {
    open = false
  })
  while (open) {
    connection.send(byte)
    await setTimeout(300)
  }
}

/** The contract's seconds, and one more for a busy machine; Node's own defaults are 60 and 300. */
async function timedOut(start: string | Uint8Array, dripped: string, seconds: number) {
  const connection = await openRaw(running.url)
  const started = performance.now()
  connection.send(start)
  void drip(connection, dripped)
  const answer = await connection.next()
  await connection.closed
  expect((performance.now() - started) / 1000).toBeLessThan(seconds + 1)
  expectProblem(answer, 408, 'request_timeout')
  expect(answer.headers['connection']).toBe('close')
  expect(connection.rest()).toBe('')
  const id = answer.headers['x-request-id']
  expect(running.log.filter((line) => line['request_id'] === id)).toHaveLength(1)
}

describe.concurrent('a slow client gets 408 and loses its connection', () => {
  const head = (headers: readonly string[]) => rawRequest('POST /v1/sessions', { headers })

  test('a request line that never ends', () => timedOut('GET /', 'x', 6))
  test('headers that never end', () => timedOut('GET /livez HTTP/1.1\r\nX: ', 'x', 6))
  test('a connection that says nothing', () => timedOut('', '', 6))
  test('a body that comes too slowly', () =>
    timedOut(head([bearer, JSON_TYPE, 'Content-Length: 1000']), ' ', 11))
  test('a body that never begins', () =>
    timedOut(head([bearer, JSON_TYPE, 'Content-Length: 1000']), '', 11))
  test('a chunked body that comes too slowly', () =>
    timedOut(head([bearer, JSON_TYPE, 'Transfer-Encoding: chunked']), '1\r\n \r\n', 11))

  test('meanwhile, others are served', async () => {
    for (let round = 0; round < 40; round++) {
      const response = await running.mint(tokenFor('quick'))
      expect(response.status).toBe(200)
      await response.arrayBuffer()
      await setTimeout(250)
    }
  })
})

test('no slow client got a session, and each has one line in the log', async () => {
  const users = running.upstream.requests().map(({ body }) => (body as { user: string }).user)
  expect(new Set(users)).toEqual(new Set(['quick']))
  expect(running.log.filter(({ status }) => status === 408)).toHaveLength(6)
  expect(running.log.filter(({ status }) => status === 200)).toHaveLength(40)
})

test('a body of the gateway may take as long as gateway.body_seconds says, and no header longer', () => {
  expect(limitsFor()).toMatchObject({ headersTimeout: 5000, requestTimeout: 35_000 })
  expect(limitsFor(1000)).toMatchObject({ requestTimeout: 35_000 })
  expect(limitsFor(120_000)).toMatchObject({ headersTimeout: 5000, requestTimeout: 125_000 })
})

test("an idle connection is kept for longer than Google's load balancers keep one, which is 600 s", async () => {
  const answer = await fetch(new URL('/livez', running.url))
  const [, seconds] = /timeout=(\d+)/.exec(answer.headers.get('keep-alive') ?? '') ?? []
  expect(Number(seconds)).toBeGreaterThan(600)
})

describe('a connection on which nothing moves', () => {
  const UNREAD_MS = 300
  /** More than the system keeps for a connection. */
  const large = new Uint8Array(32 * 1024 * 1024)

  async function open(path: string) {
    let closed = false
    const app = new Hono<AppEnv>()
    app.use((c, next) => {
      c.env.outgoing?.once('close', () => {
        closed = true
      })
      return next()
    })
    app.get('/large', (c) => c.body(large))
    app.get('/late', async (c) => {
      await setTimeout(4 * UNREAD_MS)
      return c.text('late')
    })
    app.get('/stream', (c) => {
      const start = (controller: ReadableStreamDefaultController) => controller.enqueue(large)
      return c.body(new ReadableStream({ start }))
    })
    const log = createLog({ level: 'silent' })
    const bounds = { unreadMs: UNREAD_MS }
    const listening = await listen({ app, log, host: '127.0.0.1', port: 0, bounds })
    const connection = await openRaw(listening.url)
    onTestFinished(async () => {
      connection.destroy()
      await listening.stop(0)
    })
    connection.pause()
    connection.send(rawRequest(`GET ${path}`))
    return { connection, isClosed: () => closed }
  }

  test('is reset, so that the system keeps nothing of it, when the client does not read a whole answer', async () => {
    const { connection, isClosed } = await open('/large')
    await eventually(() => expect(isClosed()).toBe(true))
    expect(await connection.readToEnd()).toBe('ECONNRESET')
  })

  const MB = 1024 * 1024
  /** Like a socket whose client reads nothing: no write ever ends. */
  function unreadSocket(bytes: number) {
    const socket = new Duplex({ write: () => undefined })
    if (bytes > 0) socket.write(new Uint8Array(bytes))
    const resetAndDestroy = vi.fn(() => socket.destroy())
    return Object.assign(socket, { resetAndDestroy })
  }
  test.each([
    { unread: 0, closes: true },
    { unread: MB, closes: false },
    { unread: MB + 1, closes: true },
  ])('with $unread bytes left of its answer is closed: $closes', ({ unread, closes }) => {
    const socket = unreadSocket(unread)
    createCloseUnused(() => false)(socket)
    expect(socket.destroyed).toBe(closes)
  })

  test('of more than 128 with a rest of a whole answer, those that have waited longest are closed', () => {
    const answering = unreadSocket(1)
    let isLate = false
    const closeUnused = createCloseUnused((socket) => isLate && socket === answering)
    const sockets = [answering, ...Array.from({ length: 128 }, () => unreadSocket(1))]
    const [, longest, next] = sockets
    // It timed out once with a rest, and the app answers its next request now.
    closeUnused(answering)
    isLate = true
    for (const socket of sockets) closeUnused(socket)
    // One that times out again has not waited anew.
    if (longest !== undefined) closeUnused(longest)
    expect(sockets.filter(({ destroyed }) => destroyed)).toEqual([])
    closeUnused(unreadSocket(1))
    closeUnused(unreadSocket(1))
    expect(sockets.filter(({ destroyed }) => destroyed)).toEqual([longest, next])
    expect(longest?.resetAndDestroy).toHaveBeenCalledOnce()
  })

  test.each(['/late', '/stream'])('stays while the app still answers: %s', async (path) => {
    const { isClosed } = await open(path)
    await setTimeout(3 * UNREAD_MS)
    expect(isClosed()).toBe(false)
  })
})
