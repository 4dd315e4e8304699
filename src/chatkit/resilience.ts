import type { Deadline } from '../lib/deadline.ts'
import { ServiceError } from '../lib/errors.ts'
import { type BreakerState, createBreaker, type Outcome } from './breaker.ts'
import { type Exchange, UpstreamFault } from './exchange.ts'
import { retryDelay } from './retry-after.ts'

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

/** Runs calls of one kind: not too many at a time, behind a breaker, with or without the one retry. */
export interface Guarded {
  /**
   * @param call - what to do
   * @throws `BreakerOpenError`, `ServiceError` `overloaded`, or what the last attempt threw
   */
  run(call: GuardedCall): Promise<Exchange>
  state(): BreakerState
}

/** More than twice the connections of a pool would wait for each other until their deadline. */
const MOST_UNDER_WAY = 512

/**
 * A guard of its own for one kind of call, with the retry inside the breaker: a call counts once,
 * however many attempts it took. Only 5xx, time-outs and network faults count as failures, since a
 * 4xx says that the upstream is well, and a caller who leaves says nothing.
 */
export function createGuarded(): Guarded {
  const breaker = createBreaker()
  let underWay = 0
  return {
    async run(call) {
      if (underWay >= MOST_UNDER_WAY) {
        throw new ServiceError('overloaded', { reason: `${underWay} calls under way` })
      }
      const report = breaker.enter()
      underWay++
      try {
        const result = await withRetry(call)
        report(result.status >= 500 ? 'failed' : 'well')
        return result
      } catch (error) {
        report(outcomeOf(error))
        throw error
      } finally {
        underWay--
      }
    },
    state: breaker.state,
  }
}

async function withRetry(call: GuardedCall): Promise<Exchange> {
  const first = await attemptOnce(call)
  const wait = waitBeforeRetry(first, call)
  if (wait !== undefined) {
    await call.deadline.pause(wait)
    return call.attempt()
  }
  if (first instanceof UpstreamFault) throw first
  return first
}

async function attemptOnce({ attempt }: GuardedCall): Promise<Exchange | UpstreamFault> {
  try {
    return await attempt()
  } catch (error) {
    if (error instanceof UpstreamFault) return error
    throw error
  }
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
