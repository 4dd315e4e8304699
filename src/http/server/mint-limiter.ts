/** How many mints may be under way. */
export interface Admission {
  /** Whether there is room for one more, which is then under way until {@link Admission.leave}. */
  enter(): boolean
  leave(): void
  /** Told how late the event loop is, some times a second. */
  sample(lagMs: number, nowMs: number): void
  underWay(): number
  /** Infinity unless the event loop has been late. */
  limit(): number
}

/** A loop that is this late is full: each mint passes it some five times. */
const TARGET_MS = 25
/** Only when it stays so for this long: a burst, or one collection of garbage, is no overload. */
const INTERVAL_MS = 100
/**
 * So many are never refused: as many as there are connections to the ChatKit API. With fewer, a loop
 * that is late for another reason, be it with refusals, would have turns without a mint to work at.
 */
const ALWAYS_ADMITTED = 256
/** At one step the limit falls to this share at least, and grows to this one. */
const FALL = 0.3
const GROWTH = 1.05
/** More than can be under way on a loop that is not late. */
const UNLIMITED = 10_000

/**
 * Refuses mints only while work waits, never because there is much of it: as in CoDel (RFC 8289 §3),
 * the sign is a delay that does not go away. The limit on mints under way then falls in proportion to
 * the delay. With each sample that finds the loop on time it grows: by one while mints are refused, as
 * more of them would be refused later, at the ChatKit API's places, and at ten times the cost; else by
 * a twentieth, so that some two seconds after an overload there is none.
 */
export function createAdmission(): Admission {
  let underWay = 0
  let limit = Number.POSITIVE_INFINITY
  let lateSince: number | undefined
  /** Since the last sample that found the loop on time. */
  let refused = false

  function tighten(lagMs: number): void {
    const share = Math.max(FALL, TARGET_MS / lagMs)
    limit = Math.max(ALWAYS_ADMITTED, Math.floor(Math.min(limit, underWay) * share))
  }

  return {
    enter() {
      if (underWay >= limit) {
        refused = true
        return false
      }
      underWay++
      return true
    },
    leave() {
      underWay--
    },
    sample(lagMs, nowMs) {
      if (lagMs <= TARGET_MS) {
        lateSince = undefined
        limit = refused ? limit + 1 : limit * GROWTH
        refused = false
        if (limit > UNLIMITED) limit = Number.POSITIVE_INFINITY
        return
      }
      lateSince ??= nowMs
      if (nowMs - lateSince < INTERVAL_MS) return
      lateSince = nowMs
      tighten(lagMs)
    },
    underWay: () => underWay,
    limit: () => limit,
  }
}
