import type { Deadline } from '../../lib/deadline.ts'
import { ServiceError } from '../../lib/errors.ts'
import { comeBackSeconds } from '../../lib/retry-spread.ts'

/** So many calls at a time, and a few that wait for a place. */
export interface Places {
  /** Takes a free place; false when there is none. */
  take(): boolean
  /**
   * Waits for a place and takes it.
   *
   * @throws `overloaded` when none becomes free in time, or others came for it after this one
   */
  wait(deadline: Deadline): Promise<void>
  /** Gives a place back, to who waits. */
  free(): void
}

/** What {@link createPlaces} needs. */
export interface PlacesOptions {
  readonly places: number
  readonly mostWaiting: number
  /** Milliseconds. */
  readonly longestWait: number
}

/** One who waits; either ends the waiting. */
interface Waiting {
  readonly enter: () => void
  readonly refuse: (reason: string) => void
}

/**
 * A bulkhead with a short queue, served newest first. While the upstream is too slow for what is asked
 * of it, somebody has to be refused; in order of arrival everyone would wait as long as is allowed
 * before they are served or refused. The newest first, those who are served have waited least, and the
 * oldest, who are the likeliest to be gone, make way. In a short burst all are served in time.
 *
 * @param options - how many, how long
 */
export function createPlaces({ places, mostWaiting, longestWait }: PlacesOptions): Places {
  let taken = 0
  /** In the order of arrival. */
  const waiting: Waiting[] = []

  function leave(one: Waiting): void {
    const at = waiting.indexOf(one)
    if (at >= 0) waiting.splice(at, 1)
  }

  async function wait(deadline: Deadline): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const refuse = (reason: string) => {
      // At once: a place must not be handed to who no longer waits for it.
      leave(one)
      reject(new ServiceError('overloaded', { reason, retryAfterSeconds: comeBackSeconds() }))
    }
    const one: Waiting = { enter: resolve, refuse }
    const timer = setTimeout(() => refuse(`no place within ${longestWait} ms`), longestWait)
    waiting.push(one)
    deadline.onEnd(() => refuse('the call ended while it waited for a place'))
    if (waiting.length > mostWaiting) waiting[0]?.refuse(`${mostWaiting} newer calls wait`)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      deadline.onEnd(undefined)
    }
  }

  return {
    take() {
      if (taken >= places) return false
      taken++
      return true
    },
    wait,
    free() {
      const next = waiting.pop()
      // The place is handed on, so that nobody who comes now can take it.
      if (next !== undefined) next.enter()
      else taken--
    },
  }
}
