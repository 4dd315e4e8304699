import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'

/** What the ChatKit API gives a session when nobody says otherwise, and the most that it gives. */
const DEFAULT_SECONDS = 600

/** What a session's life depends on. */
export interface Lifetime {
  /** The workflow's `expires_after.seconds`. */
  readonly configured: number | undefined
  /** The issuer's `sessions_end_with_token`. */
  readonly sessionsEndWithToken: boolean
  /** The token's `exp`, Unix seconds. */
  readonly tokenExpiresAt: number
  readonly now: Clock
}

/**
 * How long the session to mint is to live.
 *
 * @param lifetime - what it depends on
 * @returns whole seconds, at least 1; undefined leaves it to the API's default
 * @throws ServiceError `token_expired` when the session must end with its token and less than a second
 * of that is left, which the clock tolerance makes possible
 */
export function sessionSeconds(lifetime: Lifetime): number | undefined {
  const { configured, sessionsEndWithToken, tokenExpiresAt, now } = lifetime
  if (!sessionsEndWithToken) return configured
  const left = Math.floor(tokenExpiresAt - now() / 1000)
  if (left < 1) {
    throw new ServiceError('token_expired', {
      reason: 'the session must end with its token, which has less than a second left',
    })
  }
  return Math.min(configured ?? DEFAULT_SECONDS, left)
}
