import type { MiddlewareHandler } from 'hono'
import { ServiceError } from '../../lib/errors.ts'
import type { Audit } from '../../registry/audit.ts'
import { actorOf } from '../../registry/identity.ts'
import type { AppContext, AppEnv } from '../context.ts'

/**
 * Notes each mint in the trail: what it came to, and of which rule a refusal was. A request that was
 * not understood, or whose caller is not known, is in the access log alone.
 *
 * @param audit - the trail
 */
export function auditMints(audit: Audit): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await next()
    const outcome = outcomeOf(c)
    const principal = c.get('principal')
    if (outcome === undefined || principal === undefined) return
    const [user, requestId, trace] = [c.get('user'), c.get('requestId'), c.get('trace')]
    const actor = actorOf(principal)
    const reason = c.error instanceof ServiceError ? c.error.code : trace.workflow
    audit.note({ actor, action: 'mint', user, outcome, reason, requestId })
  }
}

function outcomeOf(c: AppContext): 'ok' | 'refused' | 'failed' | undefined {
  const { status } = c.res
  if (status < 400) return 'ok'
  if (status >= 500) return 'failed'
  return status === 401 || status === 403 || status === 429 ? 'refused' : undefined
}
