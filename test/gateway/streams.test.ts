import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { ServiceError } from '../../src/lib/errors.ts'
import { createMemoryRegistry } from '../../src/registry/memory.ts'
import { eventsOf, framesOf, input, type Json, textOf } from '../support/chatkit/server-client.ts'
import { rawRequest } from '../support/raw-http.ts'
import { asAt, createThread, type Scene, type SceneOptions, startScene, WORKFLOW } from './scene.ts'

let scene: Scene | undefined
let scripted: Server | undefined
afterEach(async () => {
  await scene?.close()
  scripted?.closeAllConnections()
  scripted?.close()
  scene = scripted = undefined
})

async function start(options: SceneOptions = {}) {
  scene = await startScene(options)
  const session = await scene.session('alice')
  return { scene, session, alice: asAt(scene.url, session) }
}

/** A server whose stream the test writes. */
async function startScripted() {
  const opened: ServerResponse[] = []
  scripted = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    opened.push(response)
  })
  scripted.listen(0, '127.0.0.1')
  await once(scripted, 'listening')
  const url = `http://127.0.0.1:${(scripted.address() as AddressInfo).port}/chatkit`
  return { url, opened }
}

async function startWritten(options: SceneOptions = {}) {
  const { url, opened } = await startScripted()
  const at = await start({ ...options, server: url })
  const response = await at.alice(['threads.create', { input: input('hi') }])
  const [server] = opened
  if (server === undefined || response.body === null) throw new Error('no stream')
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  return { ...at, server, response, reader }
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** All that still comes. */
async function rest(reader: ReadableStreamDefaultReader<string>): Promise<string> {
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text
    text += value
  }
}

const created = (id: string) =>
  `data: ${JSON.stringify({ type: 'thread.created', thread: { id, created_at: 1 } })}\n\n`
const note = (text: string) => `data: ${JSON.stringify({ type: 'progress_update', text })}\n\n`
const lastError = (text: string): Json => {
  const frames = text.split('\n\n').filter((frame) => frame.startsWith('data: '))
  return JSON.parse(frames.at(-1)?.slice(6) ?? '')
}

describe('a stream', () => {
  test('goes through frame by frame, each before the server makes the next', async () => {
    const { server, reader } = await startWritten()
    for (let at = 0; at < 20; at++) {
      server.write(note(`${at}`))
      expect((await reader.read()).value).toBe(note(`${at}`))
    }
    server.end()
    expect(await rest(reader)).toBe('')
  })

  test('adds little to the time of a frame, direct against gateway in the same run', async () => {
    const { scene, alice } = await start()
    const create = ['threads.create', { input: input('count to 50') }] as const
    const timed = async (ask: () => Promise<Response>): Promise<number> => {
      const times: number[] = []
      for (let round = 0; round < 15; round++) {
        const started = performance.now()
        const frames = framesOf(await ask())
        await frames.next()
        times.push(performance.now() - started)
        for await (const _ of frames);
      }
      return times.toSorted((a, b) => a - b)[7] ?? 0
    }
    const body = JSON.stringify({ type: create[0], params: create[1] })
    const headers = { 'content-type': 'application/json' }
    const direct = await timed(() => fetch(scene.sample.url, { method: 'POST', headers, body }))
    const through = await timed(() => alice(create))
    expect(through - direct).toBeLessThan(25)
  })

  test('arrives whole, however the server cuts it', async () => {
    const { scene, alice } = await start()
    scene.sample.server.setFaults({ chunk_bytes: 1 })
    const { events } = await createThread(alice, 'Grüezi 🙂')
    expect(textOf(events)).toBe('You said: Grüezi 🙂')
  })

  test('of 100,000 frames arrives whole', async () => {
    const { alice } = await start()
    const { events } = await createThread(alice, 'count to 100000')
    expect(textOf(events).endsWith(' 100000')).toBe(true)
  })

  test('lines may end in CR, LF or both; a byte order mark hides nothing', async () => {
    const { server, reader, scene } = await startWritten()
    server.write('\ufeffdata: {"type":"thread.created",\r\ndata: "thread":{"id":"thr_1"}}\r\n\r\n')
    server.write('data: {"type":"a"}\r\rdata: {"type":"b"}\n\r\n: hi\r\n\n')
    server.end()
    expect(await rest(reader)).toBe(
      'data: {"type":"thread.created",\ndata: "thread":{"id":"thr_1"}}\n\n' +
        'data: {"type":"a"}\n\ndata: {"type":"b"}\n\n: hi\n\n',
    )
    const thing = { workflow: WORKFLOW, kind: 'thread', id: 'thr_1' } as const
    expect(await scene.registry.ownersOf([thing])).toEqual(['alice'])
  })

  test('is kept alive by comments while the server is silent', async () => {
    const { server, reader } = await startWritten({
      limits: { heartbeatMs: 20, idleMs: 10_000 },
    })
    for (let beat = 0; beat < 3; beat++) expect((await reader.read()).value).toBe(': \n\n')
    server.write(note('x'))
    let text = ''
    while (!text.includes(note('x'))) text += (await reader.read()).value
    server.end()
  })
})

