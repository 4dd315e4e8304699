import type { MiddlewareHandler } from 'hono'
import type { Settings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Registry } from '../registry/port.ts'
import type { AppEnv } from './app-env.ts'
import { setRateLimitHeaders } from './rate-limit-headers.ts'

/** What {@link limitMints} needs. */
export interface MintLimitOptions {
  readonly registry: Pick<Registry, 'consume'>
  readonly settings: Settings
  readonly now: Clock
}

/**
 * Counts the mints of each user, on the store that all instances share, and says in the answer what
 * is left. A refused mint counts too: a client in a loop is what the limit is for.
 *
 * @param options - counters, limit, time
 * @throws `rate_limited`; `store_unavailable`
 */
export function limitMints(options: MintLimitOptions): MiddlewareHandler<AppEnv> {
  const { registry, settings, now } = options
  const limit = settings.limits.mintsPerUser
  return async (c, next) => {
    const key = `mints:${c.var.user}`
    const state = await registry.consume(key, { ...limit, nowMs: now() })
    setRateLimitHeaders(c, 'mints', { ...limit, ...state })
    if (!state.allowed) {
      throw new ServiceError('rate_limited', {
        reason: `more than ${limit.max} mints in ${limit.seconds} s`,
        retryAfterSeconds: state.resetMs / 1000,
      })
    }
    await next()
  }
}
