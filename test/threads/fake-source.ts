import type { CallOptions, ChatKit } from '../../src/chatkit/port.ts'
import type { Thread } from '../../src/chatkit/wire/thread.ts'
import type { ListQuery, ThreadListQuery } from '../../src/chatkit/wire/wire.ts'
import { paginate } from '../../src/embedded/kit/page.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import type { ThreadSource } from '../../src/threads/sources.ts'
import { workflowName } from '../support/ids.ts'

/** `id user created_at`, oldest first. */
export type Row = readonly [id: string, user: string, at: number]

/** A source over rows in memory, with the paging of the embedded API. */
export interface FakeSource extends ThreadSource {
  onForeign: ThreadSource['onForeign']
  rows: Row[]
  /** Shows everyone's threads whatever is asked. */
  careless: boolean
  /** Error that each call throws. */
  failure: Error | undefined
  /** Awaited before each answer. */
  gate: Promise<void>
  /** Operations, in order. */
  readonly calls: string[]
  readonly asUsers: (string | undefined)[]
}

function threadOf([id, user, created_at]: Row): Thread {
  const status = { type: 'active' as const }
  return { id, object: 'chatkit.thread', created_at, status, title: null, user }
}

/** @param name - of the source and its workflow */
export function fakeSource(name: string, rows: readonly Row[] = [], selfHosted = false) {
  const of = (id: string) => {
    const row = source.rows.find(([one]) => one === id)
    if (row === undefined) throw new ServiceError('not_found', { reason: 'no row' })
    return row
  }
  const begin = async (operation: string, call: CallOptions | undefined) => {
    source.calls.push(operation)
    source.asUsers.push(call?.asUser)
    await source.gate
    if (source.failure) throw source.failure
  }
  const chatkit: Pick<
    ChatKit,
    'listThreads' | 'retrieveThread' | 'deleteThread' | 'listThreadItems'
  > = {
    async listThreads({ user, ...query }: ThreadListQuery, call) {
      await begin('list', call)
      const shown = source.rows.filter(
        ([, owner]) => source.careless || user === undefined || owner === user,
      )
      return pageOf(shown.map(threadOf), query)
    },
    async retrieveThread(id, call) {
      await begin('retrieve', call)
      return threadOf(of(id))
    },
    async deleteThread(id, call) {
      await begin('delete', call)
      source.rows = source.rows.filter((row) => row !== of(id))
      return { id, object: 'chatkit.thread.deleted', deleted: true }
    },
    async listThreadItems(id, query, call) {
      await begin('items', call)
      const [thread_id] = of(id)
      const item = { object: 'chatkit.thread_item', created_at: 1, thread_id, type: 'x.new' }
      return pageOf([{ ...item, id: `${id}_item` }], query)
    },
  }
  const source: FakeSource = {
    name: workflowName(name),
    workflows: [workflowName(name)],
    chatkit: chatkit as ChatKit,
    threadsAt: selfHosted ? name : undefined,
    onForeign() {},
    rows: [...rows],
    careless: false,
    failure: undefined,
    gate: Promise.resolve(),
    calls: [],
    asUsers: [],
  }
  return source
}

function pageOf<T extends { readonly id: string }>(rows: readonly T[], query: ListQuery) {
  try {
    const page = paginate(rows, query)
    return { ...page, data: [...page.data] }
  } catch (cause) {
    throw new ServiceError('invalid_request', { reason: 'the cursor', cause })
  }
}
