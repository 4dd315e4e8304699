// Judges a caller by what the registry says of the user: whether blocked or logged out.

import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { UserId } from '../lib/ids.ts'
import { hashSecret, type Secret } from '../lib/secret.ts'
import type { Registry } from '../registry/port.ts'
import type { StandingQuery, TokenIdentity, UserStanding } from '../registry/records.ts'

/** An end user, as their verified token describes them. */
export interface Caller {
  /** The ChatKit user. */
  readonly user: UserId
  readonly identity: TokenIdentity & { readonly subject: string }
  /** The token's `iat`. */
  readonly tokenIssuedAt: number | undefined
}

/**
 * The query for the standing of a caller, and for the session of the secret that the client still holds.
 */
export function standingQuery(
  { user, identity }: Caller,
  now: Clock,
  currentSecret?: Secret,
): StandingQuery {
  const currentSecretHash = currentSecret && hashSecret(currentSecret)
  return { user, identity, currentSecretHash, now: unixSeconds(now) }
}

/**
 * Makes the check for calls that mint nothing: blocked and logged-out users may not read either.
 *
 * The check throws `user_blocked`, `invalid_token` (logged out) or `store_unavailable`.
 */
export function createCheckStanding({
  registry,
  now,
}: {
  readonly registry: Pick<Registry, 'readStanding'>
  readonly now: Clock
}) {
  return async (caller: Caller): Promise<void> => {
    const standing = await registry.readStanding(standingQuery(caller, now))
    refuseBlocked(standing)
    refuseLoggedOut(standing, caller.tokenIssuedAt)
  }
}

/** @throws ServiceError `user_blocked` */
export function refuseBlocked({ blockedUntil }: UserStanding): void {
  if (blockedUntil === undefined) return
  throw new ServiceError('user_blocked', { reason: `blocked until ${blockedUntil}` })
}

/**
 * OpenID Connect Back-Channel Logout 1.0 §2.7: a token issued before the logout is refused.
 *
 * @param tokenIssuedAt - the token's `iat`
 * @throws ServiceError `invalid_token`
 */
export function refuseLoggedOut(
  { loggedOutAt }: UserStanding,
  tokenIssuedAt: number | undefined,
): void {
  if (loggedOutAt === undefined) return
  if (tokenIssuedAt === undefined || tokenIssuedAt < loggedOutAt) throw loggedOut()
}

export function loggedOut(): ServiceError {
  return new ServiceError('invalid_token', { reason: 'issued before the user was logged out' })
}
