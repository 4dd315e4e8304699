// Threads and pages in the shapes of the ChatKit protocol.

import type { KnownRequest } from '../../chatkit/protocol/request.ts'
import type { ServerItem, ServerThread } from '../../chatkit/protocol/thread.ts'
import { DEFAULT_LIMIT } from '../../chatkit/wire/wire.ts'
import { paginate } from '../kit/page.ts'
import type { SampleThread } from './store.ts'

/** A page in the protocol's shape. */
interface ServerPage<T> {
  readonly data: readonly T[]
  readonly has_more: boolean
  /** Cursor of the next page. */
  readonly after: string | null
}

/**
 * @param ascending - the whole list, oldest first
 * @param params - newest first by default; a `limit` of 0 counts as absent
 * @throws `ApiError` 400 when the cursor is not in the list
 */
export function pageOf<T extends { readonly id: string }>(
  ascending: readonly T[],
  { limit, order, after }: Extract<KnownRequest, { type: 'threads.list' }>['params'],
): ServerPage<T> {
  const { data, has_more, last_id } = paginate(ascending, {
    limit: limit || DEFAULT_LIMIT,
    order: order ?? undefined,
    after: after ?? undefined,
  })
  return { data, has_more, after: has_more ? last_id : null }
}

/**
 * A thread in the protocol's shape.
 *
 * @param page - of its items; none when absent, as in lists and events
 */
export function asThread(thread: SampleThread, page?: ServerPage<ServerItem>): ServerThread {
  const { id, title, created_at, status } = thread
  const { data = [], has_more = false, after = null } = page ?? {}
  return {
    id,
    title,
    created_at,
    status,
    metadata: {},
    items: { data: [...data], has_more, after },
  }
}
