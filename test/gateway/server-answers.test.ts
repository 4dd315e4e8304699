import type { ServerResponse } from 'node:http'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { input } from '../support/chatkit/server-client.ts'
import { userId } from '../support/ids.ts'
import { serve } from '../support/network/listen.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { forAllTests } from '../support/started.ts'
import { asAt, createThread, startScene, WORKFLOW } from './scene.ts'
import { start, startScripted } from './scripted-server.ts'

const MEBIBYTE = 1024 * 1024
const JSON_TYPE = { 'content-type': 'application/json' }
const THREAD_1 = { source: WORKFLOW, kind: 'thread', id: 'thr_1', createdAt: 1 } as const

/** A server that answers what `raw` says, and a thread of alice at it. */
async function startRaw() {
  let answer = (response: ServerResponse) => response.end()
  const { origin, close } = await serve((_request, response) => answer(response))
  onTestFinished(close)
  const at = await start({ server: `${origin}/chatkit` })
  await at.scene.registry.claimOwnership({ ...THREAD_1, user: userId('alice') })
  return {
    ...at,
    chatkit: at.scene.chatkit,
    raw: (headers: Record<string, string>, body: string, status = 200) => {
      answer = (response) => response.writeHead(status, headers).end(body)
    },
  }
}
const scene = forAllTests(() => startScene({ gateway: { maxAnswerBytes: MEBIBYTE } }))
beforeEach(() => scene.sample.server.clearRequests())

const LIST = ['threads.list', {}] as const

/** Longer than an answer may be. */
const HUGE = 'x'.repeat(MEBIBYTE)

const faults = [
  ['is down', 503, 'upstream_unavailable', { down: true }],
  ['fails', 503, 'upstream_unavailable', { status: 500 }],
  ['refuses', 422, 'server_refused', { status: 422 }],
  ['does not accept who asks', 502, 'upstream_auth_failed', { status: 401 }],
  ['forbids it', 502, 'upstream_auth_failed', { status: 403 }],
  ['has nothing of the kind', 404, 'server_refused', { status: 404 }],
  ['redirects', 502, 'upstream_invalid_response', { status: 302 }],
  ['offers a choice', 502, 'upstream_invalid_response', { status: 300 }],
  ['has too much to do', 429, 'server_refused', { status: 429 }],
  ['answers HTML', 502, 'upstream_invalid_response', { status: 200, body: '<h1>hi</h1>' }],
  [
    'answers more than it may',
    502,
    'upstream_invalid_response',
    { status: 200, body: { x: HUGE } },
  ],
  ['answers half', 502, 'upstream_invalid_response', { status: 200, body: '{"data":' }],
  [
    'answers with a list that is not one',
    502,
    'upstream_invalid_response',
    { status: 200, body: { data: 7 } },
  ],
] as const

test.each(faults)('when a server %s, the client gets %i %s', async (_name, status, code, fault) => {
  const alice = asAt(scene.url, await scene.session('alice'))
  scene.sample.server.setFaults(fault)
  const answer = await answerOf(await alice(LIST))
  scene.sample.server.setFaults({})
  expectProblem(answer, status, code)
  expect(answer.body).not.toContain('OpenAI')
})

test('when a server does not answer, the client gets 504', async () => {
  const { scene: slow, alice } = await start({ gateway: { answerMs: 200, idleMs: 200 } })
  slow.sample.server.setFaults({ hang: true })
  expectProblem(await answerOf(await alice(LIST)), 504, 'upstream_timeout')
  const create = alice(['threads.create', { input: input('hi') }])
  expectProblem(await answerOf(await create), 504, 'upstream_timeout')
})

test('when a server answers with another thread than was asked for, the client gets 502', async () => {
  const alice = asAt(scene.url, await scene.session('alice'))
  const { id: thread_id } = await createThread(alice)
  const body = { id: 'thr_other', created_at: 1 }
  scene.sample.server.setFaults({ status: 200, body })
  const answers = [
    await answerOf(await alice(['threads.get_by_id', { thread_id }])),
    await answerOf(await alice(['threads.update', { thread_id, title: 'x' }])),
  ]
  scene.sample.server.setFaults({})
  for (const answer of answers) expectProblem(answer, 502, 'upstream_invalid_response')
})

const FOREIGN = { id: 'i1', thread_id: 'thr_other', created_at: 1, type: 'task', task: {} }
const page = (data: (typeof FOREIGN)[]) => ({ data, has_more: false, after: null })

test.each([
  ['a page of items', 'items.list', () => page([FOREIGN])],
  [
    'a thread',
    'threads.get_by_id',
    (id: string) => ({ id, created_at: 1, items: page([FOREIGN]) }),
  ],
  ['an updated item', 'threads.sync_custom_action', () => ({ updated_item: FOREIGN })],
  [
    'a page',
    'items.list',
    () => ({ ...page([]), data: [{ ...FOREIGN, thread_id: ['thr_other'] }] }),
  ],
] as const)(
  'when %s has an item of another thread, the client gets 502',
  async (_name, type, body) => {
    const alice = asAt(scene.url, await scene.session('alice'))
    const { id: thread_id } = await createThread(alice)
    scene.sample.server.setFaults({ status: 200, body: body(thread_id) })
    const answer = await answerOf(await alice([type, { thread_id, action: { type: 'x' } }]))
    scene.sample.server.setFaults({})
    expectProblem(answer, 502, 'upstream_invalid_response')
    expect(answer.body).not.toContain('thr_other')
  },
)

