import { createServer } from 'node:http'
import { Socket } from 'node:net'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { AppEnv } from '../../../src/http/context.ts'
import { capConnections, mostConnections } from '../../../src/http/server/connection-cap.ts'
import { type Listening, listen } from '../../../src/http/server/server.ts'
import { createLog } from '../../../src/lib/log.ts'
import { openRaw, type RawConnection, rawRequest } from '../../support/raw-http.ts'

describe('the most connections', () => {
  const limits = (files: number | string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            ${files}                 1048576              files     \n`

  test.each([
    [1024, 1, 128],
    [4096, 1, 3_008],
    [20_000, 1, 18_912],
    [20_000, 2, 9_456],
    [1_048_576, 1, 20_000],
    [1_048_576, 2, 20_000],
    [256, 1, 128],
  ])('with %i open files, %i for each, are %i', (files, each, most) => {
    expect(mostConnections(each, limits(files))).toBe(most)
  })

  test('are 20,000 where the system reports none, or sets no limit', () => {
    expect(mostConnections(1, limits('unlimited'))).toBe(20_000)
    expect(mostConnections(1, '')).toBe(20_000)
  })

  test('of this process are between 128 and 20,000', () => {
    expect(mostConnections()).toBeGreaterThanOrEqual(128)
    expect(mostConnections()).toBeLessThanOrEqual(20_000)
  })
})

describe.each([1, 4])('with %i sockets', (sockets) => {
  const MOST = 6
  let listening: Listening
  let turnedAway: number[]
  let lines: Record<string, unknown>[]
  let open: RawConnection[]
  /** Requests that the app received and does not answer. */
  let held: number
  /** Whether the answer that nobody reads is still there. */
  let stillUnread: boolean

  beforeEach(async () => {
    turnedAway = []
    lines = []
    open = []
    held = 0
    stillUnread = false
    const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
    const app = new Hono<AppEnv>()
    app.get('/held', async (c) => {
      held++
      await new Promise((resolve) => c.req.raw.signal.addEventListener('abort', resolve))
      return c.text('')
    })
    app.get('/unread', (c) => {
      stillUnread = true
      c.env.outgoing?.once('close', () => {
        stillUnread = false
      })
      // More than the system keeps for a connection; a stream, because it may stay unread without an end.
      const start = (controller: ReadableStreamDefaultController) =>
        controller.enqueue(new Uint8Array(32 * 1024 * 1024))
      return c.body(new ReadableStream({ start }))
    })
    app.get('/', (c) => c.text('here'))
    listening = await listen({
      app,
      host: '127.0.0.1',
      port: 0,
      sockets,
      log: createLog({ level: 'info', destination }),
      bounds: { maxConnections: MOST, unreadMs: 200 },
      onTurnedAway: (count) => turnedAway.push(count),
    })
  })
  afterEach(async () => {
    for (const connection of open) connection.destroy()
    await listening.stop(100)
  })

  async function connect(): Promise<RawConnection> {
    const connection = await openRaw(listening.url)
    open.push(connection)
    return connection
  }

  /** The answer on the connection, or that it was closed. */
  async function ask(connection: RawConnection, path = '/'): Promise<string> {
    connection.send(rawRequest(`GET ${path}`))
    return connection.next().then(
      ({ body }) => body,
      () => 'closed',
    )
  }

  test('one connection beyond the bound is closed, and busy ones stay', async () => {
    for (let at = 0; at < MOST; at++) void ask(await connect(), '/held')
    await expect.poll(() => held).toBe(MOST)
    expect(await ask(await connect())).toBe('closed')
    expect(await ask(await connect())).toBe('closed')
    await expect.poll(() => turnedAway, { timeout: 3000 }).toEqual([2])
    expect(lines).toMatchObject([{ level: 40, turned_away: 2, most: MOST }])
    open[0]?.destroy()
    await expect.poll(async () => ask(await connect())).toBe('here')
  })

  test('of clients that come at once, those beyond the bound are closed, and no other', async () => {
    const closed = vi.fn()
    for (let at = 0; at < MOST + 2; at++) {
      void connect().then(async (one) => (await ask(one, '/held')) === 'closed' && closed())
    }
    await expect.poll(() => held).toBe(MOST)
    await expect.poll(() => closed.mock.calls.length).toBe(2)
    await expect.poll(() => lines.at(-1), { timeout: 3000 }).toMatchObject({ turned_away: 2 })
    expect(closed).toHaveBeenCalledTimes(2)
  })

  test('a connection whose client has long read nothing of its answer makes room, and a silent one stays', async () => {
    const unread = await connect()
    unread.pause()
    unread.send(rawRequest('GET /unread'))
    await expect.poll(() => stillUnread).toBe(true)
    for (let at = 1; at < MOST; at++) void ask(await connect(), '/held')
    await expect.poll(() => held).toBe(MOST - 1)
    await expect.poll(async () => ask(await connect()), { timeout: 5000 }).toBe('here')
    expect(stillUnread).toBe(false)
    expect(open.slice(1, MOST).map((one) => one.rest())).toEqual(Array(MOST - 1).fill(''))
  })

  test('idle connections make room for new ones', async () => {
    void ask(await connect(), '/held')
    await expect.poll(() => held).toBe(1)
    for (let at = 1; at < MOST; at++) expect(await ask(await connect())).toBe('here')
    expect(await ask(await connect())).toBe('closed')
    await Promise.all(open.slice(1, MOST).map(({ closed }) => closed))
    for (let at = 1; at < MOST; at++) expect(await ask(await connect())).toBe('here')
    expect(open[0]?.rest()).toBe('')
  })
})

test('a stream that was silent for long does not make room when it goes on, nor one that is read again, only one that nobody reads', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const server = createServer()
  // Node's own would begin to read.
  server.removeAllListeners('connection')
  capConnections(server, { maxConnections: 1, log: createLog({ level: 'silent' }) })
  let unread = 0
  const stream = new Socket()
  Object.defineProperty(stream, 'writableLength', { get: () => unread })
  // Node's own refuses a socket that was never connected.
  const reset = vi.spyOn(stream, 'resetAndDestroy').mockImplementation(() => stream.destroy())
  server.emit('connection', stream)
  const turnAway = () => {
    server.emit('connection', new Socket())
    vi.runAllTimers()
  }
  stream.emit('timeout')
  unread = 1000
  turnAway()
  expect(stream.destroyed).toBe(false)
  stream.emit('timeout')
  stream.emit('drain')
  turnAway()
  expect(stream.destroyed).toBe(false)
  stream.emit('timeout')
  unread = 0
  turnAway()
  expect(stream.destroyed).toBe(false)
  unread = 1000
  turnAway()
  expect(stream.destroyed).toBe(false)
  stream.emit('timeout')
  turnAway()
  expect(stream.destroyed).toBe(true)
  expect(reset).toHaveBeenCalledOnce()
})

test('room is made at most once a second, however many connections are turned away, and each is counted once', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const server = createServer()
  server.removeAllListeners('connection')
  const makeRoom = vi.spyOn(server, 'closeIdleConnections')
  const told = vi.fn()
  const log = createLog({ level: 'silent' })
  capConnections(server, { maxConnections: 0, log, onTurnedAway: told })
  for (let second = 1; second <= 2; second++) {
    for (let at = 0; at < 3; at++) server.emit('connection', new Socket())
    vi.runAllTimers()
    expect(makeRoom).toHaveBeenCalledTimes(second)
  }
  expect(told.mock.calls).toEqual([[3], [3]])
})
