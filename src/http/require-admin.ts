import type { Principal } from '../authenticate/principal.ts'
import type { AdminSettings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Audit } from '../registry/audit.ts'
import type { Authentication } from './authentication.ts'
import type { Check } from './context.ts'

/** What {@link requireAdmin} needs. */
export interface AdminGuardOptions {
  readonly authentication: Authentication
  readonly admins: AdminSettings
  readonly audit: Audit
}

/**
 * Lets admins through, and leaves who it is in `c.var.admin`. Cookies never count here. An issuer
 * that is not on the list cannot make an admin, whatever its tokens claim.
 *
 * @param options - step 1, the rule, the trail that refused attempts go to
 * @throws what {@link Authentication} throws; `admin_required`
 */
export function requireAdmin(options: AdminGuardOptions): Check {
  const { authentication, admins, audit } = options
  return async (c) => {
    const principal = await authentication(c, { cookiesAllowed: false })
    const actor = `${principal.issuer}|${principal.subject}`
    if (!isAdmin(principal, admins)) {
      const reason = `${c.req.method} ${c.req.routePath}`
      const { requestId } = c.var
      audit.note({ actor, action: 'admin_attempt', outcome: 'refused', reason, requestId })
      throw new ServiceError('admin_required', { reason: 'the token is not an admin’s' })
    }
    c.set('admin', actor)
  }
}

/**
 * An expression that fails, or yields anything but true, makes nobody an admin; nor does an issuer
 * that is not on the list.
 *
 * @param principal - whose claims a signature holds for
 * @param admins - the rule
 */
export function isAdmin(
  { issuer, claims }: Pick<Principal, 'issuer' | 'claims'>,
  admins: AdminSettings,
): boolean {
  if (!admins.issuers.includes(issuer)) return false
  try {
    return admins.when.evaluate({ issuer, claims, input: {} }) === true
  } catch {
    return false
  }
}
