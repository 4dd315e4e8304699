// Threads of the embedded ChatKit API, in memory.

import { type KnownThreadItem, knownThreadItem } from '../../chatkit/wire/item.ts'
import {
  type Thread,
  type ThreadDeleted,
  type ThreadPage,
  thread,
} from '../../chatkit/wire/thread.ts'
import type { ListQuery, ThreadListQuery } from '../../chatkit/wire/wire.ts'
import { ApiError } from '../../http/backend/api-error.ts'
import { parseOrRefuse } from '../../http/backend/parameters.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { paginate } from '../kit/page.ts'
import { type FilledItemSeed, threadSeed } from './seed.ts'

interface Entry {
  readonly thread: Thread
  /** Oldest first. */
  readonly items: readonly KnownThreadItem[]
}

export type ThreadMemory = ReturnType<typeof createThreads>

/** Every caller sees all threads, as with the real API. */
export function createThreads(now: Clock) {
  const entries = new Map<string, Entry>()
  const ordered: Thread[] = []

  const find = (id: string): Entry => {
    const entry = entries.get(id)
    if (entry === undefined) throw new ApiError(404, `No thread found with id '${id}'.`)
    return entry
  }

  return {
    /** @throws `ApiError` 400 when the seed is malformed or repeats an id */
    seed(seed: unknown): Thread {
      const entry = grow(seed, now)
      const { id } = entry.thread
      if (entries.has(id)) throw new ApiError(400, `There is a thread '${id}'.`, { param: 'id' })
      entries.set(id, entry)
      insertByTime(ordered, entry.thread)
      return entry.thread
    },
    /** @throws `ApiError` 400 on an unknown cursor */
    list({ user, ...query }: ThreadListQuery): ThreadPage {
      const rows = user === undefined ? ordered : ordered.filter((row) => row.user === user)
      return paginate(rows, query)
    },
    /** @throws `ApiError` 404 */
    retrieve: (id: string): Thread => find(id).thread,
    /** @throws `ApiError` 404 */
    remove(id: string): ThreadDeleted {
      ordered.splice(ordered.indexOf(find(id).thread), 1)
      entries.delete(id)
      return { id, object: 'chatkit.thread.deleted', deleted: true }
    },
    /** @throws `ApiError` 404; 400 on an unknown cursor */
    listItems: (id: string, query: ListQuery) => paginate(find(id).items, query),
  }
}

/** Threads of one second keep the order of creation, so the search starts at the end. */
function insertByTime<T extends { readonly created_at: number }>(rows: T[], row: T): void {
  rows.splice(rows.findLastIndex((other) => other.created_at <= row.created_at) + 1, 0, row)
}

function grow(seed: unknown, now: Clock): Entry {
  const { items: itemSeeds, ...rest } = parseOrRefuse(threadSeed, seed)
  const id = rest.id ?? newId('cthr_')
  const createdAt = rest.created_at ?? unixSeconds(now)
  const grown = thread.parse({ ...rest, id, object: 'chatkit.thread', created_at: createdAt })
  const items: KnownThreadItem[] = []
  for (const itemSeed of itemSeeds) {
    insertByTime(items, growItem(itemSeed, grown))
  }
  if (new Set(items.map((item) => item.id)).size < items.length) {
    throw new ApiError(400, 'Two items have the same id.', { param: 'items' })
  }
  return { thread: grown, items }
}

function growItem(seed: FilledItemSeed, parent: Thread): KnownThreadItem {
  const whole = seed.type === 'chatkit.client_tool_call' ? growToolCall(seed) : seed
  return knownThreadItem.parse({
    ...whole,
    id: seed.id ?? newId('cthi_'),
    object: 'chatkit.thread_item',
    created_at: seed.created_at ?? parent.created_at,
    thread_id: parent.id,
  })
}

/** A tool call with an output is completed, unless the seed says otherwise. */
function growToolCall(seed: Extract<FilledItemSeed, { type: 'chatkit.client_tool_call' }>) {
  const status = seed.status ?? (seed.output === null ? 'in_progress' : 'completed')
  return { ...seed, status, call_id: seed.call_id ?? newId('call_') }
}
