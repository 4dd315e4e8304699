import { once } from 'node:events'
import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Hono } from 'hono'
import { expect, onTestFinished, test, vi } from 'vitest'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { createAnswerJson } from '../../src/gateway/json-answer.ts'
import type { AppEnv } from '../../src/http/context.ts'
import { input } from '../support/chatkit/server-client.ts'
import { userId } from '../support/ids.ts'
import { serve } from '../support/network/listen.ts'
import { asAt, WORKFLOW } from './scene.ts'
import { note, rest, start, startScripted, startWritten } from './scripted-server.ts'

const WAIT = { timeout: 15_000 }
const MEBIBYTE = 1024 * 1024
const CREATE = ['threads.create', { input: input('hi') }] as const

const ANSWER = '{"id":"thr_1","data":[{"id":"thr_1"}],"has_more":false}'
const CALL = { workflow: { adoptThreads: false }, session: { user: 'alice' } }
const never = () => Promise.reject(new Error('never called'))

/** Bodies that never end; each has sent a megabyte so far. */
function openBodies(url: string, secret: string, count: number) {
  const statuses: number[] = []
  const requests = Array.from({ length: count }, () => {
    const headers = {
      authorization: `Bearer ${secret}`,
      'content-type': 'application/json',
      'transfer-encoding': 'chunked',
    }
    const sent = request(url, { method: 'POST', headers }, (response) => {
      statuses.push(response.statusCode ?? 0)
      response.resume()
    })
    sent.on('error', () => {})
    sent.write(' '.repeat(MEBIBYTE))
    return sent
  })
  onTestFinished(() => {
    for (const sent of requests) sent.destroy()
  })
  return statuses
}

test('bodies of one user that never end take a quarter of the memory, and other users go on', async () => {
  const { scene, session } = await start({ gateway: { userMemoryBytes: 4 * MEBIBYTE } })
  const statuses = openBodies(scene.url, session.secret, 12)
  await vi.waitFor(() => expect(statuses.length).toBeGreaterThanOrEqual(8), WAIT)
  expect(new Set(statuses)).toEqual(new Set([503]))
  const bob = asAt(scene.url, await scene.session('bob'))
  expect((await bob(CREATE)).status).toBe(200)
})

test('the text of a message is not kept beside its bytes until the server answers', async () => {
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  let read = 0
  const server = createServer((incoming) => incoming.resume().on('end', () => read++))
  const { origin } = await listenOnLoopback(server)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { scene, session } = await start({ server: `${origin}/chatkit` })
  const message = { content: [{ type: 'input_text', text: 'x'.repeat(2 * MEBIBYTE) }] }
  const fields = { type: 'threads.create', params: { input: message }, metadata: {}, more: '' }
  const body = Buffer.from(JSON.stringify({ ...fields, more: 'y'.repeat(MEBIBYTE) }))
  gc()
  const before = process.memoryUsage().heapUsed
  for (let at = 1; at <= 4; at++) {
    const headers = {
      authorization: `Bearer ${session.secret}`,
      'content-type': 'application/json',
    }
    const sent = request(scene.url, { method: 'POST', headers }).on('error', () => {})
    sent.setHeader('content-length', body.length).end(body)
    onTestFinished(() => void sent.destroy())
    await vi.waitFor(() => expect(read).toBe(at), WAIT)
  }
  gc()
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(body.length)
})

/** A server whose streams end at once or never, and a function that sends it a message on a connection of its own. */
async function startStreams(how: 'end' | 'last', characters: number) {
  const server = createServer(async (incoming, response) => {
    await once(incoming.resume(), 'end')
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    if (how === 'end') response.end()
  })
  const { origin } = await listenOnLoopback(server)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { scene, session } = await start({ server: `${origin}/chatkit` })
  const params = { input: input('x'.repeat(characters)) }
  const body = Buffer.from(JSON.stringify({ type: 'threads.create', params }))
  const headers = {
    authorization: `Bearer ${session.secret}`,
    'content-type': 'application/json',
    'content-length': body.length,
  }
  async function stream(): Promise<IncomingMessage> {
    const agent = new Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    const sent = request(scene.url, { method: 'POST', agent, headers }).on('error', () => {})
    const [response] = await once(sent.end(body), 'response')
    expect(response.statusCode).toBe(200)
    return response.resume()
  }
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  const held = () => {
    gc()
    return process.memoryUsage().arrayBuffers
  }
  return { stream, held, before: held() }
}

test('a message is not kept while its answer streams', async () => {
  const { stream, held, before } = await startStreams('last', 2 * MEBIBYTE)
  for (let sent = 0; sent < 4; sent++) await stream()
  await expect.poll(() => held() - before).toBeLessThan(4 * MEBIBYTE)
})

