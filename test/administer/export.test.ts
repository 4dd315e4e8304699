import { expect, test } from 'vitest'
import { type ExportParts, exportUser } from '../../src/administer/export.ts'
import { registryPages } from '../../src/administer/registry-pages.ts'
import type { CallOptions, ChatKit } from '../../src/chatkit/port.ts'
import type { Thread } from '../../src/chatkit/wire/thread.ts'
import type { ListQuery } from '../../src/chatkit/wire/wire.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import { parseWorkflowName } from '../../src/lib/ids.ts'
import type { Page } from '../../src/registry/records.ts'
import { NOW, ownership } from '../contracts/registry-fixtures.ts'

const thread = (id: string): Thread => ({
  ...{ id, object: 'chatkit.thread', created_at: NOW, title: null, user: 'alice' },
  status: { type: 'active' },
})

/** The number of the entry after the query's cursor. */
const after = (query: ListQuery) => Number(query.after?.split('_')[1] ?? 0) + 1

const pageOf = <T extends { readonly id: string }>(data: readonly T[], hasMore: boolean) => ({
  ...{ object: 'list' as const, data: [...data], has_more: hasMore },
  ...{ first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null },
})

type Upstream = Pick<ChatKit, 'listThreads' | 'listThreadItems'>

/** Invents one more entry at each request in the list that `endless` names; other lists have one entry. */
function inventing(endless: 'threads' | 'items'): Upstream {
  return {
    async listThreads(query) {
      return pageOf([thread(`thr_${after(query)}`)], endless === 'threads')
    },
    async listThreadItems(id, query) {
      const item = { id: `msg_${after(query)}`, object: 'chatkit.thread_item', created_at: NOW }
      return pageOf([{ ...item, thread_id: id, type: 'new' }], endless === 'items')
    },
  } as Upstream
}

/** @param owned - ids of threads in the ownership records of the source; or the error of a store that is down */
async function exportFrom(
  chatkit: Upstream | readonly Upstream[],
  owned: readonly string[] | Error = [],
  call?: CallOptions,
) {
  const name = parseWorkflowName('support')
  if (name === undefined) throw new Error('no name')
  const ids = owned instanceof Error ? [] : owned
  const pageOrDown = async <T>(data: readonly T[]) => {
    if (owned instanceof Error) throw owned
    return { data, hasMore: false }
  }
  const isOwned = owned instanceof Error || owned.length > 0
  const parts: ExportParts = {
    registry: {
      listSessions: () => pageOrDown([]),
      listAudit: () => pageOrDown([]),
      listOwned: () => pageOrDown(ids.map((id) => ownership({ id, source: 'support' }))),
    },
    sources: [chatkit]
      .flat()
      .map((one) => ({
        name,
        workflows: [name],
        chatkit: one as ChatKit,
        threadsAt: isOwned ? 'support' : undefined,
        onForeign() {},
      })),
    now: () => NOW * 1000,
  }
  return (await Array.fromAsync(exportUser(parts, 'alice', call))).flat()
}

test.each(['threads', 'items'] as const)(
  'an export from an upstream that invents %s without end comes to its summary, which is not complete',
  async (endless) => {
    expect((await exportFrom(inventing(endless))).at(-1)).toMatchObject({
      type: 'summary',
      complete: false,
      failed: 1,
      failures: [{ what: endless, workflow: 'support', code: 'upstream_invalid_response' }],
    })
  },
  120_000,
)

test('an export whose list fails after its first page names the threads that it has not shown', async () => {
  const ids = Array.from({ length: 102 }, (_, index) => `thr_${index}`)
  const { listThreadItems } = inventing('threads')
  const lines = await exportFrom(
    {
      listThreadItems,
      async listThreads({ after }, call) {
        if (after === undefined) {
          call?.onMissing?.('thr_0')
          return pageOf(ids.slice(1, 101).map(thread), true)
        }
        throw new ServiceError('upstream_timeout', { reason: 'no answer' })
      },
    },
    ids,
  )
  expect(lines.filter(({ type }) => type === 'thread')).toHaveLength(100)
  expect(lines.filter(({ type }) => type === 'failure')).toEqual([
    { type: 'failure', thread_id: 'thr_0' },
    { type: 'failure', thread_id: 'thr_101' },
  ])
  expect(lines.at(-1)).toMatchObject({ threads: 100, failed: 3, complete: false })
})

