// Rate counters: fixed windows in memory, and the answer that a count leads to.
import type { RateState, RateWindow } from './records.ts'

/**
 * The counter of a user's mints, where counters have names.
 *
 * @param user - the mapped user
 */
export const mintCounter = (user: string): string => `mints:${user}`

interface Window {
  used: number
  readonly endsMs: number
}

/** Below this many windows nothing is tidied. */
const TIDY_FROM = 1024

/**
 * Counters in memory. Windows that are over leave whenever their number has doubled, so that keys
 * made up by attackers cost no more than the windows that still run.
 */
export function createCounters() {
  const windows = new Map<string, Window>()
  let tidyAt = TIDY_FROM

  function tidy(nowMs: number): void {
    for (const [key, window] of windows) if (window.endsMs <= nowMs) windows.delete(key)
    tidyAt = Math.max(TIDY_FROM, windows.size * 2)
  }

  function running(key: string, nowMs: number): Window | undefined {
    const window = windows.get(key)
    return window !== undefined && nowMs < window.endsMs ? window : undefined
  }

  return {
    consume(key: string, limit: RateWindow): RateState {
      let window = running(key, limit.nowMs)
      if (window === undefined) {
        if (windows.size >= tidyAt) tidy(limit.nowMs)
        window = { used: 0, endsMs: limit.nowMs + limit.seconds * 1000 }
        windows.set(key, window)
      }
      window.used += 1
      return stateAfterUse(window.used, window.endsMs, limit)
    },
  }
}

/**
 * What a use has led to.
 *
 * @param used - uses in the window, this one included
 * @param endsMs - when the window ends
 * @param limit - as asked
 */
export function stateAfterUse(used: number, endsMs: number, limit: RateWindow): RateState {
  return {
    allowed: used <= limit.max,
    remaining: Math.max(0, limit.max - used),
    resetMs: endsMs - limit.nowMs,
  }
}