test('a connection that is idle after a stream does not keep its message', async () => {
  const { stream, held, before } = await startStreams('end', 60_000)
  for (let sent = 0; sent < 100; sent++) await once(await stream(), 'end')
  await expect.poll(() => held() - before).toBeLessThan(2 * MEBIBYTE)
})

test('requests of one user that mention hundreds of ids are looked up one after the other', async () => {
  const { scene, session } = await start()
  const { ownersOf } = scene.registry
  let underWay = 0
  const most = { many: 0, few: 0 }
  vi.spyOn(scene.registry, 'ownersOf').mockImplementation(async (things) => {
    underWay += 1
    const kind = things.length > 256 ? 'many' : 'few'
    most[kind] = Math.max(most[kind], underWay)
    // A busy machine may take long to bring three together.
    if (kind === 'few') await vi.waitUntil(() => most.few === 3, WAIT)
    else await sleep(100)
    underWay -= 1
    return ownersOf(things)
  })
  const alice = asAt(scene.url, session)
  const mention = (count: number) => {
    const threads = Array.from({ length: count }, (_, at) => `mail_${at}`)
    return alice([
      'threads.create',
      { input: { ...input('hi'), content: [{ type: 'input_tag', data: { threads } }] } },
    ])
  }
  for (const count of [257, 256]) await Promise.all([1, 2, 3].map(() => mention(count)))
  expect(most).toEqual({ many: 1, few: 3 })
})

test('thousands of mentioned ids are looked up a thousand at a time, and the last one counts', async () => {
  const { scene, alice } = await start()
  const bob = { source: WORKFLOW, kind: 'thread', id: 'mail_2499', createdAt: 1 } as const
  await scene.registry.claimOwnership({ ...bob, user: userId('bob') })
  const asked = vi.spyOn(scene.registry, 'ownersOf')
  const threads = Array.from({ length: 2500 }, (_, at) => `mail_${at}`)
  const message = (data: object) =>
    alice(['threads.create', { input: { ...input('hi'), content: [{ type: 'input_tag', data }] } }])
  expect((await message({ threads })).status).toBe(404)
  expect(asked.mock.calls.map(([things]) => things.length)).toEqual([1000, 1000, 500])
  expect((await message({ threads: threads.slice(0, -1) })).status).toBe(200)
})

test('a small body counts as well: beyond the memory of its user it is 503', async () => {
  const { scene, alice } = await start({ gateway: { userMemoryBytes: 20 * 1024 } })
  expect((await alice(['threads.create', { input: input('x'.repeat(10 * 1024)) }])).status).toBe(
    200,
  )
  scene.sample.server.clearRequests()
  const refused = await alice(['threads.create', { input: input('x'.repeat(30 * 1024)) }])
  expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'overloaded' }])
  expect(scene.sample.server.requests()).toEqual([])
})

test('bodies of many users that never end take all of the bounded memory, and no more', async () => {
  const { scene } = await start({ gateway: { memoryBytes: 8 * MEBIBYTE } })
  const statuses: number[][] = []
  for (let at = 0; at < 6; at++) {
    const { secret } = await scene.session(`user-${at}`)
    statuses.push(openBodies(scene.url, secret, 2))
  }
  await vi.waitFor(() => expect(statuses.flat().length).toBeGreaterThanOrEqual(4), WAIT)
  expect(new Set(statuses.flat())).toEqual(new Set([503]))
})

test('streams whose clients do not read count with what was read ahead for them', async () => {
  const { url, opened } = await startScripted()
  const { scene } = await start({ server: url, gateway: { memoryBytes: MEBIBYTE / 2 } })
  const streams = 4
  // Their bodies are not read; they are kept, because fetch ends a body that is collected as garbage.
  const answers: Response[] = []
  for (let at = 0; at < streams; at++) {
    const client = asAt(scene.url, await scene.session(`user-${at}`))
    answers.push(await client(CREATE))
  }
  const text = note('x'.repeat(30_000))
  for (const server of opened) Readable.from(Array(700).fill(text)).pipe(server)
  const ended = () => scene.lines.filter(({ reason }) => reason === 'overloaded')
  // Twice 256 KiB are all of the memory.
  await expect.poll(() => ended().length, WAIT).toBeGreaterThanOrEqual(streams - 2)
  expect(answers).toHaveLength(streams)
})

test.each([
  [1024, 900],
  [256, 200],
])('of %i KiB for a user, an event of %i reaches a client who reads', async (most, size) => {
  const { scene, server, reader } = await startWritten({
    gateway: { userMemoryBytes: most * 1024 },
  })
  server.end(note('x'.repeat(size * 1024)))
  expect((await rest(reader)).length).toBeGreaterThan(size * 1024)
  expect(scene.lines.filter(({ reason }) => reason === 'overloaded')).toEqual([])
})

