// Reads one page of a list that has one source. Its cursors are thread ids, and it pages in both directions.

import type { CallOptions } from '../chatkit/port.ts'
import { listOf } from '../chatkit/wire/pages.ts'
import type { ThreadPage } from '../chatkit/wire/thread.ts'
import { isCode } from '../lib/errors.ts'
import { badCursor } from './cursors.ts'
import { findThread } from './find-thread.ts'
import { blameCursor, type SourceQuery, sourcePage } from './source-reader.ts'
import { type ThreadSource, threadIdAt } from './sources.ts'

/**
 * With a user, each cursor must be a thread of that user before a source sees it: the source's answer to a cursor
 * of somebody else's thread would reveal that the thread exists.
 *
 * @throws `invalid_request` for a cursor of nothing on this list
 */
export async function singleList(
  source: ThreadSource,
  query: SourceQuery,
  call: CallOptions | undefined,
): Promise<ThreadPage> {
  const { user, after, before } = query
  const cursors = [after, before].filter((cursor) => cursor !== undefined)
  const ids = cursors.map((id) => threadIdAt(source, id)).filter((id) => id !== undefined)
  if (ids.length < cursors.length) throw badCursor()
  // A self-hosted server’s cursors are looked up in the ownership records, among the user's own.
  if (user !== undefined && source.threadsAt === undefined) {
    const proofs = ids.map((id) => findThread([source], { id, user }, call))
    // All are awaited, so that the time taken does not tell which cursor is bad.
    for (const proof of await Promise.allSettled(proofs)) {
      if (proof.status === 'fulfilled') continue
      throw isCode(proof.reason, 'not_found') ? badCursor(proof.reason) : proof.reason
    }
  }
  const page = sourcePage(source, query, call)
  return listOf(await page.catch((error) => blameCursor(error, cursors.length > 0)))
}
