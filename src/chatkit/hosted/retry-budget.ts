/** Says whether a call may be repeated. */
export interface RetryBudget {
  /** Each call adds to it. */
  deposit(): void
  /** Takes one retry out; false when there is none. */
  withdraw(): boolean
}

/** Of the calls, as many may be repeated. */
const SHARE = 0.2
/** These may be at any time: the breaker looks at as many calls before it opens. */
const AT_HAND = 20
/** They are made up for within 10 s although nobody calls. */
const PER_SECOND = 2

/**
 * Keeps retries from doubling the load on an upstream that fails: while one call in five or fewer
 * fails each is repeated, and beyond that a fifth of all calls are (as the retry budgets of Finagle and
 * Linkerd have it).
 *
 * @param now - milliseconds that only go forward
 */
export function createRetryBudget(now: () => number = () => performance.now()): RetryBudget {
  let balance = AT_HAND
  let asked = now()
  return {
    deposit() {
      balance = Math.min(AT_HAND, balance + SHARE)
    },
    withdraw() {
      const time = now()
      balance = Math.min(AT_HAND, balance + ((time - asked) / 1000) * PER_SECOND)
      asked = time
      if (balance < 1) return false
      balance--
      return true
    },
  }
}
