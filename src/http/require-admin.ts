import type { AdminRequest } from '../administer/audit.ts'
import type { CallOptions } from '../chatkit/port.ts'
import type { AdminSettings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { isAdmin } from '../map/is-admin.ts'
import type { Audit } from '../registry/audit.ts'
import { actorOf } from '../registry/identity.ts'
import type { Authentication } from './authentication.ts'
import type { AppContext, Check } from './context.ts'

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
    const actor = actorOf(principal)
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
 * The request as `administer/` takes it.
 *
 * @param c - behind {@link requireAdmin}, or a page of the console
 * @param call - goes with upstream calls
 */
export function adminRequest(c: AppContext, call?: CallOptions): AdminRequest {
  const { admin: actor, requestId } = c.var
  return { actor, requestId, route: `${c.req.method} ${c.req.routePath}`, call }
}
