import type { ThreadDeleted } from '../chatkit/wire/thread.ts'
import { eachBounded } from '../lib/concurrency.ts'
import { type ErrorCode, ServiceError } from '../lib/errors.ts'
import { codeOf } from './failures.ts'

/** Things of one kind at one source: how to find and how to delete them. */
export interface Things {
  /** A page of ids in a fixed order; of the first ones without a cursor. */
  list(after: string | undefined): Promise<IdPage>
  /** @throws `not_found` when it is gone already */
  remove(id: string): Promise<void>
}

/** Ids of a list. */
export interface IdPage {
  readonly ids: readonly string[]
  readonly hasMore: boolean
}

/** What happens on the way. */
export interface ThingsSeen {
  onDeleted(): void
  onFailed(id: string, code: ErrorCode): void
}

/** How many are deleted at a time. */
const PARALLEL = 8
/** A source where so many fail on end is given up: an outage is not asked ten thousand times. */
const MOST_FAILED_ON_END = 100
/** How often a list is begun again because another call deletes beside this one. */
const MOST_RESTARTS = 10

/**
 * Deletes all there are, trying each once. Deleting moves what a cursor stands for, so the list is
 * read from the last thing that stayed, and again from its start until there is nothing new on it.
 * What is listed even then, though it was deleted or said to be gone, has failed.
 *
 * @param things - what to delete
 * @param seen - told of each
 * @throws what listing throws; the last failure, when so many failed on end that the rest is not tried
 */
export async function eraseThings(things: Things, seen: ThingsSeen): Promise<void> {
  const removals = createRemovals(things, seen)
  for (let restarts = 0; ; ) {
    try {
      const { found, stillListed } = await onePass(things, removals)
      if (found) continue
      for (const id of stillListed) seen.onFailed(id, 'upstream_invalid_response')
      return
    } catch (error) {
      // The thing that a cursor stood for was deleted by someone else: from the start again.
      if (codeOf(error) !== 'invalid_request' || restarts++ >= MOST_RESTARTS) throw error
    }
  }
}

interface Pass {
  /** Whether there was anything new. */
  readonly found: boolean
  /** What is on the list though the upstream says it is gone: who erases must not say it is. */
  readonly stillListed: ReadonlySet<string>
}

async function onePass(things: Things, removals: Removals): Promise<Pass> {
  let found = false
  const stillListed = new Set<string>()
  for (let after: string | undefined; ; ) {
    const { ids, hasMore } = await things.list(after)
    const fresh = ids.filter((id) => !removals.isTried(id))
    for (const id of ids.filter(removals.isGone)) stillListed.add(id)
    await removals.removeAll(fresh)
    found ||= fresh.length > 0
    if (ids.length === 0 || (!hasMore && fresh.length === 0)) return { found, stillListed }
    // What is gone is no cursor, unless there is nothing else to go on from.
    const last = fresh.length === 0 ? ids.at(-1) : undefined
    after = ids.findLast(removals.hasFailed) ?? last ?? after
  }
}

interface Removals {
  /** Not to be tried again: it failed, or is still listed though it is gone. */
  isTried(id: string): boolean
  hasFailed(id: string): boolean
  isGone(id: string): boolean
  removeAll(ids: readonly string[]): Promise<void>
}

function createRemovals(things: Things, seen: ThingsSeen): Removals {
  const failed = new Set<string>()
  const gone = new Set<string>()
  let previous: ReadonlySet<string> = new Set()
  let failedOnEnd = 0

  async function remove(id: string): Promise<void> {
    if (failedOnEnd >= MOST_FAILED_ON_END) return
    try {
      await things.remove(id)
      failedOnEnd = 0
      // A list may lag behind: what is on it again is asked for once more, and not again.
      if (previous.has(id)) gone.add(id)
      else seen.onDeleted()
    } catch (error) {
      const code = codeOf(error)
      if (code === 'not_found') {
        gone.add(id)
        return
      }
      failed.add(id)
      failedOnEnd += 1
      seen.onFailed(id, code)
      if (failedOnEnd === MOST_FAILED_ON_END) throw error
    }
  }

  return {
    isTried: (id) => failed.has(id) || gone.has(id),
    hasFailed: (id) => failed.has(id),
    isGone: (id) => gone.has(id),
    async removeAll(ids) {
      await eachBounded(ids, PARALLEL, remove)
      previous = new Set(ids)
    },
  }
}

/**
 * @param answer - of a delete
 * @param id - of what should be gone
 * @throws `upstream_invalid_response` when it does not say so
 */
export function checkDeleted(answer: ThreadDeleted, id: string): void {
  if (answer.deleted && answer.id === id) return
  throw new ServiceError('upstream_invalid_response', { reason: 'a delete that did not delete' })
}