test('an answer that is too long for the memory is 503, and nothing of it is kept', async () => {
  const { scene, session } = await start({ gateway: { userMemoryBytes: MEBIBYTE / 4 } })
  const alice = asAt(scene.url, session)
  const text = 'x'.repeat(200 * 1024)
  const created = await alice(['threads.create', { input: input(text) }])
  expect(created.status).toBe(200)
  const events = await created.text()
  const id = /"thread":\{"id":"([^"]+)"/.exec(events)?.[1]
  const answer = await alice(['threads.get_by_id', { thread_id: id }])
  expect(answer.status).toBe(503)
  expect(await answer.json()).toMatchObject({ code: 'overloaded' })
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
})

test('answers free their memory when they have been sent', async () => {
  const { scene, alice } = await start({ gateway: { userMemoryBytes: MEBIBYTE } })
  const created = await alice(['threads.create', { input: input('x'.repeat(300 * 1024)) }])
  const id = /"thread":\{"id":"([^"]+)"/.exec(await created.text())?.[1]
  const list = ['threads.list', { limit: 1 }] as const
  for (const request of [['threads.get_by_id', { thread_id: id }], list] as const) {
    for (let at = 0; at < 5; at++) {
      const answer = await alice(request)
      expect([request[0], answer.status]).toEqual([request[0], 200])
      await answer.arrayBuffer()
    }
  }
  const body = { id: 'atc_1', name: 'x'.repeat(300 * 1024) }
  scene.sample.server.setFaults({ status: 200, body, times: 5 })
  const params = { name: 'a.txt', size: 3, mime_type: 'text/plain' }
  for (let at = 0; at < 5; at++) {
    expect((await alice(['attachments.create', params])).status).toBe(200)
  }
})

test('an answer is parsed and checked in the turn of its user, and sent on without a copy; a list asks for more pages outside of the turn', async () => {
  const allocate = vi.spyOn(Buffer, 'allocUnsafe')
  onTestFinished(() => allocate.mockRestore())
  let sent: { readonly calls: unknown[][] } | undefined
  const turns: unknown[] = []
  const work = async <T>(run: (begin: () => Promise<void>) => T | Promise<T>): Promise<T> => {
    const done = await run(async () => {})
    turns.push(done)
    return done
  }
  const memory = { hold() {}, holdMore() {}, release() {}, work }
  const ownership = {
    ownersOf: async () => [userId('alice')],
    claim: never,
    listOwned: never,
    release: never,
  }
  const parts = { linksFor: () => () => false, forward: never, answerAttachment: never }
  const shares = { memoryFor: () => memory }
  const { answer } = createAnswerJson({ ...parts, ownership, shares, maxAnswerBytes: 200_000 })
  const app = new Hono<AppEnv>()
  app.get('/:type', (c) => {
    const type = c.req.param('type')
    const request = { type, params: { thread_id: 'thr_1' } }
    const reply = {
      status: 200,
      mediaType: 'application/json',
      // So long that it is not in the buffer that all small ones share.
      body: Readable.from([Buffer.from(ANSWER.padEnd(200_000))]),
    }
    sent = vi.spyOn(c, 'body').mock
    const exchange = { parsed: { known: true, request }, reply, adopts: undefined }
    return answer(c, CALL as never, exchange as never)
  })
  // The client has left.
  const env = { outgoing: { closed: true } }
  for (const type of ['threads.get_by_id', 'items.list']) {
    const response = await app.request(`/${type}`, {}, env)
    expect(await response.json()).toEqual(JSON.parse(ANSWER))
    expect(turns.splice(0)).toEqual([response])
    const [read] = allocate.mock.results.splice(0).map(({ value }) => value.buffer)
    expect(sent?.calls.map(([bytes]) => (bytes as Buffer).buffer === read)).toEqual([true])
  }
  expect((await app.request('/threads.list', {}, env)).status).toBe(200)
  expect(turns).toEqual([JSON.parse(ANSWER)])
})

