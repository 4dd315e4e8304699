// Checks of a route that let only users, or only admins, through; and what the audit calls an admin.

import type { AdminRequest } from '../administer/audit.ts'
import type { Authenticator } from '../authenticate/authenticate.ts'
import type { Principal } from '../authenticate/claims.ts'
import type { CallOptions } from '../chatkit/port.ts'
import type { AdminSettings, Settings } from '../config/settings.ts'
import { isCode, ServiceError } from '../lib/errors.ts'
import { parseUserId, type UserId } from '../lib/ids.ts'
import { whyNoAdmin } from '../map/evaluate.ts'
import type { UserOf } from '../map/map-user.ts'
import type { Caller } from '../mint/standing.ts'
import type { Audit } from '../registry/audit.ts'
import { actorOf, identityOf } from '../registry/identity.ts'
import type { AppContext, Check } from './context.ts'
import { readCredential } from './credentials.ts'
import type { FailedAuth } from './failed-auth.ts'
import type { Origins } from './origins.ts'

/** Finds and verifies the token of a request. */
export type CallerOf = ReturnType<typeof createCallerOf>

/**
 * The function that is returned throws `missing_token`, `invalid_token`, `token_expired`,
 * `idp_unavailable`, `invalid_request`, and over the limit `rate_limited` instead of
 * `invalid_token`.
 */
export function createCallerOf({
  authenticate,
  origins,
  settings,
  failedAuth,
}: {
  readonly authenticate: Authenticator['authenticate']
  readonly origins: Origins
  readonly settings: Pick<Settings, 'issuers'>
  readonly failedAuth: Pick<FailedAuth, 'counted'>
}) {
  const cookieNames = new Set(settings.issuers.flatMap(({ cookie }) => cookie ?? []))
  const headerNames = new Set(settings.issuers.flatMap(({ tokenHeader }) => tokenHeader ?? []))
  const accepted = { origins, headerNames: [...headerNames], cookieNames }

  return async (c: AppContext, userCall: boolean): Promise<Principal> => {
    const credential = readCredential(c, accepted, userCall)
    try {
      return await authenticate(credential.token, credential)
    } catch (error) {
      // An identity provider that is down, or a token that has expired, is no sign of an attack.
      if (!(error instanceof ServiceError) || error.code !== 'invalid_token') throw error
      throw await failedAuth.counted(c, error)
    }
  }
}

/**
 * Lets users through, and leaves principal and ChatKit user in `c.var`.
 *
 * The check throws what {@link CallerOf} throws, and `claims_not_mapped`.
 */
export function requireUser({
  callerOf,
  userOf,
}: {
  readonly callerOf: CallerOf
  readonly userOf: UserOf
}): Check {
  return async (c) => {
    const principal = await callerOf(c, true)
    c.set('principal', principal)
    const { user, hash } = userOf(principal)
    c.get('facts').user = hash
    c.set('user', user)
  }
}

/**
 * Lets admins through, and leaves their actor in `c.var.admin` and their ChatKit user in `c.var.user`.
 * Refused attempts go to the audit. Only `Authorization` counts here, so that no other site can make an
 * admin's browser act. A block or a logout holds for admins as it does for users.
 *
 * The check throws what {@link CallerOf} throws, `admin_required`, and what `checkStanding` throws.
 */
export function requireAdmin({
  callerOf,
  userOf,
  admins,
  audit,
  checkStanding,
}: {
  readonly callerOf: CallerOf
  readonly userOf: UserOf
  readonly admins: AdminSettings
  readonly audit: Audit
  readonly checkStanding: (caller: Caller) => Promise<void>
}): Check {
  // Step 1 gives the same frozen principal for the same token, and equal claims give the rule's equal results.
  const known = new WeakSet<Principal>()
  return async (c) => {
    const principal = await callerOf(c, false)
    try {
      const why = known.has(principal) ? undefined : whyNoAdmin(principal, admins)
      if (why !== undefined) {
        throw new ServiceError('admin_required', { reason: `the caller is not an admin: ${why}` })
      }
      known.add(principal)
      const user = userOfAdmin(userOf, principal)
      if (user === undefined) throw noUser()
      const identity = identityOf(principal)
      await checkStanding({ user, identity, tokenIssuedAt: principal.issuedAt })
      c.set('user', user)
    } catch (error) {
      const reason = `${c.req.method} ${c.req.routePath}`
      const event = { ...selfOf(userOf, principal), reason, requestId: c.var.requestId }
      const outcome = isCode(error, 'store_unavailable') ? 'failed' : 'refused'
      audit.note({ ...event, action: 'admin_attempt', outcome })
      throw error
    }
    c.set('admin', actorOf(principal))
  }
}

/**
 * The ChatKit user whose block holds for an admin: the one that their claims map to, else their actor;
 * undefined when neither can be a user.
 */
export function userOfAdmin(
  userOf: UserOf,
  admin: Pick<Principal, 'issuer' | 'subject' | 'claims'>,
): UserId | undefined {
  try {
    return userOf(admin).user
  } catch {
    // An admin may lack the claims that users have.
  }
  return parseUserId(actorOf(admin))
}

/** The error of an admin who is no user by {@link userOfAdmin}. */
export function noUser(): ServiceError {
  return new ServiceError('claims_not_mapped', { reason: 'neither claims nor actor name a user' })
}

/** Actor and user of an audit entry about its own actor, whose name an erase of the user removes. */
export function selfOf(userOf: UserOf, admin: Parameters<typeof userOfAdmin>[1]) {
  const user = userOfAdmin(userOf, admin)
  return { actor: actorOf(admin), user, byUser: user !== undefined }
}

/**
 * The part of a request that `administer/` needs.
 *
 * @param c - a request that {@link requireAdmin} or the console has let through
 */
export function adminRequest(c: AppContext, call?: CallOptions): AdminRequest {
  const { admin: actor, user: ownUser, requestId } = c.var
  return { actor, ownUser, requestId, route: `${c.req.method} ${c.req.routePath}`, call }
}
