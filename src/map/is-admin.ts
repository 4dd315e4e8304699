// Decides who is an admin, by the rule of the config file.
import type { AdminSettings } from '../config/settings.ts'
import { scopeOf, type VerifiedClaims, whyRefused } from './evaluate.ts'

/**
 * An issuer that is not on the list cannot make an admin, whatever its tokens claim. A rule that fails,
 * or yields anything but true, makes nobody an admin.
 */
export function isAdmin(caller: VerifiedClaims, admins: AdminSettings): boolean {
  return (
    admins.issuers.includes(caller.issuer) && whyRefused(admins.when, scopeOf(caller)) === undefined
  )
}
