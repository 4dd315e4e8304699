// Deletes everything on a list that changes while it is read.

import { eachBounded } from '../lib/concurrency.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { codeOf } from './failures.ts'

/** A list of things of one kind at one source. */
export interface Deletable {
  /** Reads a page of ids in a fixed order; without a cursor, the first page. */
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
/** Failures in a row after which a source is given up, so that an outage does not cost ten thousand calls. */
const MAX_FAILED_IN_A_ROW = 100
/** How often the list may be read again from its start because something else deletes at the same time. */
const MAX_RESTARTS = 10

/**
 * Tries to delete each thing. A deleted thing is no valid cursor, so each page begins after the last
 * thing that could not be deleted, and the list is read again from its start until it shows nothing new.
 * A thing that is still listed at the end although its delete was confirmed counts as failed.
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
      // Something else deleted the thing that the cursor names: read again from the start.
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
    // A deleted thing is no valid cursor, but a page with nothing new and nothing failed has no other id.
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
      // A list may lag behind. A thing that it shows again is deleted a second time, but not a third.
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
    /** Whether a thing is not tried again: it failed, or it is still listed although it is gone. */
    isTried: (id: string): boolean => failed.has(id) || gone.has(id),
    hasFailed: (id: string): boolean => failed.has(id),
    isGone: (id: string): boolean => gone.has(id),
    async removeAll(ids: readonly string[]): Promise<void> {
      await eachBounded(ids, PARALLEL, remove)
      previous = new Set(ids)
    },
  }
}
