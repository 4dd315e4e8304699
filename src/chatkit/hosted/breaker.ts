// A circuit breaker: stops calls to an upstream that fails, and lets a probe through every 2 s.

/** The breaker refuses: the upstream has been failing, and the next probe is not due. */
export class BreakerOpenError extends Error {
  override readonly name = 'BreakerOpenError'
}

/** `closed`: calls go through. `open`: they are refused. `half_open`: refused, while a probe is under way. */
export type BreakerState = 'closed' | 'half_open' | 'open'

/** Result of a call. `unknown`: it shows nothing about the upstream, for example because its caller left. */
export type CallOutcome = 'well' | 'failed' | 'unknown'

/** The breaker opens when at least half of the calls in the latest 10 s failed, and there were 20. */
const LEAST_CALLS = 20
const WINDOW_SECONDS = 10
const PROBE_EVERY_MS = 2000

/**
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
  const refuses = () => open && now() < probeAt

  return {
    refuses,
    /**
     * Lets a call through.
     *
     * @returns the era that it begins in, for `report`
     * @throws {@link BreakerOpenError}
     */
    enter(): number {
      if (refuses()) throw new BreakerOpenError('open')
      if (open) {
        probeAt = now() + PROBE_EVERY_MS
        probesOut++
      }
      return era
    },
    /** Takes the outcome of a call; to be called once for each call that `enter` let through. */
    report(begunIn: number, outcome: CallOutcome): void {
      if (begunIn !== era) return
      if (open) {
        judgeProbe(outcome)
        return
      }
      if (outcome === 'unknown') return
      const second = Math.floor(now() / 1000)
      sample.add(second, outcome === 'failed')
      if (outcome === 'failed' && sample.halfFailed(second)) change(true)
    },
    state: (): BreakerState => (open ? (probesOut > 0 ? 'half_open' : 'open') : 'closed'),
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
