import type { Handler } from 'hono'
import type { Audit } from '../../registry/audit.ts'
import { actorOf } from '../../registry/identity.ts'
import type { Revoke } from '../../revoke/revoke.ts'
import type { AppEnv } from '../context.ts'

/**
 * `DELETE /v1/sessions`: the caller's own sessions end, also when the caller is blocked.
 *
 * @param options - step 3 and the trail
 */
export function signOut(options: {
  readonly revoke: Revoke
  readonly audit: Audit
}): Handler<AppEnv> {
  return async (c) => {
    const { principal, user, requestId } = c.var
    await options.revoke.signOut(user)
    const actor = actorOf(principal)
    options.audit.note({ actor, action: 'sign_out', user, outcome: 'ok', requestId })
    return c.body(null, 204)
  }
}
