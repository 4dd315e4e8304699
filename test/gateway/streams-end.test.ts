import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { streamToClient } from '../../src/gateway/client-stream.ts'
import { createOpenStreams } from '../../src/gateway/open-streams.ts'
import { StreamFault } from '../../src/gateway/stream-fault.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import type { SessionId } from '../../src/lib/ids.ts'
import { eventsOf, input } from '../support/chatkit/server-client.ts'
import { sessionId, userId } from '../support/ids.ts'
import { recordingLog } from '../support/issuer-settings.ts'
import { serve } from '../support/network/listen.ts'
import { openRaw, rawRequest } from '../support/raw-http.ts'
import { asAt, type Scene, WORKFLOW } from './scene.ts'
import {
  created,
  frame,
  lastError,
  note,
  rest,
  start,
  startScripted,
  startWritten,
} from './scripted-server.ts'

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}

const cancels: [string, (at: { scene: Scene; id: SessionId }) => Promise<unknown>][] = [
  ['cancelled', ({ scene, id }) => scene.registry.beginCancel(id, seconds())],
  [
    'revoked with its user',
    ({ scene }) =>
      scene.registry.revoke({
        user: userId('alice'),
        endReason: 'revoked',
        by: 'ada',
        now: seconds(),
      }),
  ],
]
test.each(cancels)(
  'a stream ends within a second when its session is %s',
  async (_name, cancel) => {
    const { server, reader, scene, session } = await startWritten()
    const other = asAt(scene.url, await scene.session('bob'))
    const unharmed = await other(['threads.create', { input: input('hi') }])
    server.write(note('x'))
    await reader.read()
    const closed = once(server, 'close')
    const started = performance.now()
    await cancel({ scene, id: session.id })
    const text = await rest(reader)
    expect(performance.now() - started).toBeLessThan(1000)
    expect(lastError(text)).toMatchObject({
      code: 'custom',
      message: 'This chat session has ended.',
    })
    await closed
    const others = unharmed.body?.getReader()
    expect(await Promise.race([others?.read(), wait(200, 'open')])).toBe('open')
    await others?.cancel()
  },
)

test('when the process stops, a stream ends with an error that allows another try', async () => {
  const draining = new AbortController()
  const { server, reader } = await startWritten({ draining: draining.signal })
  const closed = once(server, 'close')
  server.write(note('x'))
  await reader.read()
  draining.abort()
  const last = lastError(await rest(reader))
  expect(last).toMatchObject({ type: 'error', code: 'custom', allow_retry: true })
  expect(last['message']).toContain('restarts')
  await closed
})

test('a stream that begins after the process was told to stop goes on to its end, and closes its connection', async () => {
  const draining = new AbortController()
  const { alice } = await start({ draining: draining.signal, drainMs: 10_000 })
  draining.abort()
  const answer = await alice(['threads.create', { input: input('hi') }])
  expect(answer.status).toBe(200)
  expect(answer.headers.get('connection')).toBe('close')
  expect((await eventsOf(answer)).at(-1)).toMatchObject({ type: 'thread.updated' })
})

test('when the process stops, requests that the server has not answered end with 503', async () => {
  const draining = new AbortController()
  const { scene, alice } = await start({ draining: draining.signal })
  scene.sample.server.setFaults({ hang: true })
  const asked = [alice(['threads.create', { input: input('hi') }]), alice(['threads.list', {}])]
  await expect.poll(() => scene.sample.server.requests().length).toBe(2)
  draining.abort()
  for (const answer of await Promise.all(asked)) {
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ code: 'shutting_down' })
  }
})

test('a request ends with 401 when its session is cancelled before the server answers', async () => {
  const { scene, session, alice } = await start()
  scene.sample.server.setFaults({ hang: true })
  const asked = alice(['threads.create', { input: input('hi') }])
  await expect.poll(() => scene.sample.server.requests().length).toBe(1)
  const started = performance.now()
  await scene.registry.beginCancel(session.id, seconds())
  expect((await asked).status).toBe(401)
  expect(performance.now() - started).toBeLessThan(1000)
  await expect.poll(() => scene.sample.server.requests()[0]?.left).toBe(true)
})

