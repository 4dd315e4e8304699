// Keeps the mints of this process from making its event loop late. The limit of one user's mints is counted in mint/.

/** An event loop later than this, in milliseconds, is overloaded, because each mint goes through it about five times. */
const TARGET_MS = 25
/**
 * Milliseconds that the delay must last, over at least two samples, to count as overload. A burst or a garbage
 * collection is shorter. A longer interval would let more mints begin, and every later one would wait for them.
 */
const INTERVAL_MS = 120
/**
 * The limit never falls below the number of connections to the ChatKit API. Below it, a loop that is late for
 * another reason, such as refusals, would have turns without a mint to work on.
 */
const LEAST_LIMIT = 256
/** In one step, the limit falls at most to this share, or grows at most by this factor. */
const FALL = 0.3
const GROWTH = 1.05
/** An event loop without delay never has this many mints under way, so a higher limit would have no effect. */
const UNLIMITED = 10_000

/** A limit on mints under way; there is none until the event loop has been late. */
export type MintLimiter = ReturnType<typeof createMintLimiter>

/**
 * Refuses mints only while the event loop is late, never because many are under way. As in CoDel (RFC 8289 §3), a
 * delay that lasts is the sign of overload. The limit then falls in proportion to the delay. Each sample that
 * finds the loop on time raises the limit: by one if mints were refused meanwhile, because the bulkhead of the
 * ChatKit API would refuse further ones later, at ten times the cost. Otherwise it grows by a twentieth, so that it
 * is gone about two seconds after an overload.
 */
export function createMintLimiter() {
  let underWay = 0
  let limit = Number.POSITIVE_INFINITY
  let lateSince: number | undefined
  /** Whether a mint was refused since the last sample that found the loop on time. */
  let refused = false

  function tighten(lagMs: number): void {
    const share = Math.max(FALL, TARGET_MS / lagMs)
    limit = Math.max(LEAST_LIMIT, Math.floor(Math.min(limit, underWay) * share))
  }

  return {
    /** Whether one more mint may begin; it is then under way until {@link MintLimiter.leave}. */
    enter(): boolean {
      if (underWay >= limit) {
        refused = true
        return false
      }
      underWay++
      return true
    },
    leave(): void {
      underWay--
    },
    /**
     * Takes one measurement of {@link startLagMeter}.
     *
     * @returns whether another one is needed before the next mint
     */
    sample(lagMs: number, nowMs: number): boolean {
      if (lagMs <= TARGET_MS) {
        lateSince = undefined
        limit = refused ? limit + 1 : limit * GROWTH
        refused = false
        if (limit > UNLIMITED) limit = Number.POSITIVE_INFINITY
        return underWay > 0 || Number.isFinite(limit)
      }
      if (lateSince === undefined) {
        // The loop has been late since the timer was due.
        lateSince = nowMs - lagMs
      } else if (nowMs - lateSince >= INTERVAL_MS) {
        lateSince = nowMs
        tighten(lagMs)
      }
      return true
    },
    underWay: () => underWay,
    /** Infinity while there is no limit. */
    limit: () => limit,
  }
}

const MEASURE_EVERY_MS = 20

/**
 * Measures how many milliseconds late a timer runs, because a request waits that long before any code sees it.
 * While it runs, it costs 50 timers a second, and nothing per request.
 *
 * @param sample - gets each measurement, and its time by `performance.now()`
 * @returns its timer; clear it to stop the meter
 */
export function startLagMeter(sample: (lagMs: number, nowMs: number) => void): NodeJS.Timeout {
  let due = performance.now() + MEASURE_EVERY_MS
  return setInterval(() => {
    const now = performance.now()
    sample(Math.max(0, now - due), now)
    due = performance.now() + MEASURE_EVERY_MS
  }, MEASURE_EVERY_MS).unref()
}

/** Mints that begin in one turn. Together they cause 5 to 10 ms of work until they are answered. */
const PER_TURN = 16
/**
 * Mints alone never make a turn this long. After such a turn the machine is busy with something else and turns
 * are rare, so more mints begin in each.
 */
const LONG_TURN_MS = 50
const PER_LONG_TURN = 64

/**
 * Spreads the start of mints over turns of the event loop. If hundreds of mints began in one turn, new
 * connections, refusals and revokes would wait for the end of that turn.
 */
export function createMintTurns() {
  /** The function that begins each waiting mint, with the time at which it came; the oldest is first. */
  const waiting = new Map<() => void, number>()
  /** Mints that may still begin in this turn. */
  let left = PER_TURN
  let isCounting = false
  let began = 0

  /** Counts a mint that begins. The first one of a turn also schedules the next turn. */
  function count(): void {
    left--
    if (isCounting) return
    isCounting = true
    began = performance.now()
    setImmediate(nextTurn)
  }

  function nextTurn(): void {
    isCounting = false
    left = performance.now() - began > LONG_TURN_MS ? PER_LONG_TURN : PER_TURN
    for (const begin of waiting.keys()) {
      if (left === 0) return
      count()
      waiting.delete(begin)
      begin()
    }
  }

  return {
    /** @returns whether a mint may begin now; if true, it is counted, and if false, it must wait for `next` */
    mayBegin(): boolean {
      if (left === 0 || waiting.size > 0) return false
      count()
      return true
    },
    /** Resolves when the mint may begin: after all that came before it. */
    next(): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.set(resolve, performance.now())
      return promise
    },
    /** Milliseconds that the oldest waiting mint has waited. */
    waitedMs(): number {
      const [since] = waiting.values()
      return since === undefined ? 0 : performance.now() - since
    },
  }
}
