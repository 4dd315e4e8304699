import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Registry } from '../registry/port.ts'
import type { TokenIdentity, UserStanding } from '../registry/records.ts'

/** Who calls, with which token. */
export interface Caller {
  /** The ChatKit user. */
  readonly user: string
  readonly identity: TokenIdentity
  /** The token's `iat`. */
  readonly tokenIssuedAt: number | undefined
}

/** Whether a caller is welcome at all: neither blocked nor logged out. */
export type CheckStanding = (caller: Caller) => Promise<void>

/**
 * What a mint asks before anything else, for calls that mint nothing.
 *
 * @param options - the books, the time
 * @returns a function that throws `user_blocked`, `invalid_token` (logged out), `store_unavailable`
 */
export function createCheckStanding(options: {
  readonly registry: Pick<Registry, 'readStanding'>
  readonly now: Clock
}): CheckStanding {
  return async ({ user, identity, tokenIssuedAt }) => {
    const now = unixSeconds(options.now)
    const standing = await options.registry.readStanding({ user, identity, now })
    refuseBlocked(standing)
    refuseLoggedOut(standing, tokenIssuedAt)
  }
}

/** @throws ServiceError `user_blocked` */
export function refuseBlocked({ blockedUntil }: UserStanding): void {
  if (blockedUntil === undefined) return
  throw new ServiceError('user_blocked', { reason: `blocked until ${blockedUntil}` })
}

/**
 * OpenID Connect Back-Channel Logout 1.0 §2.7: what was issued before the logout is over.
 *
 * @param standing - from the books
 * @param tokenIssuedAt - the token's `iat`
 * @throws ServiceError `invalid_token`
 */
export function refuseLoggedOut(
  { loggedOutAt }: UserStanding,
  tokenIssuedAt: number | undefined,
): void {
  if (loggedOutAt === undefined) return
  if (tokenIssuedAt === undefined || tokenIssuedAt < loggedOutAt) {
    throw new ServiceError('invalid_token', { reason: 'issued before the user was logged out' })
  }
}
