import type { Settings } from '../../config/settings.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { refuseBlocked } from '../../mint/standing.ts'
import { identityOf } from '../../registry/identity.ts'
import type { Registry } from '../../registry/port.ts'
import type { Check } from '../context.ts'
import { setRateLimitHeaders } from '../rate-limit-headers.ts'

/** What {@link limitMints} needs. */
export interface MintLimitOptions {
  readonly registry: Pick<Registry, 'beginMint'>
  readonly settings: Settings
  readonly now: Clock
}

/**
 * Counts the mints of each user, on the store that all instances share, and says in the answer what
 * is left. A refused mint counts too: a client in a loop is what the limit is for. A blocked user's
 * client is told so even then: "wait and try again" would keep it in its loop. The standing, which the
 * same step reads, waits in `c.var` for the mint: it is judged after body and workflow rule.
 *
 * @param options - counters, limit, time
 * @throws `rate_limited`; `user_blocked`; `store_unavailable`
 */
export function limitMints(options: MintLimitOptions): Check {
  const { registry, settings, now } = options
  const limit = settings.limits.mintsPerUser
  return async (c) => {
    const identity = identityOf(c.get('principal'))
    const question = { user: c.get('user'), identity, now: unixSeconds(now) }
    const { rate, standing } = await registry.beginMint(question, { ...limit, nowMs: now() })
    setRateLimitHeaders(c, 'mints', { ...limit, ...rate })
    if (!rate.allowed) {
      if (standing !== undefined) refuseBlocked(standing)
      throw new ServiceError('rate_limited', {
        reason: `more than ${limit.max} mints in ${limit.seconds} s`,
        retryAfterSeconds: rate.resetMs / 1000,
      })
    }
    c.set('standing', standing)
  }
}
