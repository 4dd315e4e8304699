// Rate counters: fixed windows in memory, and the answer that a count leads to.
import type { RateState, RateWindow } from './records.ts'

/** Name of the counter of a user's mints, in SQLite and in memory. */
export const mintCounter = (user: string): string => `mints:${user}`

interface Window {
  used: number
  readonly endsMs: number
}

/** Windows are never tidied while there are fewer than this. */
const TIDY_FROM = 1024

/** Most windows at a time: beyond it the oldest goes, and what it counted is forgotten. Some 20 MB. */
const MOST_WINDOWS = 100_000

/**
 * Counters in memory. Windows that are over are removed each time the number of windows has doubled, so
 * keys that attackers make up cost at most twice the memory of the windows that still run.
 *
 * @param most - windows at a time
 */
export function createCounters(most = MOST_WINDOWS) {
  const windows = new Map<string, Window>()
  let tidyAt = TIDY_FROM

  function tidy(nowMs: number): void {
    for (const [key, window] of windows) if (window.endsMs <= nowMs) windows.delete(key)
    tidyAt = Math.max(TIDY_FROM, windows.size * 2)
  }

  return function consume(key: string, limit: RateWindow): RateState {
    let window = windows.get(key)
    if (window === undefined || window.endsMs <= limit.nowMs) {
      if (windows.size >= tidyAt) tidy(limit.nowMs)
      // A map keeps the order in which its keys came.
      for (const oldest of windows.keys()) {
        if (windows.size < most) break
        windows.delete(oldest)
      }
      windows.delete(key)
      window = { used: 0, endsMs: limit.nowMs + limit.seconds * 1000 }
      windows.set(key, window)
    }
    window.used += 1
    return stateAfterUse(window.used, window.endsMs, limit)
  }
}

/**
 * The answer to one counted use.
 *
 * @param used - uses in the window, this one included
 * @param endsMs - end of the window, in Unix milliseconds
 */
export function stateAfterUse(used: number, endsMs: number, limit: RateWindow): RateState {
  return {
    allowed: used <= limit.max,
    remaining: Math.max(0, limit.max - used),
    resetMs: endsMs - limit.nowMs,
  }
}