test('a list shows no item that a server files under a thread of the caller, but that names another', async () => {
  const alice = asAt(scene.url, await scene.session('alice'))
  const { id } = await createThread(alice)
  const [own, foreign] = [{ ...FOREIGN, thread_id: id }, FOREIGN]
  for (const items of [page([own, foreign]), [foreign]]) {
    const data = [{ id, created_at: 1, title: 'mine', items }]
    scene.sample.server.setFaults({ status: 200, body: { data, has_more: false } })
    const answer = await answerOf(await alice(LIST))
    scene.sample.server.setFaults({})
    const shown = { id, title: 'mine', items: { data: [], has_more: false } }
    expect(answer.json()).toMatchObject({ data: [shown] })
    expect(answer.body).not.toContain('thr_other')
  }
})

const DEEP = `${'{"a":['.repeat(200_000)}${']}'.repeat(200_000)}`

test.each([
  ['a thread', 'threads.get_by_id'],
  ['an attachment', 'attachments.create'],
] as const)(
  'when %s is nested too deeply to be written with its links, the client gets 502',
  async (_name, type) => {
    const { alice, raw } = await startRaw()
    raw(JSON_TYPE, `{"id":"thr_1","preview_url":"/a.png","x":${DEEP}}`)
    const params = { thread_id: 'thr_1', name: 'a', size: 1, mime_type: 'image/png' }
    const answer = await answerOf(await alice([type, params]))
    expectProblem(answer, 502, 'upstream_invalid_response')
  },
)

const THREAD = '{"id":"thr_1","created_at":1,"title":"ü"}'

test.each([
  ['a byte order mark', JSON_TYPE, `\ufeff${THREAD}`],
  ['`Content-Encoding: Identity`', { ...JSON_TYPE, 'content-encoding': 'Identity' }, THREAD],
  ['an empty Content-Encoding', { ...JSON_TYPE, 'content-encoding': '' }, THREAD],
  ['`Content-Encoding: none`', { ...JSON_TYPE, 'content-encoding': 'none' }, THREAD],
  ['`Content-Encoding: UTF-8`', { ...JSON_TYPE, 'content-encoding': 'UTF-8' }, THREAD],
  ['the type that Go gives it', { 'content-type': 'text/plain; charset=utf-8' }, THREAD],
  ['the type that PHP gives it', { 'content-type': 'text/html; charset=UTF-8' }, THREAD],
  ['no type', {}, THREAD],
])('an answer with %s is read', async (_name, headers, body) => {
  const { alice, raw, chatkit } = await startRaw()
  raw(headers, body)
  const answer = await alice(['threads.get_by_id', { thread_id: 'thr_1' }])
  expect(await answer.json()).toEqual(JSON.parse(THREAD))
  expect(await chatkit.retrieveThread('thr_1')).toMatchObject({ title: 'ü' })
})

test.each([
  [204, {}, ''],
  [205, { 'content-length': '0' }, ''],
  [200, { 'content-length': '0' }, ''],
  [202, { 'content-length': '0', ...JSON_TYPE }, ''],
  [200, { 'transfer-encoding': 'chunked' }, ''],
  [200, { 'transfer-encoding': 'chunked', ...JSON_TYPE }, ''],
  [200, { 'content-type': 'text/plain; charset=utf-8' }, 'OK'],
  [202, { 'content-type': 'text/html' }, 'Accepted\n'],
])(
  'a server’s %i without a body, or with the name of the status, counts as the empty answer to a delete and to feedback',
  async (status, headers, body) => {
    const { alice, raw, scene: at, chatkit } = await startRaw()
    raw(headers, body, status)
    const thread_id = 'thr_1'
    for (const request of [
      ['items.feedback', { thread_id, item_ids: ['i1'], kind: 'positive' }],
      ['threads.delete', { thread_id }],
    ] as const) {
      const answer = await alice(request)
      expect([answer.status, await answer.json()]).toEqual([200, {}])
    }
    const thing = { source: WORKFLOW, kind: 'thread', id: thread_id } as const
    expect(await at.registry.ownersOf([thing])).toEqual([undefined])
    await at.registry.claimOwnership({ ...thing, user: userId('alice'), createdAt: 1 })
    expect(await chatkit.deleteThread(thread_id)).toMatchObject({ deleted: true })
  },
)

test('a body without an end after 205, which has none, is not read', async () => {
  const closed = Promise.withResolvers<void>()
  const { origin, close } = await serve(({ socket }) => {
    const send = () => void socket.write('x'.repeat(MEBIBYTE))
    socket.on('error', () => {}).on('drain', send)
    socket.once('close', closed.resolve)
    socket.write('HTTP/1.1 205 Reset Content\r\n\r\n', send)
  })
  onTestFinished(close)
  const { alice, scene: at } = await start({ server: `${origin}/chatkit` })
  await at.registry.claimOwnership({ ...THREAD_1, user: userId('alice') })
  expect((await alice(['threads.delete', { thread_id: 'thr_1' }])).status).toBe(200)
  await closed.promise
})

