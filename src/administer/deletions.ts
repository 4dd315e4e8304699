// Deletes everything on a list that changes while it is read.

import { eachBounded } from '../lib/concurrency.ts'
import { type ErrorCode, ServiceError } from '../lib/errors.ts'
import { codeOf } from './failures.ts'

/** A list of things of one kind at one source. */
export interface Deletable {
  /** A page of ids in a fixed order, from the first one without a cursor. */
  list(after: string | undefined): Promise<IdPage>
  /** @throws `not_found` when the thing is gone already */
  remove(id: string): Promise<void>
}

/** A page of a list of ids. */
export interface IdPage {
  readonly ids: readonly string[]
  readonly hasMore: boolean
}

/** Called once for each thing. */
interface Observer {
  onDeleted(): void
  onFailed(id: string, code: ErrorCode): void
}

const PARALLEL = 8
/** After so many failures in a row a source is given up: an outage is not asked ten thousand times. */
const MAX_FAILED_IN_A_ROW = 100
/** How often the list is read again from its start because something else deletes at the same time. */
const MAX_RESTARTS = 10

/**
 * Tries to delete each thing once. A cursor ends with the thing it names, so the list is read on from
 * the last thing that failed to go, and again from its start until it shows nothing new. A thing that
 * is still listed then, though its delete was confirmed, has failed.
 *
 * @throws what `list` throws; the last failure, when the source is given up
 */
export async function deleteAll(things: Deletable, observer: Observer): Promise<void> {
  const removals = createRemovals(things, observer)
  for (let restarts = 0; ; ) {
    try {
      const { found, stillListed } = await onePass(things, removals)
      if (found) continue
      for (const id of stillListed) observer.onFailed(id, 'upstream_invalid_response')
      return
    } catch (error) {
      // Something else deleted the thing that the cursor names: again from the start.
      if (codeOf(error) !== 'invalid_request' || restarts++ >= MAX_RESTARTS) throw error
    }
  }
}

/** @returns whether anything was new, and the ids that are listed though the upstream says they are gone */
async function onePass(things: Deletable, removals: ReturnType<typeof createRemovals>) {
  let found = false
  const stillListed = new Set<string>()
  for (let after: string | undefined; ; ) {
    const { ids, hasMore } = await things.list(after)
    const fresh = ids.filter((id) => !removals.isTried(id))
    for (const id of ids.filter(removals.isGone)) stillListed.add(id)
    await removals.removeAll(fresh)
    found ||= fresh.length > 0
    if (ids.length === 0 || (!hasMore && fresh.length === 0)) return { found, stillListed }
    // A thing that is gone makes no cursor, unless the page has no other.
    const last = fresh.length === 0 ? ids.at(-1) : undefined
    after = ids.findLast(removals.hasFailed) ?? last ?? after
  }
}

function createRemovals(things: Deletable, observer: Observer) {
  const failed = new Set<string>()
  const gone = new Set<string>()
  let previous: ReadonlySet<string> = new Set()
  let failedInARow = 0

  async function remove(id: string): Promise<void> {
    if (failedInARow >= MAX_FAILED_IN_A_ROW) return
    try {
      await things.remove(id)
      failedInARow = 0
      // A list may lag behind: a thing that it shows again is deleted a second time, and not a third.
      if (previous.has(id)) gone.add(id)
      else observer.onDeleted()
    } catch (error) {
      const code = codeOf(error)
      if (code === 'not_found') {
        gone.add(id)
        return
      }
      failed.add(id)
      failedInARow += 1
      observer.onFailed(id, code)
      if (failedInARow === MAX_FAILED_IN_A_ROW) throw error
    }
  }

  return {
    /** A thing that is not to be tried again: it failed, or is still listed though it is gone. */
    isTried: (id: string): boolean => failed.has(id) || gone.has(id),
    hasFailed: (id: string): boolean => failed.has(id),
    isGone: (id: string): boolean => gone.has(id),
    async removeAll(ids: readonly string[]): Promise<void> {
      await eachBounded(ids, PARALLEL, remove)
      previous = new Set(ids)
    },
  }
}

/** @throws `upstream_invalid_response` when the answer to a delete does not say that `id` is gone */
export function checkDeleted(
  answer: { readonly id: string; readonly deleted: boolean },
  id: string,
): void {
  if (answer.deleted && answer.id === id) return
  throw new ServiceError('upstream_invalid_response', { reason: 'a delete that did not delete' })
}
