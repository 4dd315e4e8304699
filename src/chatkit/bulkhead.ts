// A bulkhead: limits the calls under way at a time, and lets a few more wait for a slot.

import type { Deadline } from '../lib/deadline.ts'
import { ServiceError } from '../lib/errors.ts'
import { comeBackSeconds } from '../lib/retry-spread.ts'
import { LANE_SLOTS } from './port.ts'

/**
 * Milliseconds that a call waits for a slot. With calls of 150 ms, a queue as long as the slots is served in that time.
 */
const LONGEST_WAIT_MS = 250

/** The bulkhead of every lane to an upstream. */
export const LANE = { slots: LANE_SLOTS, mostWaiting: LANE_SLOTS, longestWait: LONGEST_WAIT_MS }

/** A call that waits for a slot. Either function ends its wait. */
interface Waiting {
  readonly enter: () => void
  readonly refuse: (reason: string) => void
}

/**
 * The queue is short, and the newest call in it is served first. When the upstream is too slow for the load,
 * some calls have to be refused. Oldest first, every call would wait as long as is allowed before it is served
 * or refused. Newest first, the calls that are served have waited only briefly, and the refused ones are the
 * oldest, whose callers have most likely left. A short burst is served in time either way.
 *
 * @param size - `slots` under way, at most `mostWaiting` in the queue, each for `longestWait` milliseconds
 */
export function createBulkhead({
  slots,
  mostWaiting,
  longestWait,
}: {
  readonly slots: number
  readonly mostWaiting: number
  readonly longestWait: number
}) {
  let taken = 0
  /** Oldest first. */
  const waiting: Waiting[] = []

  return {
    /** Takes a free slot; false when there is none. */
    take(): boolean {
      if (taken >= slots) return false
      taken++
      return true
    },
    /**
     * Waits for a slot and takes it.
     *
     * @throws `overloaded` when none becomes free in time, or when too many newer calls wait
     */
    async wait(deadline: Deadline): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const refuse = (reason: string) => {
        // Leaves the queue now, so that `free` cannot hand a slot to a call that was refused.
        const at = waiting.indexOf(one)
        if (at >= 0) waiting.splice(at, 1)
        reject(new ServiceError('overloaded', { reason, retryAfterSeconds: comeBackSeconds() }))
      }
      const one: Waiting = { enter: resolve, refuse }
      const timer = setTimeout(() => refuse(`no slot within ${longestWait} ms`), longestWait)
      waiting.push(one)
      deadline.onEnd(() => refuse('the call ended while it waited for a slot'))
      if (waiting.length > mostWaiting) waiting[0]?.refuse(`${mostWaiting} newer calls wait`)
      try {
        await promise
      } finally {
        clearTimeout(timer)
        deadline.onEnd(undefined)
      }
    },
    /** Gives a slot back; the newest waiting call gets it. */
    free(): void {
      const next = waiting.pop()
      // `taken` stays as it is, so that a call that arrives now cannot take the slot of the waiting call.
      if (next !== undefined) next.enter()
      else taken--
    },
  }
}
