import { type RateLimitState, rateLimitHeaders } from '../respond/rate-limit.ts'
import { setHeader } from './answer.ts'
import type { AppContext } from './context.ts'

/**
 * Says in the answer how a limit stands.
 *
 * @param c - before its answer is made
 * @param policy - the limit's name, a token
 * @param state - limit and standing
 */
export function setRateLimitHeaders(c: AppContext, policy: string, state: RateLimitState): void {
  const headers = rateLimitHeaders(policy, state)
  for (const [name, value] of Object.entries(headers)) setHeader(c, name, value)
}
