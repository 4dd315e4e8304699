// Decides who is an admin, by the rule of the config file.
import type { AdminSettings } from '../config/settings.ts'
import { scopeOf, type VerifiedClaims, whyRefused } from './evaluate.ts'

/**
 * A token of an issuer that is not on the list makes nobody an admin, whatever it claims. Neither does a
 * rule that fails, or yields anything but true.
 */
export function isAdmin(caller: VerifiedClaims, admins: AdminSettings): boolean {
  return (
    admins.issuers.includes(caller.issuer) && whyRefused(admins.when, scopeOf(caller)) === undefined
  )
}