test('a thread that two API keys of one project see is in an export once, with its items', async () => {
  const { listThreadItems } = inventing('threads')
  const holding = (...ids: readonly string[]) => ({
    listThreadItems,
    listThreads: async () => pageOf(ids.map(thread), false),
  })
  const lines = await exportFrom([holding('thr_1', 'thr_2'), holding('thr_2', 'thr_3')])
  const ids = lines.flatMap((line) => (line.type === 'thread' ? [line.thread.id] : []))
  expect(ids).toEqual(['thr_1', 'thr_2', 'thr_3'])
  expect(lines.at(-1)).toMatchObject({ complete: true, threads: 3, items: 3 })
})

test('an export whose reader leaves ends with the reason, and asks for nothing more', async () => {
  const leave = new AbortController()
  const gone = new Error('the client has left')
  let asked = 0
  const listThreads: ChatKit['listThreads'] = async () => {
    asked++
    leave.abort(gone)
    throw gone
  }
  const { listThreadItems } = inventing('threads')
  const owned = ['thr_1']
  const lines = exportFrom({ listThreads, listThreadItems }, owned, { signal: leave.signal })
  await expect(lines).rejects.toBe(gone)
  expect(asked).toBe(1)
})

test('an export asks no further where the upstream gives the same page again, with a thread of another user last', async () => {
  const own = Array.from({ length: 99 }, (_, index) => thread(`thr_${index}`))
  const page = [...own, { ...thread('thr_99'), user: 'bob' }]
  const { listThreadItems } = inventing('threads')
  let asked = 0
  async function listThreads() {
    asked++
    return pageOf(page, true)
  }
  const summary = (await exportFrom({ listThreads, listThreadItems })).at(-1)
  expect(summary).toMatchObject({ failures: [{ code: 'upstream_invalid_response' }] })
  expect(asked).toBe(4)
})

test('an export has a line for a thread whose items cannot be read', async () => {
  const listThreads = async () => pageOf([thread('thr_1')], false)
  const listThreadItems = () =>
    Promise.reject(new ServiceError('upstream_timeout', { reason: 'no answer' }))
  expect((await exportFrom({ listThreads, listThreadItems })).slice(0, -1)).toEqual([
    { type: 'thread', thread: thread('thr_1') },
    { type: 'failure', thread_id: 'thr_1' },
  ])
})

test('an export comes to its summary when neither the store nor the upstream answers', async () => {
  const listThreads = () =>
    Promise.reject(new ServiceError('upstream_timeout', { reason: 'no answer' }))
  const { listThreadItems } = inventing('threads')
  const down = new ServiceError('store_unavailable', { reason: 'planted' })
  const lines = await exportFrom({ listThreads, listThreadItems }, down)
  expect(lines).toMatchObject([
    {
      ...{ type: 'summary', complete: false },
      failures: [
        { what: 'sessions', code: 'store_unavailable' },
        { what: 'threads', workflow: 'support', code: 'upstream_timeout' },
        { what: 'threads', workflow: 'support', code: 'store_unavailable' },
        { what: 'threads', code: 'store_unavailable' },
        { what: 'audit', code: 'store_unavailable' },
      ],
    },
  ])
})

test('a page of the registry that ends early, even an empty one, does not end an export’s list', async () => {
  const pages: Readonly<Record<string, Page<{ readonly id: string }>>> = {
    first: { data: [], hasMore: true, next: 'aud_9' },
    aud_9: { data: [{ id: 'aud_8' }], hasMore: true, next: 'aud_5' },
    aud_5: { data: [{ id: 'aud_4' }, { id: 'aud_3' }], hasMore: true },
    aud_3: { data: [{ id: 'aud_2' }], hasMore: false },
  }
  const read = async (after = 'first') => pages[after]
  const found = (await Array.fromAsync(registryPages(read))).flat()
  expect(found.map(({ id }) => id)).toEqual(['aud_8', 'aud_4', 'aud_3', 'aud_2'])
})
