import { beforeEach, expect, test } from 'vitest'
import { ask, eventsOf, input } from '../support/chatkit/server-client.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { forEachTest } from '../support/started.ts'
import { asAt, createThread, startScene, WORKFLOW } from './scene.ts'

// Threads from before the gateway, on a server that does not know about users.

let alice: ReturnType<typeof asAt>
let bob: ReturnType<typeof asAt>
const scene = forEachTest(() => startScene({ workflow: { adoptThreads: true } }))
beforeEach(async () => {
  alice = asAt(scene.url, await scene.session('alice'))
  bob = asAt(scene.url, await scene.session('bob'))
})

/** A thread that the server has and the gateway has no record of. */
async function oldThread(): Promise<string> {
  const made = await ask(scene.sample.url, ['threads.create', { input: input('old') }])
  const [created = {}] = await eventsOf(made)
  scene.sample.server.clearRequests()
  return (created['thread'] as { id: string }).id
}

const show = async (asker: typeof alice, thread_id: string) =>
  answerOf(await asker(['threads.get_by_id', { thread_id }]))

const ownerOf = async (id: string) => {
  const [owner] = await scene.registry.ownersOf([{ source: WORKFLOW, kind: 'thread', id }])
  return owner
}

test('a thread that nobody owns belongs to the first user who asks, once the server has shown it', async () => {
  const id = await oldThread()
  expect((await show(alice, id)).status).toBe(200)
  expect(await ownerOf(id)).toBe('alice')
  scene.sample.server.clearRequests()
  expectProblem(await show(bob, id), 404, 'not_found')
  expect(scene.sample.server.requests()).toEqual([])
  expect((await alice(['items.list', { thread_id: id }])).status).toBe(200)
})

test('every other request on a thread that nobody owns is 404, and the server does not see it', async () => {
  const thread_id = await oldThread()
  const requests = [
    ['items.list', { thread_id }],
    ['threads.update', { thread_id, title: 'mine' }],
    ['threads.delete', { thread_id }],
    ['threads.add_user_message', { thread_id, input: input('hi') }],
    ['threads.retry_after_item', { thread_id, item_id: 'itm_1' }],
    ['threads.custom_action', { thread_id, action: { type: 'x' } }],
    ['items.feedback', { thread_id, item_ids: ['itm_1'], kind: 'positive' }],
    ['threads.create', { thread_id, input: input('hi') }],
    ['threads.get_by_id', { thread_id, nested: { thread_id: 'thr_other' } }],
  ] as const
  for (const request of requests)
    expectProblem(await answerOf(await alice(request)), 404, 'not_found')
  expect(scene.sample.server.requests()).toEqual([])
  expect(await ownerOf(thread_id)).toBeUndefined()
})

test('asking for a thread before it exists does not claim its id, and its creator gets it', async () => {
  const { id: last } = await createThread(alice)
  const guessed = ['thr_00000000', last.replace(/.$/, 'x'), `${last}0`]
  for (const id of guessed) {
    expectProblem(await show(bob, id), 404, 'not_found')
    expect(await ownerOf(id)).toBeUndefined()
  }
  const { id } = await createThread(alice)
  expect(await ownerOf(id)).toBe('alice')
})

test.each<readonly [string, { id?: string; created_at?: number; error?: string }]>([
  ['another thread', { id: 'thr_other', created_at: 1 }],
  ['no thread', {}],
  ['an error in JSON', { error: 'no such thread' }],
])('a server that shows %s proves nothing', async (_, body) => {
  const id = await oldThread()
  scene.sample.server.setFaults({ status: 200, body })
  expectProblem(await show(alice, id), 502, 'upstream_invalid_response')
  scene.sample.server.setFaults({ status: 500 })
  expectProblem(await show(alice, id), 503, 'upstream_unavailable')
  scene.sample.server.setFaults({})
  expect(await ownerOf(id)).toBeUndefined()
})

test.each([400, 401, 403, 404, 409, 410, 422])(
  'a server that refuses to show a thread with %i proves nothing, and the answer is that of an unknown thread',
  async (status) => {
    const id = await oldThread()
    const unknown = await show(alice, 'thr_unknown')
    scene.sample.server.setFaults({ status, body: { detail: 'It belongs to bob.' } })
    const refused = await show(alice, id)
    expectProblem(refused, 404, 'not_found')
    expect(Object.keys(refused.headers)).toEqual(Object.keys(unknown.headers))
    expect(JSON.stringify(refused)).not.toContain('bob')
    scene.sample.server.setFaults({})
    expect(await ownerOf(id)).toBeUndefined()
  },
)

test('a server that has too much to do proves nothing either, and the client may ask again', async () => {
  const id = await oldThread()
  scene.sample.server.setFaults({ status: 429 })
  const refused = await show(alice, id)
  expectProblem(refused, 429, 'server_refused')
  expect(refused.headers['retry-after']).toBeDefined()
  scene.sample.server.setFaults({})
  expect(await ownerOf(id)).toBeUndefined()
})

test('when two users ask at the same time for a thread that nobody owns, one gets it', async () => {
  const id = await oldThread()
  const answers = await Promise.all([show(alice, id), show(bob, id)])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 404])
  const user = answers[0]?.status === 200 ? 'alice' : 'bob'
  expect(await ownerOf(id)).toBe(user)
})
