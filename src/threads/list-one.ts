import type { CallOptions } from '../chatkit/port.ts'
import type { Thread } from '../chatkit/wire/thread.ts'
import { ServiceError } from '../lib/errors.ts'
import { badCursor, refusingCursors } from './cursors.ts'
import { findThread } from './find-thread.ts'
import { type SourceCall, type SourceQuery, sourcePage } from './source-page.ts'
import type { ThreadSource } from './sources.ts'

/** The same ids as of the ChatKit API; nothing else goes upstream. */
const ID = /^[A-Za-z0-9_-]{1,128}$/

/**
 * A page of the only source there is, or of the one asked for. Cursors are thread ids. With a user,
 * a cursor is proven to be of the user's own thread before it goes anywhere: how a source answers to
 * one of somebody else's would tell that it exists.
 *
 * @param source - where
 * @param query - whose, which
 * @throws `invalid_request` for a cursor of nothing on this list
 */
export async function listOne(
  source: ThreadSource,
  query: SourceQuery,
  context: SourceCall,
): Promise<{ readonly values: readonly Thread[]; readonly hasMore: boolean }> {
  const cursors = [query.after, query.before].filter((cursor) => cursor !== undefined)
  if (!cursors.every((cursor) => ID.test(cursor))) throw badCursor()
  const { user } = query
  if (user !== undefined) {
    const { call } = context
    const proofs = cursors.map((id) => proveOwn(source, { id, user }, call))
    const failed = (await Promise.allSettled(proofs)).find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }
  return refusingCursors(cursors.length > 0, () => sourcePage(source, query, context))
}

/** @throws `invalid_request` when the thread is not there, or not the user's */
async function proveOwn(
  source: ThreadSource,
  wanted: { readonly id: string; readonly user: string },
  call: CallOptions | undefined,
): Promise<void> {
  try {
    await findThread([source], wanted, call)
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'not_found') throw badCursor(error)
    throw error
  }
}
