// Decides who is an admin, by the rule of the config file.
import type { AdminSettings } from '../config/settings.ts'
import { scopeOf, type VerifiedClaims, whyRefused } from './evaluate.ts'

/**
 * A token of an issuer that is not on the list makes nobody an admin, whatever it claims. Neither does a
 * rule that fails, or yields anything but true.
 *
 * @returns text for operators, which may quote names of claims; undefined for an admin
 */
export function whyNoAdmin(caller: VerifiedClaims, admins: AdminSettings): string | undefined {
  if (!admins.issuers.includes(caller.issuer)) return 'the issuer is not in `admins.issuers`'
  return whyRefused(admins.when, scopeOf(caller))
}
