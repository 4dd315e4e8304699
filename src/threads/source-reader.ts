// Reads the threads of one source: a page, or in advance for a merged list that takes them one by one.
// Threads of another user than asked for are dropped and reported here.

import type { CallOptions } from '../chatkit/port.ts'
import { type Collected, collect, type Fetched, MAX_LIMIT } from '../chatkit/wire/pages.ts'
import type { Thread } from '../chatkit/wire/thread.ts'
import { isCode, ServiceError } from '../lib/errors.ts'
import type { PageQuery } from '../registry/records.ts'
import { badCursor, type SourcePosition } from './cursors.ts'
import type { ThreadSource } from './sources.ts'

/** Selects threads of one source. Cursors are thread ids, passed on as they are; `limit`: 0..100. */
export interface SourceQuery extends PageQuery {
  /** Threads of everyone when undefined. */
  readonly user: string | undefined
}

/**
 * A page of one source. A thread of another user is dropped and another one fetched instead, so that the page is
 * not shorter and its cursors are ids of the user's own threads.
 *
 * @throws `invalid_request` when the source refuses a cursor; `upstream_invalid_response` when it
 * shows only threads of others, however often it is asked
 */
export async function sourcePage(
  source: ThreadSource,
  { user, ...asked }: SourceQuery,
  call: CallOptions | undefined,
): Promise<Collected<Thread>> {
  const onMissing = (id: string) => {
    call?.onMissing?.(id)
    source.onForeign({ source, what: 'missing', count: 1 })
  }
  // The ownership records give these pages. Where the server has lost many threads, a page is empty.
  if (user === undefined && source.threadsAt !== undefined) {
    const page = await source.chatkit.listThreads(asked, { ...call, onMissing })
    const next = page.data.length === 0 && page.has_more ? (page.last_id ?? undefined) : undefined
    return { values: page.data, hasMore: page.has_more, next }
  }
  const page = await collect(asked, async (part): Promise<Fetched<Thread>> => {
    const answer = await source.chatkit.listThreads({ ...part, user }, { ...call, onMissing })
    if (answer.data.length === 0 && answer.has_more) throw nothingButMore()
    let count = 0
    const entries = answer.data.map((thread) => {
      if (user === undefined || thread.user === user) return { id: thread.id, value: thread }
      count += 1
      return { id: thread.id, value: undefined }
    })
    if (count > 0) source.onForeign({ source, what: 'thread', count })
    return { entries, hasMore: answer.has_more }
  })
  if (asked.limit > 0 && page.values.length === 0 && page.hasMore) throw nothingButMore()
  return page
}

/** A page of a merged list needs one page of each source, and more only where threads are dropped. */
const MAX_FILLS = 20

/** The threads of one source in order, from which a merged list takes one at a time. */
export type SourceReader = ReturnType<typeof createSourceReader>

/** @param query - `position`: where it starts; `limit`: how many threads it fetches at a time */
export function createSourceReader(
  source: ThreadSource,
  {
    position,
    ...query
  }: Omit<SourceQuery, 'after' | 'before'> & { readonly position: SourcePosition | null },
  call: CallOptions | undefined,
) {
  let fills = 0

  /** The threads after a position whose thread has been deleted: found by their time, from the start of the list. */
  async function pageAfter(seconds: number, refusal: unknown): Promise<Collected<Thread>> {
    const isPassed = ({ created_at }: Thread) =>
      query.order === 'desc' ? created_at > seconds : created_at < seconds
    for (let after: string | undefined, pages = 0; pages < MAX_FILLS; pages++) {
      const page = await sourcePage(source, { ...query, limit: MAX_LIMIT, after }, call)
      const start = page.values.findIndex((thread) => !isPassed(thread))
      if (start !== -1) return { ...page, values: page.values.slice(start) }
      if (!page.hasMore) return { values: [], hasMore: false }
      after = page.values.at(-1)?.id ?? page.next
    }
    throw refusal
  }

  const reader = {
    source,
    /** Fetched and not yet taken. After `fill`, empty at the end of the list; with `more`, where threads are lost. */
    waiting: [] as readonly Thread[],
    /** The last thread taken or lost; before that, the position of the query; null at the start of the list. */
    last: position,
    /** Whether the source has threads beyond those waiting. */
    more: true,
    take() {
      const [taken, ...rest] = reader.waiting
      if (taken !== undefined) reader.last = [taken.id, taken.created_at]
      reader.waiting = rest
    },
    /** @throws `upstream_invalid_response` for a list that does not end */
    async fill() {
      if (reader.waiting.length > 0 || !reader.more) return
      fills += 1
      if (fills > MAX_FILLS) throw endless()
      const [after, seconds] = reader.last ?? []
      const page = await sourcePage(source, { ...query, after }, call).catch((error) => {
        if (!isCode(error, 'invalid_request') || seconds == null) throw error
        return pageAfter(seconds, error)
      })
      reader.waiting = page.values
      reader.more = page.hasMore
      if (page.next !== undefined) reader.last = [page.next, null]
    },
  }
  return reader
}

/** An empty page with `has_more: true` gives the client no cursor to continue from. */
function nothingButMore(): ServiceError {
  return new ServiceError('upstream_invalid_response', {
    reason: 'a list that shows nothing of the user, and says that there is more',
  })
}

function endless(): ServiceError {
  return new ServiceError('upstream_invalid_response', { reason: 'a list that does not end' })
}

/**
 * Rethrows the error of a read. If the upstream answered 400, the client's cursor is wrong; without a cursor, the fault
 * is in this service.
 */
export function blameCursor(error: unknown, hasCursor: boolean): never {
  if (!(error instanceof ServiceError) || error.code !== 'invalid_request') throw error
  if (hasCursor) throw badCursor(error)
  const { reason, refused, upstream } = error
  throw new ServiceError('upstream_rejected', {
    reason,
    refused,
    cause: error,
    ...(upstream && { upstream }),
  })
}
