// A circuit breaker: stops calls to an upstream that fails, and lets a probe through every 2 s.

/** The breaker refuses: the upstream has been failing, and the next probe is not due. */
export class BreakerOpenError extends Error {
  override readonly name = 'BreakerOpenError'

  constructor(forEverybody: boolean) {
    super(forEverybody ? 'the breaker is open' : 'the breaker is open for this caller alone')
  }
}

/** Result of a call. `unknown`: it shows nothing about the upstream, for example because its caller left. */
export type CallOutcome = 'well' | 'failed' | 'unknown'

/** The breaker opens when at least half of the calls in the latest 10 s failed, and there were 20. */
const LEAST_CALLS = 20
const WINDOW_SECONDS = 10
const PROBE_EVERY_MS = 2000
/** Longer than the pauses of a lane with little traffic, and shorter than the two minutes after which the alert fires. */
const IDLE_MS = 60_000
/** Failures of one caller that count in 10 s. The breaker needs ten, so one or two callers cannot open it for others. */
const MOST_OF_ONE = 4
/** Most callers whose failures are remembered. */
const MOST_FAILING = 1000

/**
 * A caller may have calls that fail for nobody else, such as a thread that the upstream takes too long for. A caller with
 * 20 failures in a row, within 10 s, is refused until 2 s after the latest; others go on.
 *
 * An open breaker lets one call through every 2 s as a probe, even while an earlier probe is under way: otherwise a
 * probe that hangs would keep the breaker open after the upstream has recovered. A successful probe closes the
 * breaker. When the caller of a probe leaves, the next call is a probe at once.
 *
 * @param now - a clock that never goes back, in milliseconds
 */
export function createBreaker(now: () => number = () => performance.now()) {
  let sample = createSample()
  let open = false
  let probeAt = 0
  let probesOut = 0
  /** Raised whenever the breaker opens or closes. Outcomes of calls that began in an earlier era are ignored. */
  let era = 0
  const { failing, countFailure } = createFailingCallers(now)

  function change(toOpen: boolean): void {
    open = toOpen
    era++
    probesOut = 0
    probeAt = now() + PROBE_EVERY_MS
    sample = createSample()
  }

  function judgeProbe(outcome: CallOutcome): void {
    probesOut--
    if (outcome === 'well') change(false)
    if (outcome === 'unknown') probeAt = now()
  }

  /** Whether {@link enter} would throw. */
  const refuses = (caller?: string) => {
    if (open) return now() < probeAt
    const own = caller === undefined ? undefined : failing.get(caller)
    return own !== undefined && own.inARow >= LEAST_CALLS && now() < own.probeAt
  }

  return {
    refuses,
    /**
     * Lets a call through.
     *
     * @returns the era that it begins in, for `report`
     * @throws {@link BreakerOpenError}
     */
    enter(caller?: string): number {
      if (refuses(caller)) throw new BreakerOpenError(open)
      if (open) {
        probeAt = now() + PROBE_EVERY_MS
        probesOut++
      }
      return era
    },
    /** Takes the outcome of a call; to be called once for each call that `enter` let through. */
    report(begunIn: number, outcome: CallOutcome, caller?: string): void {
      const own = caller === undefined ? undefined : failing.get(caller)
      if (own !== undefined && outcome === 'well') own.inARow = 0
      const isOneTooMany =
        outcome === 'failed' && caller !== undefined && countFailure(caller) > MOST_OF_ONE
      if (begunIn !== era) return
      if (open) {
        judgeProbe(outcome)
        return
      }
      if (outcome === 'unknown' || isOneTooMany) return
      const second = Math.floor(now() / 1000)
      sample.add(second, outcome === 'failed')
      if (outcome === 'failed' && sample.halfFailed(second)) change(true)
    },
    /**
     * Whether everybody is refused, also while a probe is under way. False when no call has come for a minute: nobody is
     * refused then, and the next call is a probe.
     */
    isOpen: (): boolean => open && (probesOut > 0 || now() < probeAt + IDLE_MS),
  }
}

/** Failures of a caller: in 10 s, and in a row; and when the next call is let through after 20 in a row. */
interface Failing {
  readonly since: number
  inWindow: number
  inARow: number
  probeAt: number
}

function createFailingCallers(now: () => number) {
  const failing = new Map<string, Failing>()
  return {
    failing: failing as ReadonlyMap<string, Failing>,
    /** Counts a failure; returns the number of the caller's failures in the window. */
    countFailure(caller: string): number {
      const time = now()
      let own = failing.get(caller)
      if (own === undefined || time - own.since >= WINDOW_SECONDS * 1000) {
        // A row of 20 goes on until a call succeeds; a shorter one does not reach into another 10 s.
        const inARow = own !== undefined && own.inARow >= LEAST_CALLS ? own.inARow : 0
        own = { since: time, inWindow: 0, inARow, probeAt: 0 }
        failing.delete(caller)
        failing.set(caller, own)
        const [oldest] = failing.keys()
        if (failing.size > MOST_FAILING && oldest !== undefined) failing.delete(oldest)
      }
      own.inARow++
      own.probeAt = time + PROBE_EVERY_MS
      return ++own.inWindow
    },
  }
}

/** Counts the calls of the latest 10 s, for each second. */
function createSample() {
  const counts = Array.from({ length: WINDOW_SECONDS }, () => ({ second: -1, calls: 0, failed: 0 }))
  return {
    add(second: number, failed: boolean): void {
      const at = second % WINDOW_SECONDS
      let count = counts[at]
      if (count?.second !== second) {
        count = { second, calls: 0, failed: 0 }
        counts[at] = count
      }
      count.calls++
      if (failed) count.failed++
    },
    halfFailed(second: number): boolean {
      const recent = counts.filter((count) => count.second > second - WINDOW_SECONDS)
      const calls = recent.reduce((sum, count) => sum + count.calls, 0)
      const failed = recent.reduce((sum, count) => sum + count.failed, 0)
      return calls >= LEAST_CALLS && failed * 2 >= calls
    },
  }
}
