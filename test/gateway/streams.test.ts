import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ServiceError } from '../../src/lib/errors.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { framesOf, input, textOf } from '../support/chatkit/server-client.ts'
import { userId } from '../support/ids.ts'
import { openRaw, rawRequest } from '../support/raw-http.ts'
import { createThread, WORKFLOW } from './scene.ts'
import {
  created,
  lastError,
  note,
  rest,
  start,
  startScripted,
  startWritten,
} from './scripted-server.ts'

test('a stream arrives frame by frame, each before the server makes the next', async () => {
  const { server, reader } = await startWritten()
  for (let at = 0; at < 20; at++) {
    server.write(note(`${at}`))
    expect((await reader.read()).value).toBe(note(`${at}`))
  }
  server.end()
  expect(await rest(reader)).toBe('')
})

test('a first frame takes less than ten times as long as from the server alone', async () => {
  const { scene, alice } = await start()
  const create = ['threads.create', { input: input('count to 50') }] as const
  const body = JSON.stringify({ type: create[0], params: create[1] })
  const headers = { 'content-type': 'application/json' }
  const timed = async (ask: () => Promise<Response>): Promise<number> => {
    const started = performance.now()
    const frames = framesOf(await ask())
    await frames.next()
    const took = performance.now() - started
    for await (const _ of frames);
    return took
  }
  const direct: number[] = []
  const through: number[] = []
  // In turns, so that what else the machine does makes both longer.
  for (let round = 0; round < 15; round++) {
    direct.push(await timed(() => fetch(scene.sample.url, { method: 'POST', headers, body })))
    through.push(await timed(() => alice(create)))
  }
  const short = (times: number[]) => times.toSorted((a, b) => a - b)[2] ?? Number.NaN
  expect(short(through) / short(direct)).toBeLessThan(10)
})

test('a stream arrives whole, however the server cuts it', async () => {
  const { server, reader } = await startWritten()
  const stream = created('thr_1') + note('Grüezi 🙂')
  for (const byte of Buffer.from(stream)) {
    server.write(Buffer.of(byte))
    await setImmediate()
  }
  server.end()
  expect(await rest(reader)).toBe(stream)
})

test('a stream of 100,000 frames arrives whole', async () => {
  const { alice } = await start()
  const { events } = await createThread(alice, 'count to 100000')
  expect(textOf(events).endsWith(' 100000')).toBe(true)
})

/** As it is seen on a connection that is read byte by byte. */
const latin1 = (text: string) => Buffer.from(text).toString('latin1')

test.each([
  ['1.1', 'in chunks that each hold what the server wrote, and one that ends it'],
  ['1.0', 'as it is, up to the end of the connection'],
])('a client of HTTP/%s gets a stream %s', async (version) => {
  const { url, opened } = await startScripted()
  const { scene, session } = await start({ server: url })
  const body = JSON.stringify({ type: 'threads.create', params: { input: input('hi') } })
  const secret = `Authorization: Bearer ${session.secret}`
  const headers = ['Connection: close', secret, 'Content-Type: application/json']
  const request = rawRequest(`POST ${new URL(scene.url).pathname}`, { headers, body })
  const connection = await openRaw(scene.url)
  connection.send(String(request).replace('HTTP/1.1', `HTTP/${version}`))
  const frames = [note('a'), created('thr_1'), note(`${'ü🙂'.repeat(10_000)} and the end`)]
  await expect.poll(() => opened.length).toBe(1)
  for (const frame of frames) {
    opened[0]?.write(frame)
    await expect.poll(() => connection.rest().includes(latin1(frame.slice(-12)))).toBe(true)
  }
  opened[0]?.end()
  await connection.closed
  const answer = connection.rest()
  const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
  const chunks = [...frames.map(chunk), '0\r\n\r\n']
  const expected = latin1((version === '1.0' ? frames : chunks).join(''))
  expect(answer.slice(answer.indexOf('\r\n\r\n') + 4) === expected).toBe(true)
})

test('a thread is noticed in a stream with any line ends and a byte order mark', async () => {
  const { server, reader, scene } = await startWritten()
  server.write('\ufeffdata: {"type":"thread.created",\r\ndata: "thread":{"id":"thr_1"}}\r\n\r\n')
  server.write('data: {"type":"a"}\r\rdata: {"type":"b"}\n\r\n: hi\r\n\n')
  server.end()
  expect(await rest(reader)).toBe(
    'data: {"type":"thread.created",\ndata: "thread":{"id":"thr_1"}}\n\n' +
      'data: {"type":"a"}\n\ndata: {"type":"b"}\n\n: hi\n\n',
  )
  const thing = { source: WORKFLOW, kind: 'thread', id: 'thr_1' } as const
  expect(await scene.registry.ownersOf([thing])).toEqual(['alice'])
})