describe('thread.created', () => {
  test('is the caller’s before the client sees it', async () => {
    const registry = createMemoryRegistry()
    const order: string[] = []
    const claim = registry.claimOwnership
    registry.claimOwnership = async (ownership) => {
      await wait(50)
      order.push('claimed')
      return claim(ownership)
    }
    const { server, reader } = await startWritten({ registry })
    server.write(created('thr_1') + note('after'))
    await reader.read()
    order.push('seen')
    expect(order).toEqual(['claimed', 'seen'])
    server.end()
  })

  test('with an id that is somebody’s ends the stream, and nothing of it passes', async () => {
    const registry = createMemoryRegistry()
    const claimed = { workflow: WORKFLOW, kind: 'thread', id: 'thr_bob', user: 'bob', createdAt: 1 }
    await registry.claimOwnership(claimed as Parameters<typeof registry.claimOwnership>[0])
    const { server, reader } = await startWritten({ registry })
    const closed = once(server, 'close')
    server.write(note('before') + created('thr_bob') + note('after'))
    const text = await rest(reader)
    expect(text).toContain('before')
    expect(text).not.toMatch(/thr_bob|after/)
    expect(lastError(text)).toMatchObject({ type: 'error', code: 'stream.error' })
    await closed
  })

  test('that cannot be recorded ends the stream', async () => {
    const registry = createMemoryRegistry()
    registry.claimOwnership = async () => {
      throw new ServiceError('store_unavailable', { reason: 'down' })
    }
    const { server, reader } = await startWritten({ registry })
    server.write(created('thr_1'))
    const text = await rest(reader)
    expect(text).not.toContain('thr_1')
    expect(lastError(text)).toMatchObject({ type: 'error', allow_retry: true })
  })
})

