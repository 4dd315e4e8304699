/** The breaker refuses: the upstream has been failing, and the next probe is not due. */
export class BreakerOpenError extends Error {
  override readonly name = 'BreakerOpenError'
}

/** `closed` is the good one: calls go through. `half_open`: a probe is out. */
export type BreakerState = 'closed' | 'half_open' | 'open'

/** How a call went. `unknown` says nothing of the upstream: its caller left. */
export type Outcome = 'well' | 'failed' | 'unknown'

/** Keeps calls from an upstream that fails. */
export interface Breaker {
  /**
   * Lets a call through; what it returns is to be told once how the call went.
   *
   * @throws {@link BreakerOpenError}
   */
  enter(): (outcome: Outcome) => void
  /** Whether `enter` would throw. */
  refuses(): boolean
  state(): BreakerState
}

/** Opens when, of at least so many calls in 10 s, half failed. */
const LEAST_CALLS = 20
const WINDOW_SECONDS = 10
const PROBE_EVERY_MS = 2000

/**
 * A breaker that, once open, lets one call through every 2 s, whether or not the one before has come
 * back: a probe that hangs must not keep it open for its whole deadline after the cure. One success
 * closes it; a probe whose caller left leaves its place to the next call.
 *
 * @param now - milliseconds that only go forward
 */
export function createBreaker(now: () => number = () => performance.now()): Breaker {
  let sample = createSample(now)
  let open = false
  let probeAt = 0
  let probesOut = 0
  /** Raised by each change, after which calls that began before it tell old news. */
  let era = 0

  function change(toOpen: boolean): void {
    open = toOpen
    era++
    probesOut = 0
    probeAt = now() + PROBE_EVERY_MS
    sample = createSample(now)
  }

  function judgeProbe(outcome: Outcome): void {
    probesOut--
    if (outcome === 'well') change(false)
    if (outcome === 'unknown') probeAt = now()
  }

  function judgeCall(outcome: Outcome): void {
    if (outcome === 'unknown') return
    sample.add(outcome === 'failed')
    if (outcome === 'failed' && sample.halfFailed()) change(true)
  }

  const refuses = () => open && now() < probeAt

  return {
    refuses,
    enter() {
      if (refuses()) throw new BreakerOpenError('open')
      if (open) {
        probeAt = now() + PROBE_EVERY_MS
        probesOut++
      }
      const begunIn = era
      return (outcome) => {
        if (begunIn !== era) return
        if (open) judgeProbe(outcome)
        else judgeCall(outcome)
      }
    },
    state: () => (open ? (probesOut > 0 ? 'half_open' : 'open') : 'closed'),
  }
}

/** Calls of the latest 10 s, counted by the second. */
function createSample(now: () => number) {
  const slots = Array.from({ length: WINDOW_SECONDS }, () => ({ second: -1, calls: 0, failed: 0 }))
  const second = () => Math.floor(now() / 1000)
  return {
    add(failed: boolean): void {
      const at = second() % WINDOW_SECONDS
      let slot = slots[at]
      if (slot?.second !== second()) {
        slot = { second: second(), calls: 0, failed: 0 }
        slots[at] = slot
      }
      slot.calls++
      if (failed) slot.failed++
    },
    halfFailed(): boolean {
      const recent = slots.filter((slot) => slot.second > second() - WINDOW_SECONDS)
      const calls = recent.reduce((sum, slot) => sum + slot.calls, 0)
      const failed = recent.reduce((sum, slot) => sum + slot.failed, 0)
      return calls >= LEAST_CALLS && failed * 2 >= calls
    },
  }
}
