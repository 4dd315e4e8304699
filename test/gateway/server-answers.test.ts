import { beforeEach, expect, test } from 'vitest'
import { input } from '../support/chatkit/server-client.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { forAllTests } from '../support/started.ts'
import { asAt, createThread, startScene } from './scene.ts'
import { start, startScripted } from './scripted-server.ts'

const MEBIBYTE = 1024 * 1024
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
  ['has nothing of the kind', 404, 'not_found', { status: 404 }],
  ['redirects', 502, 'upstream_invalid_response', { status: 302 }],
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

test('when a server answers a JSON request with a stream, or the other way round, the client gets 502', async () => {
  const { url } = await startScripted()
  const { alice } = await start({ server: url })
  expect((await alice(['threads.list', {}])).status).toBe(502)
  const { scene: other, alice: asked } = await start()
  other.sample.server.setFaults({ status: 200, body: { id: 'thr_1' } })
  expect((await asked(['threads.create', { input: input('hi') }])).status).toBe(502)
})