describe('a stream ends', () => {
  const cancels: [string, (at: { scene: Scene; id: string }) => Promise<unknown>][] = [
    ['cancelled', ({ scene, id }) => scene.registry.beginCancel(id, seconds())],
    [
      'revoked with its user',
      ({ scene }) => scene.registry.revoke({ user: 'alice', endReason: 'revoked', now: seconds() }),
    ],
  ]
  test.each(cancels)('within a second when its session is %s', async (_name, cancel) => {
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
  })

  test('before it begins, when its session is cancelled while the server thinks', async () => {
    const { scene, session, alice } = await start()
    scene.sample.server.setFaults({ hang: true })
    const asked = alice(['threads.create', { input: input('hi') }])
    await expect.poll(() => scene.sample.server.requests().length).toBe(1)
    const started = performance.now()
    await scene.registry.beginCancel(session.id, seconds())
    expect((await asked).status).toBe(401)
    expect(performance.now() - started).toBeLessThan(1000)
    const outcome = () => scene.sample.server.requests()[0]?.outcome
    await expect.poll(outcome).toBe('client_gone')
  })

  test('when a client that does not read has its session cancelled, with its connection', async () => {
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

  test('when the store does not answer for too long', { timeout: 10_000 }, async () => {
    const registry = createMemoryRegistry()
    const { server, reader } = await startWritten({ registry })
    registry.endedAmong = async () => {
      throw new ServiceError('store_unavailable', { reason: 'down' })
    }
    server.write(note('x'))
    const started = performance.now()
    const text = await rest(reader)
    expect(performance.now() - started).toBeGreaterThan(4000)
    expect(lastError(text)).toMatchObject({ type: 'error', allow_retry: true })
  })

  test('when the server is silent for too long', async () => {
    const { server, reader } = await startWritten({
      limits: { idleMs: 100, heartbeatMs: 30 },
    })
    const closed = once(server, 'close')
    const text = await rest(reader)
    expect(text).toMatch(/^: \n\n/)
    expect(lastError(text)).toMatchObject({ type: 'error', allow_retry: true })
    await closed
  })

  test('when it has taken too long', async () => {
    const { server, reader } = await startWritten({ limits: { totalMs: 100 } })
    const closed = once(server, 'close')
    expect(lastError(await rest(reader))).toMatchObject({ type: 'error', code: 'custom' })
    await closed
  })

  test('when the server closes in the middle', async () => {
    const { scene, alice } = await start()
    scene.sample.server.setFaults({ close_after_frames: 3 })
    const events = await eventsOf(await alice(['threads.create', { input: input('hi there') }]))
    expect(events).toHaveLength(4)
    expect(events.at(-1)).toEqual({ type: 'error', code: 'stream.error', allow_retry: true })
  })

  test.each([
    ['a frame is too long', note('x'.repeat(1024 * 1024))],
    ['a frame never ends', 'data: '.padEnd(1024 * 1024 + 1, 'x')],
    ['a frame is not JSON', 'data: <h1>\n\n'],
    ['a frame has no type', 'data: {}\n\n'],
    ['a new thread has no id', 'data: {"type":"thread.created","thread":{}}\n\n'],
  ])('when %s, and nothing of it passes', async (_name, frame) => {
    const { server, reader } = await startWritten()
    const closed = once(server, 'close')
    server.write(note('good') + frame)
    const text = await rest(reader)
    expect(text).toBe(
      `${note('good')}data: {"type":"error","code":"stream.error","allow_retry":false}\n\n`,
    )
    await closed
  })

  test('when the client leaves, at the server too', async () => {
    const { server, reader } = await startWritten()
    const closed = once(server, 'close')
    server.write(note('x'))
    await reader.read()
    await reader.cancel()
    await closed
  })
})

test('a slow reader holds the server up, and costs no memory', async () => {
  const { url, opened } = await startScripted()
  const { alice } = await start({ server: url })
  const response = await alice(['threads.create', { input: input('hi') }])
  const [server] = opened as [ServerResponse]
  const before = process.memoryUsage.rss()
  let written = 0
  const frame = note('x'.repeat(64_000))
  // As much as the sockets in between take; a gateway that buffers takes all of it.
  while (written < 256 * 1024 * 1024) {
    written += frame.length
    if (server.write(frame)) continue
    const more = await Promise.race([once(server, 'drain'), wait(300, 'stuck')])
    if (more === 'stuck') break
  }
  expect(written).toBeLessThan(64 * 1024 * 1024)
  expect(process.memoryUsage.rss() - before).toBeLessThan(128 * 1024 * 1024)
  await response.body?.cancel()
})

test('a JSON request that is answered with a stream, and the other way round, is 502', async () => {
  const { url } = await startScripted()
  const { alice } = await start({ server: url })
  expect((await alice(['threads.list', {}])).status).toBe(502)
  const sample = await startScene()
  const user = asAt(sample.url, await sample.session('alice'))
  sample.sample.server.setFaults({ status: 200, body: { id: 'thr_1' } })
  expect((await user(['threads.create', { input: input('hi') }])).status).toBe(502)
  await sample.close()
})
