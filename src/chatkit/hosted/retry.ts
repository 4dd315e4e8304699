// Repeats a failed call once. Decides whether to repeat it, how long to wait, and for which share of all calls.

import type { Deadline } from '../../lib/deadline.ts'
import { waitSeconds } from '../wire/retry-after.ts'
import { type UpstreamAnswer, UpstreamFault } from './exchange.ts'

/** When a failed call is repeated once. `when_unanswered`: if no answer came. `when_failed`: also after 429 and 5xx. */
export type RetryPolicy = 'never' | 'when_unanswered' | 'when_failed'

/** A call that can be sent more than once. */
export interface RepeatableCall {
  /** Sends the request once. */
  readonly attempt: () => Promise<UpstreamAnswer>
  readonly retry: RetryPolicy
  readonly deadline: Deadline
  /** The time of day, in milliseconds. */
  readonly nowMs: number
}

/**
 * Sends a call, and repeats it once if its policy, its deadline and the budget allow that.
 *
 * @returns the last answer, whatever its status
 * @throws the error of the last attempt
 */
export async function withRetry(
  call: RepeatableCall,
  budget: ReturnType<typeof createRetryBudget>,
): Promise<UpstreamAnswer> {
  budget.deposit()
  let first: UpstreamAnswer | UpstreamFault
  try {
    first = await call.attempt()
  } catch (error) {
    if (!(error instanceof UpstreamFault)) throw error
    first = error
  }
  const wait = waitBeforeRetry(first, call)
  if (wait !== undefined && budget.withdraw()) {
    await call.deadline.pause(wait)
    return call.attempt()
  }
  if (first instanceof UpstreamFault) throw first
  return first
}

function waitBeforeRetry(
  first: UpstreamAnswer | UpstreamFault,
  { retry, deadline, nowMs }: RepeatableCall,
): number | undefined {
  if (retry === 'never') return undefined
  const fault = first instanceof UpstreamFault
  const repeats = fault
    ? first.kind === 'unanswered'
    : retry === 'when_failed' && (first.status === 429 || first.status >= 500)
  if (!repeats) return undefined
  return retryDelay(fault ? undefined : first.retryAfter, { leftMs: deadline.left(), nowMs })
}

/** Share of calls that may be retried. */
const SHARE = 0.2
/** Retries available at once; the same number as the calls that the breaker needs before it opens. */
const MOST_AT_ONCE = 20
/** Retries per second that refill even without traffic: all of them within 10 s. */
const REFILL_PER_SECOND = 2

/**
 * Keeps retries from doubling the load on an upstream that fails. While at most one call in five fails, each failed
 * call is repeated; beyond that, a fifth of all calls (as in the retry budgets of Finagle and Linkerd).
 *
 * @param now - a clock that never goes back, in milliseconds
 */
export function createRetryBudget(now: () => number = () => performance.now()) {
  let balance = MOST_AT_ONCE
  let refilledAt = now()
  return {
    /** Each call adds to the budget. */
    deposit(): void {
      balance = Math.min(MOST_AT_ONCE, balance + SHARE)
    },
    /** Takes one retry out; false when there is none. */
    withdraw(): boolean {
      const time = now()
      const refill = ((time - refilledAt) / 1000) * REFILL_PER_SECOND
      balance = Math.min(MOST_AT_ONCE, balance + refill)
      refilledAt = time
      if (balance < 1) return false
      balance--
      return true
    },
  }
}

/** Added to every wait, so that callers with the same `Retry-After` do not all retry at the same moment. */
const PAUSE_MS = { least: 100, spread: 200 }

/** Least time left for a retry. With less, the caller would get a time-out instead of the upstream's answer. */
const ATTEMPT_NEEDS_MS = 500

/**
 * Milliseconds to wait before a retry: the time that the upstream asks for and a short random pause.
 * Undefined when that does not fit into the time left, or when the `Retry-After` cannot be read.
 *
 * @param header - the answer's `Retry-After`; undefined when there is no such header or no answer
 * @param time - milliseconds until the deadline, and the time of day for dates
 */
export function retryDelay(
  header: string | undefined,
  time: { readonly leftMs: number; readonly nowMs: number },
): number | undefined {
  const wanted = header === undefined ? 0 : waitSeconds(header, time.nowMs) * 1000
  const wait = wanted + PAUSE_MS.least + Math.random() * PAUSE_MS.spread
  return wait + ATTEMPT_NEEDS_MS < time.leftMs ? wait : undefined
}
