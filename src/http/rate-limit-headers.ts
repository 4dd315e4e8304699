// Sets the headers that tell a client the state of a rate limit (draft-ietf-httpapi-ratelimit-headers).

import type { RateLimit } from '../config/settings.ts'
import type { Count } from '../registry/records.ts'
import { setHeader } from './answer.ts'
import type { AppContext } from './context.ts'

/**
 * Sets `RateLimit-Policy` and `RateLimit` on the coming answer, for one policy: a later call replaces an
 * earlier one.
 *
 * @param limit.policy - the limit's name, a token
 */
export function setRateLimitHeaders(
  c: AppContext,
  limit: RateLimit & { readonly policy: string },
  { used, resetMs }: Count,
): void {
  const { policy, max, seconds } = limit
  const remaining = Math.max(0, max - used)
  setHeader(c, 'RateLimit-Policy', `"${policy}";q=${max};w=${seconds}`)
  setHeader(c, 'RateLimit', `"${policy}";r=${remaining};t=${Math.ceil(resetMs / 1000)}`)
}
