// Counts calls of a user, refuses those over a limit, and tells clients the state of a limit
// (draft-ietf-httpapi-ratelimit-headers).

import type { RateLimit } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Registry } from '../registry/port.ts'
import type { Count, UserCounter } from '../registry/records.ts'
import { setHeader } from './answer.ts'
import type { AppContext } from './context.ts'

/** A limit, and what it counts. */
interface NamedLimit extends RateLimit {
  /** A token: it stands in the headers. */
  readonly name: string
  /** For the caller of a refused call; the usual advice when absent. */
  readonly detail?: string
}

/**
 * Makes the check that counts a call of `c.var.user`. It throws `rate_limited` over the limit. It sets no headers: with
 * the number of calls that are left, the answer about another user's thread would differ from that about a thread
 * that does not exist.
 *
 * @param parts - `limit.name`: begins the key of each counter
 */
export function createUserLimit({
  registry,
  limit,
  now,
}: {
  readonly registry: Pick<Registry, 'consume'>
  readonly limit: NamedLimit & { readonly name: UserCounter }
  readonly now: Clock
}) {
  const { name, max, seconds } = limit
  return async (c: AppContext): Promise<void> => {
    const key = `${name}:${c.var.user}`
    const count = await registry.consume(key, { seconds, nowMs: now() })
    if (count.used > max) throw overLimit(count, limit)
  }
}

/** The refusal of a call whose count is over the limit. */
export function overLimit(
  { resetMs }: Count,
  { name, max, seconds, detail }: NamedLimit,
): ServiceError {
  return new ServiceError('rate_limited', {
    reason: `more than ${max} ${name} of a user in ${seconds} s`,
    ...(detail !== undefined && { detail }),
    retryAfterSeconds: resetMs / 1000,
  })
}

/**
 * Sets `RateLimit-Policy` and `RateLimit` on the coming answer, for one limit: a later call replaces an
 * earlier one.
 */
export function setRateLimitHeaders(
  c: AppContext,
  { name, max, seconds }: NamedLimit,
  { used, resetMs }: Count,
): void {
  const remaining = Math.max(0, max - used)
  setHeader(c, 'RateLimit-Policy', `"${name}";q=${max};w=${seconds}`)
  setHeader(c, 'RateLimit', `"${name}";r=${remaining};t=${Math.ceil(resetMs / 1000)}`)
}