const faults: [string, (at: { scene: Scene; id: SessionId; server: ServerResponse }) => unknown][] =
  [
    [
      'is revoked',
      async ({ scene, id, server }) => {
        server.write(note('x'))
        await scene.registry.beginCancel(id, seconds())
      },
    ],
    [
      'breaks the protocol right behind a good event',
      ({ server }) =>
        server.write(
          created('thr_1') +
            frame({ type: 'thread.item.done', item: { id: 'i', thread_id: 'thr_2' } }),
        ),
    ],
  ]
test.each(faults)(
  'a client whose stream %s can send its next request on the same connection',
  async (_name, fail) => {
    const { url, opened } = await startScripted()
    const { scene, session } = await start({ server: url })
    const body = JSON.stringify({ type: 'threads.create', params: { input: input('hi') } })
    const headers = [`Authorization: Bearer ${session.secret}`, 'Content-Type: application/json']
    const connection = await openRaw(scene.url)
    connection.send(rawRequest(`POST /chatkit/${WORKFLOW}`, { headers, body }))
    await expect.poll(() => opened.length).toBe(1)
    const [server] = opened as [ServerResponse]
    await fail({ scene, id: session.id, server })
    await expect.poll(() => connection.rest()).toMatch(/"type":"error".*\s+0\r\n\r\n$/)
    // Longer than the client has to read the last event.
    await wait(300)
    connection.send(rawRequest(`POST /chatkit/${WORKFLOW}`, { headers, body }))
    await expect.poll(() => connection.rest()).toMatch(/0\r\n\r\nHTTP\/1\.1 /)
  },
)

test('a stream that its client does not read ends with its session, and its connection is closed', async () => {
  const { url, opened } = await startScripted()
  const { scene, session } = await start({ server: url })
  const { hostname, port } = new URL(scene.origin)
  const connection = connect(Number(port), hostname).pause()
  connection.on('error', () => undefined)
  const body = JSON.stringify({ type: 'threads.create', params: { input: input('hi') } })
  const headers = [`Authorization: Bearer ${session.secret}`, 'Content-Type: application/json']
  connection.write(rawRequest(`POST /chatkit/${WORKFLOW}`, { headers, body }))
  await expect.poll(() => opened.length).toBe(1)
  const [server] = opened as [ServerResponse]
  const closed = once(server, 'close')
  while (server.write(note('x'.repeat(60_000)))) await wait(1)
  await scene.registry.beginCancel(session.id, seconds())
  await closed
  await expect
    .poll(() => scene.lines.filter(({ msg }) => msg === 'a stream was ended'))
    .toHaveLength(1)
  const cut = once(connection, 'close')
  connection.resume()
  await cut
})

/** A stream to a client that reads nothing; each of its chunks waits for a check. */
async function startUnread(source: Readable, check: () => Promise<void>) {
  const { promise, resolve } = Promise.withResolvers<ServerResponse>()
  const { port, close } = await serve((_request, response) => resolve(response))
  onTestFinished(close)
  const client = connect(port, '127.0.0.1').pause()
  client.on('error', () => undefined)
  client.write(rawRequest('GET /'))
  const connection = await promise
  connection.writeHead(200)
  const end = streamToClient({
    ...{ source, connection, onFull: () => undefined, onEnd: () => undefined },
    filter: (chunk, write) => check().then(() => chunk && write(chunk)),
    limits: { heartbeatMs: 60_000, idleMs: 60_000, totalMs: 60_000 },
  })
  onTestFinished(() => end('shutting_down'))
  return { client, connection, end }
}

