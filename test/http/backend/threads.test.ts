import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import { LANE_SLOTS } from '../../../src/chatkit/port.ts'
import type { ApiKeySettings } from '../../../src/config/settings.ts'
import { createThreadCalls } from '../../../src/http/backend/thread-calls.ts'
import type { AppContext } from '../../../src/http/context.ts'
import { createMemoryBudget } from '../../../src/lib/shares/memory-budget.ts'
import type { Audit } from '../../../src/registry/audit.ts'
import type { Threads } from '../../../src/threads/threads.ts'
import { asAt, createThread } from '../../gateway/scene.ts'
import { auditOf } from '../../support/admin-calls.ts'
import { forAllTests } from '../../support/started.ts'
import { DESK, errorOf, HOSTED, startBackend } from './scene.ts'

const scene = forAllTests(async () => {
  const started = await startBackend()
  for (let at = 1; at <= 5; at++) {
    const user = at % 2 === 0 ? 'bob' : 'alice'
    started.running.upstream.seedThread({
      id: `cthr_${at}`,
      user,
      created_at: at,
      title: `thread ${at}`,
      items: [{ type: 'chatkit.user_message', content: [{ type: 'input_text', text: 'hi' }] }],
    })
  }
  return started
})
const threads = (key?: string) => scene.client(key).beta.chatkit.threads

async function deskThread(user: string): Promise<string> {
  const workflow = { id: 'helpdesk' }
  const made = await scene.client().beta.chatkit.sessions.create({ user, workflow })
  const asker = asAt(`${scene.running.url}/chatkit/helpdesk`, { secret: made.client_secret })
  return (await createThread(asker)).id
}

async function idsOf(pages: AsyncIterable<{ readonly id: string }>): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of pages) ids.push(id)
  return ids
}

describe('threads by the official client', () => {
  test('page by themselves to the end, in both orders, over all workflows of the key', async () => {
    const desk = await deskThread('alice')
    const hosted = ['cthr_1', 'cthr_2', 'cthr_3', 'cthr_4', 'cthr_5']
    const newest = await idsOf(await threads().list({ limit: 2 }))
    expect(newest).toEqual([desk, ...hosted.toReversed()])
    expect(await idsOf(await threads().list({ limit: 2, order: 'asc' }))).toEqual(
      newest.toReversed(),
    )
    expect(await idsOf(await threads().list({ user: 'bob', limit: 1 }))).toEqual([
      'cthr_4',
      'cthr_2',
    ])
    expect(await idsOf(await threads(HOSTED).list({ limit: 2 }))).toEqual(hosted.toReversed())
    expect(await idsOf(await threads(DESK).list({ user: 'alice' }))).toEqual([desk])
    const before = await threads(HOSTED).list({ before: 'cthr_2', limit: 2 })
    expect(before.data.map(({ id }) => id)).toEqual(['cthr_4', 'cthr_3'])
  })

  test('are read with their items, whoever owns them', async () => {
    expect(await threads().retrieve('cthr_2')).toEqual({
      id: 'cthr_2',
      object: 'chatkit.thread',
      created_at: 2,
      status: { type: 'active' },
      title: 'thread 2',
      user: 'bob',
    })
    const items = await threads().listItems('cthr_2', { order: 'asc' })
    expect(items.data).toMatchObject([{ type: 'chatkit.user_message', thread_id: 'cthr_2' }])
    const desk = await deskThread('bob')
    expect(await threads(DESK).retrieve(desk)).toMatchObject({ id: desk, user: 'bob' })
    expect((await threads(DESK).listItems(desk, {})).data.length).toBeGreaterThan(0)
  })

  test('are deleted, which the audit shows with the key', async () => {
    const desk = await deskThread('grace')
    const gone = { id: desk, object: 'chatkit.thread.deleted', deleted: true }
    expect(await threads(DESK).delete(desk)).toEqual(gone)
    const [entry] = await auditOf(scene.running, '&action=delete_thread')
    const of = { actor: 'key:desk', user: 'grace', by_user: false }
    expect(entry).toMatchObject({ ...of, reason: desk, outcome: 'ok' })
    expect((await errorOf(threads(DESK).retrieve(desk))).status).toBe(404)
  })

  test('of a workflow that the key may not use are 404 like unknown ones, and nothing is deleted', async () => {
    const desk = await deskThread('alice')
    for (const [key, id] of [
      [HOSTED, desk],
      [DESK, 'cthr_1'],
      [HOSTED, 'cthr_none'],
    ] as const) {
      for (const call of [
        () => threads(key).retrieve(id),
        () => threads(key).delete(id),
        () => threads(key).listItems(id, {}),
      ]) {
        const error = await errorOf(call())
        expect([error.status, error.message, error.code]).toEqual([
          404,
          `404 No thread found with id '${id}'.`,
          null,
        ])
      }
    }
    expect(await threads().retrieve(desk)).toMatchObject({ id: desk })
    expect(await threads().retrieve('cthr_1')).toMatchObject({ id: 'cthr_1' })
  })

  test('refuse the cursor of another key’s list, or of nothing', async () => {
    await deskThread('alice')
    const { last_id: merged } = await threads().list({ limit: 1 })
    for (const [key, after] of [
      [HOSTED, merged ?? ''],
      [DESK, 'cthr_1'],
      [undefined, 'cthr_1'],
    ] as const) {
      const error = await errorOf(threads(key).list({ after }))
      expect([error.status, error.param, error.code]).toEqual([400, 'after', 'invalid_value'])
    }
  })

  test('page forward only over several workflows, and say so', async () => {
    const error = await errorOf(threads().list({ before: 'cthr_2' }))
    expect([error.status, error.param, error.code]).toEqual([400, 'before', 'invalid_value'])
    expect(error.message).toContain("by 'after'")
  })
})

test('thread calls of one key take at most half the lane: one more is 429, and others’ go on', async () => {
  const page = { object: 'list', data: [], first_id: null, last_id: null, has_more: false } as const
  const held = Promise.withResolvers<typeof page>()
  const threadsFor = ({ id }: { readonly id: string }) =>
    ({ list: async () => (id === 'slow' ? held.promise : page) }) as unknown as Threads
  const [slow, other] = ['slow', 'other'].map((id) => ({ id, sha256: [], workflows: undefined }))
  if (slow === undefined || other === undefined) throw new Error('two keys')
  const audit = {} as Audit
  const { listThreads } = createThreadCalls({ apiKeys: [slow, other], threadsFor, audit })
  const memory = createMemoryBudget({ memoryBytes: 0, userMemoryBytes: 0 })
  const list = async (apiKey: ApiKeySettings) => {
    const context = { var: { apiKey, memory }, env: { outgoing: new EventEmitter() } }
    return listThreads(context as unknown as AppContext, {})
  }
  const calls = Array.from({ length: LANE_SLOTS / 2 }, () => list(slow))
  await expect(list(slow)).rejects.toMatchObject({ code: 'rate_limited' })
  expect(await list(other)).toEqual(page)
  held.resolve(page)
  await Promise.all(calls)
  expect(await list(slow)).toEqual(page)
})
