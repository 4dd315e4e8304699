// Limits how often a user may ask for their own threads.
import type { RateLimit } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Registry } from '../registry/port.ts'
import type { AppContext } from './context.ts'

/**
 * The check counts the request. It sets no headers that tell how much is left: the answer about someone
 * else's thread must equal the one about a thread that does not exist.
 *
 * @throws `rate_limited`
 */
export function createLimitReads({
  registry,
  limit,
  now,
}: {
  readonly registry: Pick<Registry, 'consume'>
  readonly limit: RateLimit
  readonly now: Clock
}) {
  return async (c: AppContext): Promise<void> => {
    const state = await registry.consume(`reads:${c.var.user}`, { ...limit, nowMs: now() })
    if (state.allowed) return
    throw new ServiceError('rate_limited', {
      reason: `more than ${limit.max} reads of a user in ${limit.seconds} s`,
      retryAfterSeconds: state.resetMs / 1000,
    })
  }
}
