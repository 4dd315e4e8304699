// Lists the threads that users own at a self-hosted server. The ownership records say which they are; the
// server's own list shows most of them, and the others are read one by one.

import { eachBounded } from '../../lib/concurrency.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { CallOptions } from '../port.ts'
import { serverFault } from '../protocol/server-fault.ts'
import { anyThreadPage, serverThread } from '../protocol/thread.ts'
import { toWireThread } from '../protocol/to-wire.ts'
import { collect, type Fetched, listOf } from '../wire/pages.ts'
import type { Thread, ThreadPage } from '../wire/thread.ts'
import { DEFAULT_LIMIT, type ThreadListQuery } from '../wire/wire.ts'
import type { Ask } from './ask.ts'
import type { OwnedServer } from './owned-server.ts'

const LOCAL_FAILURES: ReadonlySet<string> = new Set([
  'not_found',
  'upstream_unavailable',
  'upstream_rejected',
  'upstream_invalid_response',
])

interface Owned {
  readonly id: string
  readonly user: string
}

/** Threads of a list that are read at the same time. */
const PARALLEL = 8
/** Threads in a page of the server's list. */
const PAGE = 100

/**
 * A thread that the server cannot show is left out and reported to `call.onMissing`, as long as the server's
 * own list answers. Its ownership record stays: a server that lost its data must not cost anyone their threads.
 * A list of one user's threads costs the server at most `limit` + 2 requests. A list of everyone's has an empty
 * page with `has_more` and a `last_id` where many threads in a row are lost.
 *
 * @throws `upstream_unavailable` when neither the thread nor the list can be shown
 */
export function listThreads(
  { source, registry, askServer }: OwnedServer,
  query: ThreadListQuery,
  call: CallOptions | undefined,
): Promise<ThreadPage> {
  const { user, ...page } = query
  return askServer('list_threads', call, async (ask) => {
    const readThreads = createReadThreads(ask, query, call?.onMissing)
    let stopped = false
    const { values, hasMore, next } = await collect(
      page,
      async (part): Promise<Fetched<Thread>> => {
        const order = part.order ?? 'desc'
        const owned = await registry.listOwned({ ...part, order, user, source, kind: 'thread' })
        if (owned === undefined) {
          const reason = 'the cursor names no thread of this list'
          throw new ServiceError('invalid_request', { reason })
        }
        const { shown, unasked } = await readThreads(owned.data)
        const end = owned.data.findIndex(({ id }) => unasked.has(id))
        stopped = end !== -1
        const data = stopped ? owned.data.slice(0, end) : owned.data
        const entries = data.map(({ id }) => ({ id, value: shown.get(id) }))
        return { entries, hasMore: owned.hasMore && !stopped }
      },
    )
    return listOf({ values, hasMore: hasMore || stopped, next })
  })
}

/** Reads threads for one answer. Those in the server's own list are not read one by one. */
function createReadThreads(ask: Ask, query: ThreadListQuery, onMissing: CallOptions['onMissing']) {
  const { user, limit = DEFAULT_LIMIT } = query
  const shown = new Map<string, Thread>()
  let list: Awaited<ReturnType<typeof firstList>> | undefined
  /** Threads that were read one by one, and those that the server showed then. */
  let asked = 0
  let found = 0

  async function readOne({ id, user: owner }: Owned): Promise<void> {
    asked += 1
    const thread = await readThread(ask, id, owner).catch(localFailure)
    if (thread instanceof ServiceError) return
    shown.set(id, thread)
    found += 1
  }
  /** The threads that may still be read one by one: at most `limit` in all, but any number until one is found. */
  function affordable(unknown: readonly Owned[]): readonly Owned[] {
    if (user === undefined || (shown.size === 0 && list?.isWhole !== true)) return unknown
    return unknown.slice(0, Math.max(0, Math.max(1, limit) - asked))
  }

  return async function readThreads(owned: readonly Owned[]) {
    if (owned.length === 0) return { shown, unasked: new Set<string>() }
    const isUnknown = ({ id }: Owned) => !shown.has(id)
    if (user !== undefined) {
      list ??= await firstList(ask, user, query)
      for (const thread of list.threads) shown.set(thread.id, thread)
    }
    const unknown = owned.filter(isUnknown)
    const now = affordable(unknown)
    await eachBounded(now, PARALLEL, readOne)
    // Threads that are not in a complete list do not exist, unless one of them could be read nevertheless.
    const isWhole = list?.isWhole === true && found === 0
    const unasked = new Set(isWhole ? [] : unknown.slice(now.length).map(({ id }) => id))
    const missing = unknown.filter((one) => isUnknown(one) && !unasked.has(one.id))
    const [lost] = missing
    if (lost !== undefined) {
      list ??= await firstList(ask, lost.user, {})
      if (list.failure !== undefined) {
        const reason = 'the server shows neither a thread nor its list'
        throw serverFault('upstream_unavailable', reason, list.failure)
      }
    }
    for (const { id } of missing) onMissing?.(id)
    return { shown, unasked }
  }
}

/** The server's own list: after the cursor if the server accepts it, else from the start; or why there is none. */
async function firstList(ask: Ask, user: string, { order = 'desc', after }: ThreadListQuery) {
  const page = async (cursor: object) => {
    const params = { limit: PAGE, order, ...cursor }
    const answer = await ask(user, { type: 'threads.list', params }, anyThreadPage)
    const readable = answer.data.flatMap((thread) => serverThread.safeParse(thread).data ?? [])
    if (readable.length === 0 && answer.data.length > 0) {
      const reason = 'no thread of the list fits the ChatKit protocol'
      throw serverFault('upstream_invalid_response', reason)
    }
    const threads = readable.map((thread) => toWireThread(thread, user))
    return { threads, isWhole: !answer.has_more, failure: undefined }
  }
  const from = after === undefined ? undefined : await page({ after }).catch(localFailure)
  if (from !== undefined && !(from instanceof ServiceError)) return from
  const first = await page({}).catch(localFailure)
  if (!(first instanceof ServiceError)) return first
  return { threads: [], isWhole: false, failure: first }
}

/** Returns a failure that may concern only this thread or list; throws one of the whole server or the caller. */
function localFailure(error: unknown): ServiceError {
  if (error instanceof ServiceError && LOCAL_FAILURES.has(error.code)) return error
  throw error
}

/**
 * @throws `not_found` when the server does not have it; `upstream_invalid_response` when it shows another
 * thread
 */
export async function readThread(ask: Ask, id: string, user: string): Promise<Thread> {
  const params = { thread_id: id }
  const thread = await ask(user, { type: 'threads.get_by_id', params }, serverThread)
  if (thread.id === id) return toWireThread(thread, user)
  throw serverFault('upstream_invalid_response', 'another thread than was asked for')
}
