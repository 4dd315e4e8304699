import type { MiddlewareHandler } from 'hono'
import type { Settings } from '../config/settings.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Registry } from '../registry/port.ts'
import type { AppEnv } from './app-env.ts'
import { setRateLimitHeaders } from './rate-limit-headers.ts'

/** What {@link limitMints} needs. */
export interface MintLimitOptions {
  readonly registry: Pick<Registry, 'consume' | 'readGuard'>
  readonly settings: Settings
  readonly now: Clock
}

/** Name of the counter of a user's mints. */
export const mintCounter = (user: string): string => `mints:${user}`

/**
 * Counts the mints of each user, on the store that all instances share, and says in the answer what
 * is left. A refused mint counts too: a client in a loop is what the limit is for. A blocked user's
 * client is told so even then: "wait and try again" would keep it in its loop.
 *
 * @param options - counters, limit, time
 * @throws `rate_limited`; `user_blocked`; `store_unavailable`
 */
export function limitMints(options: MintLimitOptions): MiddlewareHandler<AppEnv> {
  const { registry, settings, now } = options
  const limit = settings.limits.mintsPerUser
  return async (c, next) => {
    const state = await registry.consume(mintCounter(c.var.user), { ...limit, nowMs: now() })
    setRateLimitHeaders(c, 'mints', { ...limit, ...state })
    if (!state.allowed) {
      const { user, principal } = c.var
      const guard = await registry.readGuard({ user, identity: principal, now: unixSeconds(now) })
      if (guard.blockedUntil !== undefined) {
        throw new ServiceError('user_blocked', { reason: `blocked until ${guard.blockedUntil}` })
      }
      throw new ServiceError('rate_limited', {
        reason: `more than ${limit.max} mints in ${limit.seconds} s`,
        retryAfterSeconds: state.resetMs / 1000,
      })
    }
    await next()
  }
}