test.each([
  [200, JSON_TYPE, '{"ok":true}'],
  [200, JSON_TYPE, '{"id":null}'],
  [200, JSON_TYPE, 'null'],
  [204, {}, ''],
  [200, { 'content-length': '0' }, ''],
])(
  'a server may confirm a new title without the thread, by %i, %j and the body %j',
  async (status, headers, body) => {
    const { alice, raw } = await startRaw()
    raw(headers, body, status)
    const answer = await alice(['threads.update', { thread_id: 'thr_1', title: 'x' }])
    expect([answer.status, await answer.text()]).toEqual([200, body || '{}'])
    raw({ ...JSON_TYPE, 'content-length': String(body.length) }, body)
    expect((await alice(['threads.get_by_id', { thread_id: 'thr_1' }])).status).toBe(502)
  },
)

test.each([
  ['data.1.id', '{"data":[{"id":"thr_1"},{"id":2}]}'],
  ['has_more', '{"data":[],"has_more":"no"}'],
  ['the whole', '[]'],
])('of a list that is no page of threads the log names %s', async (where, body) => {
  const { alice, raw, scene: at } = await startRaw()
  raw(JSON_TYPE, body)
  expectProblem(await answerOf(await alice(LIST)), 502, 'upstream_invalid_response')
  expect(JSON.stringify(at.lines)).toContain(`not a page of threads, at: ${where}`)
})

test('a server’s answer without a body is 502 where a thread or a page of items is asked for', async () => {
  const { alice, raw } = await startRaw()
  raw({ 'content-length': '0' }, '')
  const thread_id = 'thr_1'
  for (const type of [
    'threads.get_by_id',
    'items.list',
    'threads.list',
    'threads.create',
  ] as const) {
    const answer = await answerOf(await alice([type, { thread_id, input: input('hi') }]))
    expectProblem(answer, 502, 'upstream_invalid_response')
  }
})

test('a page in the place of the empty answer is 502, because a proxy may have sent it', async () => {
  const { alice, raw } = await startRaw()
  for (const body of ['<p>ok</p>', 'ok, sign in', `ok${' '.repeat(20)}no`]) {
    raw({ 'content-type': 'text/html' }, body)
    const answer = await answerOf(await alice(['threads.delete', { thread_id: 'thr_1' }]))
    expectProblem(answer, 502, 'upstream_invalid_response')
  }
})

test('a list that is null, as servers in Go write an empty one, is empty', async () => {
  const { alice, raw } = await startRaw()
  raw(JSON_TYPE, '{"data":null,"has_more":false}')
  const answer = await alice(['threads.list', {}])
  expect([answer.status, await answer.json()]).toEqual([
    200,
    { data: [], has_more: false, after: null },
  ])
})

test.each(['gzip', 'identity, GZIP', 'br', 'none,zstd', 'x-gzip'])(
  'an answer with `Content-Encoding: %s` is 502, and the log says that it is compressed',
  async (encoding) => {
    const { alice, raw, scene: at } = await startRaw()
    raw({ ...JSON_TYPE, 'content-encoding': encoding }, '{}')
    expectProblem(await answerOf(await alice(LIST)), 502, 'upstream_invalid_response')
    expect(JSON.stringify(at.lines)).toContain('is compressed')
  },
)

test('an answer that is no JSON is 502, and the log names its type', async () => {
  const { alice, raw, scene: at } = await startRaw()
  raw({ 'content-type': 'text/html' }, '<h1>hi</h1>')
  expectProblem(await answerOf(await alice(LIST)), 502, 'upstream_invalid_response')
  expect(JSON.stringify(at.lines)).toContain('text/html')
})

test('items that name no thread are those of the thread that was asked for', async () => {
  const { alice, raw, chatkit } = await startRaw()
  const task = { id: 'i1', created_at: 1, type: 'task', task: {} }
  for (const item of [task, { ...task, thread_id: '' }, { ...task, thread_id: null }]) {
    const body = JSON.stringify({ data: [item], has_more: false })
    raw(JSON_TYPE, body)
    const answer = await alice(['items.list', { thread_id: 'thr_1' }])
    expect([answer.status, await answer.text()]).toEqual([200, body])
    expect(await chatkit.listThreadItems('thr_1', {})).toMatchObject({
      data: [{ id: 'i1', thread_id: 'thr_1' }],
    })
  }
})

test('when a server answers a JSON request with a stream, or the other way round, the client gets 502', async () => {
  const { url } = await startScripted()
  const { alice } = await start({ server: url })
  expect((await alice(['threads.list', {}])).status).toBe(502)
  const { scene: other, alice: asked } = await start()
  other.sample.server.setFaults({ status: 200, body: { id: 'thr_1' } })
  expect((await asked(['threads.create', { input: input('hi') }])).status).toBe(502)
})