const event = (of: object) => `data: ${JSON.stringify(of)}\n\n`
const item = (thread_id: string) => ({
  id: 'itm_1',
  type: 'task',
  thread_id,
  created_at: 1,
  task: {},
})

test.each([2, 3])(
  'an event behind %i byte order marks is checked, because a client ignores one of them',
  async (marks) => {
    const { server, reader } = await startWritten()
    const foreign = event({ type: 'thread.item.added', item: item('thr_bob') })
    server.write(`data: [DONE]\n\n${'\ufeff'.repeat(marks)}${foreign}`)
    const text = await rest(reader)
    expect(text).not.toContain('thr_bob')
    expect(lastError(text)).toMatchObject({ type: 'error', allow_retry: false })
  },
)

test('a stream is kept alive by comments while the server is silent', async () => {
  const { server, reader } = await startWritten({ heartbeatMs: 20 })
  for (let beat = 0; beat < 3; beat++) expect((await reader.read()).value).toBe(': \n\n')
  server.write(note('x'))
  let text = ''
  while (!text.includes(note('x'))) text += (await reader.read()).value
  server.end()
})

test('a new thread is the caller’s before the client sees it', async () => {
  const registry = createSqliteRegistry({ path: ':memory:' })
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

test('a new thread whose id somebody owns ends the stream, and its event does not pass', async () => {
  const registry = createSqliteRegistry({ path: ':memory:' })
  const user = userId('bob')
  const kind = 'thread' as const
  const claimed = { source: WORKFLOW, kind, id: 'thr_bob', user, createdAt: 1 }
  await registry.claimOwnership(claimed)
  const { server, reader } = await startWritten({ registry })
  const closed = once(server, 'close')
  server.write(note('before') + created('thr_bob') + note('after'))
  const text = await rest(reader)
  expect(text).toContain('before')
  expect(text).not.toMatch(/thr_bob|after/)
  expect(lastError(text)).toMatchObject({ type: 'error', code: 'stream.error' })
  await closed
})

test('a new thread that cannot be recorded ends the stream', async () => {
  const registry = createSqliteRegistry({ path: ':memory:' })
  registry.claimOwnership = async () => {
    throw new ServiceError('store_unavailable', { reason: 'down' })
  }
  const { server, reader } = await startWritten({ registry })
  server.write(created('thr_1'))
  const text = await rest(reader)
  expect(text).not.toContain('thr_1')
  expect(lastError(text)).toMatchObject({ type: 'error', allow_retry: true })
})

test('a client that reads slowly slows the server down, and costs no memory', async () => {
  const { url, opened } = await startScripted()
  const { alice } = await start({ server: url })
  const response = await alice(['threads.create', { input: input('hi') }])
  const [server] = opened as [ServerResponse]
  const before = process.memoryUsage.rss()
  let written = 0
  const frame = note('x'.repeat(64_000))
  // The buffers of the sockets hold this much; a gateway that buffered would read all of it.
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

test.each<readonly [string, (id: string) => object]>([
  ['a change of its thread', (id) => ({ type: 'thread.updated', thread: { id, created_at: 1 } })],
  ['a new item', (id) => ({ type: 'thread.item.added', item: item(id) })],
  ['an item that is done', (id) => ({ type: 'thread.item.done', item: item(id) })],
  [
    'the items of its thread',
    (id) => ({
      type: 'thread.updated',
      thread: { id: 'thr_1', created_at: 1, items: { data: [item(id)], has_more: false } },
    }),
  ],
  [
    'an item that is done, and the thread beside it',
    (thread_id) => ({ type: 'thread.item.done', thread_id, item: item('') }),
  ],
  ['a thread_id in an event of another type', (thread_id) => ({ type: 'notice', thread_id })],
  ['a thread in an event of another type', (id) => ({ type: 'notice', thread: { id } })],
  [
    'an item in an update',
    (id) => ({ type: 'thread.item.updated', item_id: 'i', update: { type: 'x', item: item(id) } }),
  ],
  [
    'a thread in an update',
    (id) => ({ type: 'thread.item.updated', item_id: 'i', update: { type: 'x', thread_id: id } }),
  ],
])(
  'an event with %s passes for a thread of the caller, and ends the stream for any other',
  async (_, of) => {
    const registry = createSqliteRegistry({ path: ':memory:' })
    for (const [id, name] of [['thr_bob', 'bob'] as const, ['thr_old', 'alice'] as const]) {
      const kind = 'thread' as const
      await registry.claimOwnership({
        source: WORKFLOW,
        kind,
        id,
        user: userId(name),
        createdAt: 1,
      })
    }
    for (const foreign of ['thr_bob', 'thr_unknown', 'thr_\n']) {
      const { server, reader } = await startWritten({ registry })
      await registry.releaseOwnership({
        ...{ source: WORKFLOW, kind: 'thread', id: 'thr_1' },
        user: userId('alice'),
      })
      server.write(
        created('thr_1') + event(of('thr_1')) + event(of('thr_old')) + event(of(foreign)),
      )
      const text = await rest(reader)
      expect(text).toContain(event(of('thr_1')) + event(of('thr_old')))
      expect(text).not.toContain(JSON.stringify(foreign).slice(1))
      expect(lastError(text)).toMatchObject({ type: 'error', allow_retry: false })
    }
  },
)

test('a new thread with an item of a thread that is not the caller’s ends the stream, and is not shown', async () => {
  const { server, reader } = await startWritten()
  const items = { data: [item('thr_bob')], has_more: false }
  server.end(event({ type: 'thread.created', thread: { id: 'thr_1', created_at: 1, items } }))
  const text = await rest(reader)
  expect(text).not.toContain('thr_bob')
  expect(lastError(text)).toMatchObject({ type: 'error', allow_retry: false })
})

test.each(['', null, undefined])(
  'an item that names no thread passes, also as servers in Go write it: %j',
  async (thread_id) => {
    const { server, reader } = await startWritten()
    const frames = ['thread.item.added', 'thread.item.done']
      .map((type) => event({ type, item: { ...item(''), thread_id } }))
      .join('')
    server.write(frames)
    server.end()
    expect(await rest(reader)).toContain(frames)
  },
)

test('an event whose thread id is no text ends the stream', async () => {
  for (const thread_id of [7, { id: 'thr_1' }, ['thr_1'], true]) {
    const { server, reader } = await startWritten()
    server.write(event({ type: 'thread.item.done', item: { ...item(''), thread_id } }))
    expect(lastError(await rest(reader))).toMatchObject({ type: 'error', allow_retry: false })
  }
})

test.each([
  [7, 'an event "thread.item.done": a thread\'s id is number, not a string'],
  ['thr_bob', 'thread "thr_bob"'],
])('the log says why the thread id %j ended a stream', async (thread_id, why) => {
  const { server, reader, scene } = await startWritten()
  server.write(event({ type: 'thread.item.done', item: { ...item(''), thread_id } }))
  await rest(reader)
  const ended = scene.lines.filter(({ msg }) => msg === 'a stream was ended')
  expect(ended).toMatchObject([{ err: { message: why } }])
})

test('a server makes at most 100 threads in one stream', async () => {
  const { server, reader, scene } = await startWritten()
  const ids = Array.from({ length: 101 }, (_, at) => `thr_${at}`)
  for (const id of ids) server.write(created(id))
  const text = await rest(reader)
  expect(text).toContain('"thr_99"')
  expect(text).not.toContain('"thr_100"')
  const things = ids.map((id) => ({ source: WORKFLOW, kind: 'thread', id }) as const)
  const owners = await scene.registry.ownersOf(things)
  expect(owners.filter((owner) => owner === 'alice')).toHaveLength(100)
})

test.each(['thr_\u0000', 'thr_\n1', 'thr\u007f', '\u0085', ''])(
  'a new thread with the id %j ends the stream and is not recorded',
  async (id) => {
    const { server, reader, scene } = await startWritten()
    server.write(note('before') + created(id) + note('after'))
    const text = await rest(reader)
    expect(text).toContain('before')
    expect(text).not.toContain('after')
    expect(lastError(text)).toMatchObject({ type: 'error', allow_retry: false })
    const query = { kind: 'thread', limit: 5, order: 'desc' } as const
    expect((await scene.registry.listOwned(query))?.data).toEqual([])
  },
)