test('a frame whose check ends after its stream is not written', async () => {
  const source = new PassThrough()
  const { promise: checked, resolve: check } = Promise.withResolvers<void>()
  const { connection, end } = await startUnread(source, () => checked)
  connection.write(Buffer.alloc(20_000_000))
  source.write(note('x'))
  await expect.poll(() => source.isPaused()).toBe(true)
  end('session_ended')
  // Fails at an `error`, such as that of a write after the end.
  const closed = once(connection, 'close')
  check()
  await closed
})

test('a server whose frames are checked is read only while the client reads', async () => {
  let chunks = 0
  const chunk = Buffer.alloc(64_000)
  const source = new Readable({
    read() {
      chunks++
      this.push(chunk)
    },
  })
  const { client } = await startUnread(source, () => setImmediate())
  for (let turn = 0; turn < 2000; turn++) await setImmediate()
  expect(chunks).toBeLessThan(500)
  client.resume()
  await expect.poll(() => chunks).toBeGreaterThan(500)
})

test.each([
  ['never', 0],
  ['until then', 3],
])('streams end 5 s after the store was last asked; it has answered %s', async (_name, answers) => {
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  let left = answers
  const endedAmong = async () => {
    if (left-- > 0) return []
    throw new ServiceError('store_unavailable', { reason: 'down' })
  }
  const { log } = recordingLog()
  const draining = new AbortController().signal
  const streams = createOpenStreams({ registry: { endedAmong }, draining, drainMs: 0, log })
  const ends: object[] = []
  streams.watch({ id: sessionId('cksess_1'), user: userId('alice') }, (why) =>
    ends.push(new StreamFault(why).event),
  )
  await vi.advanceTimersByTimeAsync(answers * 500 + 5000)
  expect(ends).toEqual([])
  await vi.advanceTimersByTimeAsync(500)
  expect(ends).toMatchObject([{ type: 'error', allow_retry: true }])
})

test('the store is asked by one call at a time, and a stream ends once, some time after the draining began', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const id = sessionId('cksess_1')
  const answer = Promise.withResolvers<SessionId[]>()
  const endedAmong = vi.fn(() => answer.promise)
  const { log } = recordingLog()
  const stop = new AbortController()
  const draining = stop.signal
  const streams = createOpenStreams({ registry: { endedAmong }, draining, drainMs: 1000, log })
  const ends: string[] = []
  streams.watch({ id, user: userId('alice') }, (why) => ends.push(why))
  await vi.advanceTimersByTimeAsync(2000)
  expect(endedAmong).toHaveBeenCalledOnce()
  stop.abort()
  await vi.advanceTimersByTimeAsync(999)
  expect(ends).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  answer.resolve([id])
  await vi.advanceTimersByTimeAsync(0)
  expect(ends).toEqual(['shutting_down'])
})

test('streams end 5 s after the store was asked, not after it answered', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const endedAmong = vi.fn(async (): Promise<SessionId[]> => {
    throw new ServiceError('store_unavailable', { reason: 'down' })
  })
  const late = new Promise<SessionId[]>((resolve) => setTimeout(() => resolve([]), 3000))
  endedAmong.mockReturnValueOnce(late)
  const { log } = recordingLog()
  const draining = new AbortController().signal
  const streams = createOpenStreams({ registry: { endedAmong }, draining, drainMs: 0, log })
  const ends: string[] = []
  streams.watch({ id: sessionId('cksess_1'), user: userId('alice') }, (why) => ends.push(why))
  await vi.advanceTimersByTimeAsync(6000)
  expect(ends).toEqual(['store_unavailable'])
})

test.each([
  ['the store', {}],
  ['the server', { gateway: { idleMs: 5000 }, heartbeatMs: 30 }],
])(
  'a stream goes on when the process was suspended for longer than %s may be silent',
  async (_who, limits) => {
    const { server, reader } = await startWritten(limits)
    const now = performance.now.bind(performance)
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 60_000)
    onTestFinished(() => {
      vi.restoreAllMocks()
    })
    await wait(1200)
    server.end(note('the end'))
    expect(await rest(reader)).toContain('the end')
  },
)

