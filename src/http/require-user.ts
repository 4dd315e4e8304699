import type { Principal } from '../authenticate/principal.ts'
import type { Settings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { mapUser } from '../map/map-user.ts'
import type { Authentication } from './authentication.ts'
import type { Check } from './context.ts'

/** What {@link requireUser} needs. */
export interface UserGuardOptions {
  readonly authentication: Authentication
  readonly settings: Settings
  readonly hashUser: (user: string) => string
}

/**
 * Authenticates a request of an end user, maps the user, and leaves both in `c.var`.
 *
 * @param options - step 1, and the rules for users
 * @throws what {@link Authentication} throws; `claims_not_mapped`
 */
export function requireUser(options: UserGuardOptions): Check {
  const { authentication, settings, hashUser } = options
  const expressions = new Map(settings.issuers.map(({ issuer, user }) => [issuer, user]))
  // Step 1 gives the same frozen principal for the same token, and equal claims map to equal users.
  const mapped = new WeakMap<Principal, MappedUser>()

  function map(principal: Principal): MappedUser {
    const expression = expressions.get(principal.issuer)
    if (expression === undefined) {
      throw new ServiceError('claims_not_mapped', { reason: 'no user expression for the issuer' })
    }
    const user = mapUser(expression, principal)
    const found = { user, hash: hashUser(user) }
    mapped.set(principal, found)
    return found
  }

  return async (c) => {
    const principal = await authentication(c, { cookiesAllowed: true })
    c.set('principal', principal)
    const { user, hash } = mapped.get(principal) ?? map(principal)
    c.get('trace').user = hash
    c.set('user', user)
  }
}

interface MappedUser {
  readonly user: string
  /** As logs show it. */
  readonly hash: string
}
