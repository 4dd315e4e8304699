import type { VerifiedClaims } from '../map/evaluate.ts'
import type { MappedUser } from '../map/map-user.ts'
import type { Authentication } from './authentication.ts'
import type { Check } from './context.ts'

/** What {@link requireUser} needs. */
export interface UserGuardOptions {
  readonly authentication: Authentication
  readonly userOf: (principal: VerifiedClaims) => MappedUser
}

/**
 * Authenticates a request of an end user, maps the user, and leaves both in `c.var`.
 *
 * @param options - step 1, and the rules for users
 * @throws what {@link Authentication} throws; `claims_not_mapped`
 */
export function requireUser(options: UserGuardOptions): Check {
  const { authentication, userOf } = options
  return async (c) => {
    const principal = await authentication(c, { cookiesAllowed: true })
    c.set('principal', principal)
    const { user, hash } = userOf(principal)
    c.get('trace').user = hash
    c.set('user', user)
  }
}