// After 1300 ms the timers would be taken for late if each were not expected from the one before on.
test.each([400, 1300])('a stream ends when the server is silent for %i ms', async (idleMs) => {
  const { server, reader } = await startWritten({ gateway: { idleMs }, heartbeatMs: 30 })
  const closed = once(server, 'close')
  const text = await rest(reader)
  expect(text).toMatch(/^: \n\n/)
  expect(lastError(text)).toMatchObject({ type: 'error', allow_retry: true })
  await closed
})

test('a stream whose client does not read is not ended for the silence of the server, which is not read either', async () => {
  const { url, opened } = await startScripted()
  const { alice } = await start({ server: url, gateway: { idleMs: 1500 }, heartbeatMs: 50 })
  const response = await alice(['threads.create', { input: input('hi') }])
  // Much longer than a busy machine takes for this frame, in which the server is not read either.
  opened[0]?.write(note('x'.repeat(15_000_000)))
  await wait(3500)
  opened[0]?.end(note('the end'))
  const text = await response.text()
  expect(text.slice(-200)).toContain('the end')
  expect(text).not.toContain('"type":"error"')
})

test('a stream ends when it has taken too long', async () => {
  const { server, reader } = await startWritten({ gateway: { streamMs: 100 } })
  const closed = once(server, 'close')
  expect(lastError(await rest(reader))).toMatchObject({ type: 'error', code: 'custom' })
  await closed
})

test('a stream ends with an error when the server closes in the middle', async () => {
  const { server, reader } = await startWritten()
  server.write(note('x'), () => server.destroy())
  const text = await rest(reader)
  expect(text.startsWith(note('x'))).toBe(true)
  expect(lastError(text)).toEqual({ type: 'error', code: 'stream.error', allow_retry: true })
})

test.each([
  ['is reset', (response: ServerResponse) => response.socket?.resetAndDestroy(), 'stream.error'],
  ['is closed', (response: ServerResponse) => response.socket?.end(), undefined],
])(
  'a stream without a length, whose connection %s, ends with the error %s',
  async (_name, end, code) => {
    const server = createServer((_request, response) => {
      // The end of the connection is the end of the answer (RFC 9112 §6.3), as in HTTP/1.0.
      response.useChunkedEncodingByDefault = false
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(note('x'))
      ends.push(() => end(response))
    })
    const ends: (() => unknown)[] = []
    const { port } = await listenOnLoopback(server)
    onTestFinished(() => void server.close())
    const { alice } = await start({ server: `http://127.0.0.1:${port}/chatkit` })
    const response = await alice(['threads.create', { input: input('hi') }])
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    if (reader === undefined) throw new Error('no stream')
    expect((await reader.read()).value).toBe(note('x'))
    ends.at(0)?.()
    const text = await rest(reader)
    expect(text === '' ? undefined : lastError(text)['code']).toBe(code)
  },
)

test.each([
  [
    'an event is too long',
    `data: ${JSON.stringify({ type: 'x', text: 'x'.repeat(1024 * 1024) })}\n\n`,
  ],
  ['an event never ends', 'data: '.padEnd(1024 * 1024 + 1, 'x')],
  ['a new thread has no id', 'data: {"type":"thread.created","thread":{}}\n\n'],
  ['a changed thread has no id', 'data: {"type":"thread.updated","thread":{}}\n\n'],
])('a stream ends when %s, and nothing of that frame passes', async (_name, frame) => {
  const { server, reader } = await startWritten({ gateway: { maxFrameBytes: 1024 * 1024 } })
  const closed = once(server, 'close')
  server.write(note('good') + frame)
  const text = await rest(reader)
  expect(text).toBe(
    `${note('good')}data: {"type":"error","code":"stream.error","allow_retry":false}\n\n`,
  )
  await closed
})

test('a stream ends at the server when the client leaves', async () => {
  const { server, reader } = await startWritten()
  const closed = once(server, 'close')
  server.write(note('x'))
  await reader.read()
  await reader.cancel()
  await closed
})