test('a stream beyond the limit of its user is 429 until another one has ended', async () => {
  const { url, opened } = await startScripted()
  const { scene, session, alice } = await start({ server: url, gateway: { streamsPerUser: 3 } })
  const responses = await Promise.all([alice(CREATE), alice(CREATE), alice(CREATE)])
  expect(responses.map(({ status }) => status)).toEqual([200, 200, 200])
  const refused = await alice(CREATE)
  expect(refused.status).toBe(429)
  expect(await refused.json()).toMatchObject({ code: 'rate_limited' })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(opened).toHaveLength(3)
  const bob = asAt(scene.url, await scene.session('bob'))
  const ofBob = await bob(CREATE)
  expect(ofBob.status).toBe(200)
  opened[0]?.end(note('done'))
  // The server may have got the three in another order.
  const streams = responses.flatMap(({ body }) => body ?? [])
  await Promise.any(streams.map((body) => body.pipeTo(new WritableStream())))
  await vi.waitFor(async () => {
    const again = await asAt(scene.url, session)(CREATE)
    expect(again.status).toBe(200)
  }, WAIT)
})

test('a request beyond two hundred of its user that wait for the server is 429 until one is answered, and others go on', async () => {
  const waiting: ServerResponse[] = []
  const server = await serve((_request, response) => void waiting.push(response))
  onTestFinished(server.close)
  const { scene, alice } = await start({ server: `${server.origin}/chatkit` })
  const LIST = ['threads.list', {}] as const
  const sent = Array.from({ length: 200 }, () => alice(LIST))
  await vi.waitFor(() => expect(waiting).toHaveLength(200), WAIT)
  const refused = await alice(LIST)
  expect(refused.status).toBe(429)
  expect(await refused.json()).toMatchObject({ code: 'rate_limited' })
  expect(waiting).toHaveLength(200)
  sent.push(asAt(scene.url, await scene.session('bob'))(LIST))
  await vi.waitFor(() => expect(waiting).toHaveLength(201), WAIT)
  for (const [at, response] of waiting.entries()) {
    response.writeHead(at % 2 === 0 ? 200 : 500, { 'content-type': 'application/json' })
    response.end('{"data":[],"has_more":false}')
  }
  await Promise.all(sent)
  const again = Array.from({ length: 200 }, () => alice(LIST))
  await vi.waitFor(() => expect(waiting).toHaveLength(401), WAIT)
  for (const response of waiting) response.destroy()
  await Promise.all(again)
})

test('events that clients do not read count; a stream beyond the user’s share ends', async () => {
  const { url, opened } = await startScripted()
  const { scene, session } = await start({
    server: url,
    gateway: { userMemoryBytes: 24 * MEBIBYTE, maxFrameBytes: 32 * MEBIBYTE },
  })
  const ended: number[] = []
  const clients: ClientRequest[] = []
  for (let at = 0; at < 3; at++) {
    const headers = {
      authorization: `Bearer ${session.secret}`,
      'content-type': 'application/json',
    }
    const sent = request(scene.url, { method: 'POST', headers })
    sent.on('error', () => {})
    clients.push(sent)
    onTestFinished(() => void sent.destroy())
    const [type, params] = CREATE
    sent.end(JSON.stringify({ type, params }))
    const response = await new Promise<IncomingMessage>((resolve) => sent.once('response', resolve))
    response.pause()
    response.on('error', () => {})
    await vi.waitFor(() => expect(opened).toHaveLength(at + 1), WAIT)
    opened[at]?.on('close', () => ended.push(at))
    opened[at]?.write(note('x'.repeat(11 * MEBIBYTE)))
    // The gateway passes on only a whole event, so it has all of it once the client has a part.
    await vi.waitFor(() => expect(response.readableLength).toBeGreaterThan(0), WAIT)
  }
  await vi.waitFor(() => expect(ended).toEqual([2]), WAIT)
  const bob = asAt(scene.url, await scene.session('bob'))
  expect((await bob(CREATE)).status).toBe(200)
  expect(ended).toEqual([2])
  // What clients that have left did not read counts no more.
  for (const client of clients) client.destroy()
  await vi.waitFor(() => expect(ended.toSorted()).toEqual([0, 1, 2]), WAIT)
  const stream = await asAt(scene.url, session)(CREATE)
  opened.at(-1)?.end(note(`${'x'.repeat(20 * MEBIBYTE)}end`))
  expect((await stream.text()).slice(-20)).toContain('end')
})

test('events that clients have read do not count while their streams are silent', async () => {
  const { url, opened } = await startScripted()
  const { alice } = await start({
    server: url,
    gateway: { userMemoryBytes: 6 * MEBIBYTE, maxFrameBytes: 8 * MEBIBYTE },
  })
  for (let at = 0; at < 3; at++) {
    const { body } = await alice(CREATE)
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
    opened[at]?.write(note(`${'x'.repeat(3 * MEBIBYTE)}end`))
    for (let text = ''; !text.includes('end'); ) {
      const { done, value = '' } = (await reader?.read()) ?? { done: true }
      expect(done).toBe(false)
      text = text.slice(-10) + value
    }
  }
})
