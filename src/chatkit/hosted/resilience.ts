import type { Deadline } from '../../lib/deadline.ts'
import { BreakerOpenError, type BreakerState, createBreaker, type Outcome } from './breaker.ts'
import { createPlaces } from './bulkhead.ts'
import { type Exchange, UpstreamFault } from './exchange.ts'
import { retryDelay } from './retry-after.ts'
import { createRetryBudget, type RetryBudget } from './retry-budget.ts'

/** When a call is repeated once: without an answer; with `when_failed`, also after 429 and 5xx. */
export type RetryPolicy = 'never' | 'when_unanswered' | 'when_failed'

/** A call with all its attempts. */
export interface GuardedCall {
  /** One exchange. */
  readonly attempt: () => Promise<Exchange>
  readonly retry: RetryPolicy
  readonly deadline: Deadline
  /** The time of day, in milliseconds. */
  readonly nowMs: number
}

/** Runs calls of one kind: so many at a time, behind a breaker, with or without the one retry. */
export interface Guarded {
  /**
   * @param call - what to do
   * @throws `BreakerOpenError`, `ServiceError` `overloaded`, or what the last attempt threw
   */
  run(call: GuardedCall): Promise<Exchange>
  state(): BreakerState
}

/**
 * As many places as a pool has connections: beyond them calls would wait for each other there, the
 * oldest first and until their deadline. At the usual 150 ms a call, the queue is served in its time.
 */
const PLACES = { places: 256, mostWaiting: 256, longestWait: 250 }

/**
 * A guard of its own for one kind of call: a place, a breaker, and the retry inside it, within a
 * budget. A call counts once, however many attempts it took, and the wait for a place is part of its
 * deadline. Only 5xx, time-outs and network faults count as failures, since a
 * 4xx says that the upstream is well, and a caller who leaves says nothing.
 */
export function createGuarded(): Guarded {
  const breaker = createBreaker()
  const budget = createRetryBudget()
  const places = createPlaces(PLACES)
  return {
    async run(call) {
      if (breaker.refuses()) throw new BreakerOpenError('open')
      if (!places.take()) await places.wait(call.deadline)
      let report: ((outcome: Outcome) => void) | undefined
      try {
        report = breaker.enter()
        const result = await withRetry(call, budget)
        report(result.status >= 500 ? 'failed' : 'well')
        return result
      } catch (error) {
        report?.(outcomeOf(error))
        throw error
      } finally {
        places.free()
      }
    },
    state: breaker.state,
  }
}

async function withRetry(call: GuardedCall, budget: RetryBudget): Promise<Exchange> {
  budget.deposit()
  let first: Exchange | UpstreamFault
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
  first: Exchange | UpstreamFault,
  { retry, deadline, nowMs }: GuardedCall,
): number | undefined {
  const time = { leftMs: deadline.left(), nowMs }
  if (retry === 'never') return undefined
  if (first instanceof UpstreamFault) {
    return first.kind === 'unanswered' ? retryDelay(undefined, time) : undefined
  }
  const failed = first.status === 429 || first.status >= 500
  return failed && retry === 'when_failed' ? retryDelay(first.retryAfter, time) : undefined
}

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof UpstreamFault)) return 'unknown'
  if (error.kind === 'caller_gone') return 'unknown'
  return error.kind === 'too_large' ? 'well' : 'failed'
}
