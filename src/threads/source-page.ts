import type { CallOptions } from '../chatkit/port.ts'
import { collect, type Fetched } from '../chatkit/wire/pages.ts'
import type { Thread } from '../chatkit/wire/thread.ts'
import { ServiceError } from '../lib/errors.ts'
import type { ThreadSource } from './sources.ts'

/** Something an upstream showed that is not of the user, or of the thread, that was asked for. */
export interface Foreign {
  readonly source: ThreadSource
  readonly what: 'thread' | 'item'
  /** How many in one answer. */
  readonly count: number
}

/** Whose threads of one source, and which. Cursors are thread ids, taken as they are. */
export interface SourceQuery {
  /** Of everyone when undefined. */
  readonly user: string | undefined
  readonly limit: number
  readonly order: 'asc' | 'desc'
  readonly after?: string | undefined
  readonly before?: string | undefined
}

/** What accompanies the calls of one request. */
export interface SourceCall {
  readonly call: CallOptions | undefined
  readonly onForeign: (foreign: Foreign) => void
}

/**
 * A page of one source. A thread that is not the user's is dropped and told to `onForeign`, and more
 * is fetched in its place: it neither shortens the page, nor ends it, nor lends it a cursor.
 *
 * @param source - where
 * @param query - whose, which
 * @throws `invalid_request` when the source does not take a cursor; `upstream_invalid_response` when
 * it shows nothing but threads of others, however often it is asked
 */
export async function sourcePage(
  source: ThreadSource,
  query: SourceQuery,
  { call, onForeign }: SourceCall,
): Promise<{ readonly values: readonly Thread[]; readonly hasMore: boolean }> {
  const { user, limit, order, after, before } = query
  const asked = { limit, order, ...(after && { after }), ...(before && { before }) }
  const whose = user === undefined ? {} : { user }
  const page = await collect(asked, async (part): Promise<Fetched<Thread>> => {
    const { data, has_more: hasMore } = await source.chatkit.listThreads(
      { ...part, ...whose },
      call,
    )
    if (data.length === 0 && hasMore) throw nothingButMore()
    const keep = (thread: Thread) => user === undefined || thread.user === user
    const entries = data.map((thread) => ({
      id: thread.id,
      value: keep(thread) ? thread : undefined,
    }))
    const count = entries.filter(({ value }) => value === undefined).length
    if (count > 0) onForeign({ source, what: 'thread', count })
    return { entries, hasMore }
  })
  if (limit > 0 && page.values.length === 0 && page.hasMore) throw nothingButMore()
  return page
}

/** A client could go on from such a page nowhere. */
function nothingButMore(): ServiceError {
  return new ServiceError('upstream_invalid_response', {
    reason: 'a list that shows nothing of the user, and says that there is more',
  })
}
