// Rate counters in memory, with fixed windows; the keys of those that belong to a user.

import { type Count, type RateWindow, USER_COUNTERS } from './records.ts'

/** Keys of a user's counters, apart from that of mints. */
export const countersOf = (user: string) => USER_COUNTERS.map((name) => `${name}:${user}`)

interface Window {
  used: number
  endsMs: number
}

/** Most windows of one length at a time, about 20 MB. Beyond it the oldest window and its count are forgotten. */
const MOST_WINDOWS = 100_000

/**
 * Counters in memory. Each new window makes room: those at the beginning of the map that are over are removed. Windows
 * of each length have a map of their own, so a long one does not keep short ones, which could then displace it.
 *
 * @param most - windows of one length at a time
 */
export function createCounters(most = MOST_WINDOWS) {
  const windowsOf = new Map<number, Map<string, Window>>()

  return function consume(key: string, { seconds, nowMs }: RateWindow): Count {
    const windows = windowsOf.get(seconds) ?? new Map<string, Window>()
    windowsOf.set(seconds, windows)
    let window = windows.get(key)
    if (window === undefined || window.endsMs <= nowMs) {
      // The first key of a map is the one that was added first.
      for (const [oldest, { endsMs }] of windows) {
        if (endsMs > nowMs && windows.size < most) break
        windows.delete(oldest)
      }
      windows.delete(key)
      window = { used: 0, endsMs: nowMs + seconds * 1000 }
      windows.set(key, window)
    }
    window.used += 1
    // A window that was begun before the clock was set back ends one length from now.
    window.endsMs = Math.min(window.endsMs, nowMs + seconds * 1000)
    return { used: window.used, resetMs: window.endsMs - nowMs }
  }
}
