import type { EraseLine } from '../../src/administer/erase.ts'
import type { UserData } from '../../src/administer/user-data.ts'
import type { ThreadItem } from '../../src/chatkit/wire/item.ts'
import type { Thread } from '../../src/chatkit/wire/thread.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import type { ThreadSource } from '../../src/threads/sources.ts'
import type { Threads } from '../../src/threads/threads.ts'

const NOTHING = { sessions: 0, threads: 0, items: 0, audit: 0 }

/** A user's data in memory, with the failures that the test sets. */
export interface FakeUserData extends UserData {
  readonly threads: Pick<Threads, 'list' | 'find' | 'listItems' | 'locate' | 'delete'>
  readonly threadsOf: Map<string, { thread: Thread; items: ThreadItem[] }>
  readonly erased: string[]
  /** Lines of each erase; a text is an error to throw in its place. */
  lines: (EraseLine | ServiceError | Promise<void>)[]
  /** Thrown by exports and by every call for threads. */
  failure: ServiceError | undefined
}

export function createFakeUserData(): FakeUserData {
  const threadsOf: FakeUserData['threadsOf'] = new Map()
  const fake: FakeUserData = {
    threadsOf,
    erased: [],
    lines: [],
    failure: undefined,
    threads: {
      async list({ user, limit, after }) {
        if (fake.failure !== undefined) throw fake.failure
        const all = [...threadsOf.values()].map(({ thread }) => thread)
        const own = all.filter((one) => user === undefined || one.user === user)
        const from = after === undefined ? 0 : own.findIndex(({ id }) => id === after) + 1
        return pageOf(own.slice(from), limit)
      },
      async find(id) {
        if (fake.failure !== undefined) throw fake.failure
        const found = threadsOf.get(id)
        if (found === undefined) throw new ServiceError('not_found', { reason: 'no thread' })
        return { id, thread: found.thread, source: {} as ThreadSource }
      },
      async listItems({ thread }, { limit = 20, after }) {
        const items = threadsOf.get(thread.id)?.items ?? []
        const from = after === undefined ? 0 : items.findIndex(({ id }) => id === after) + 1
        return pageOf(items.slice(from), limit)
      },
      locate: () => Promise.reject(new Error('the console deletes no thread')),
      delete: () => Promise.reject(new Error('the console deletes no thread')),
    },
    async exportUser() {
      if (fake.failure !== undefined) throw fake.failure
      return (async function* () {
        yield [{ type: 'summary', ...{ complete: true, failed: 0, failures: [] }, ...NOTHING }]
      })()
    },
    async eraseUser(_request, user) {
      fake.erased.push(user)
      const { lines } = fake
      return (async function* () {
        for (const line of lines) {
          if (line instanceof Promise) await line
          else if (line instanceof ServiceError) throw line
          else yield line
        }
      })()
    },
  }
  return fake
}

function pageOf<T extends { id: string }>(all: readonly T[], limit: number) {
  const data = all.slice(0, limit)
  return {
    object: 'list' as const,
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: all.length > limit,
  }
}
