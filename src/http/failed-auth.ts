// Counts failed authentications by client address: whoever guesses tokens, client secrets or passwords is
// refused for a while. A valid credential is never refused here.

import type { RateLimit } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Audit } from '../registry/audit.ts'
import type { AuditAction } from '../registry/audit-entry.ts'
import type { Registry } from '../registry/port.ts'
import { addressKey, type ClientAddressOptions, createClientAddress } from './client-address.ts'
import type { AppContext } from './context.ts'
import { setRateLimitHeaders } from './rate-limits.ts'

export type FailedAuth = ReturnType<typeof createFailedAuth>

/**
 * Only failures are counted, and only failures are refused over the limit: a good token must work even
 * when somebody else sends bad ones from the same address.
 */
export function createFailedAuth({
  settings,
  registry,
  audit,
  now,
}: {
  readonly settings: ClientAddressOptions & {
    readonly limits: { readonly failedAuthPerIp: RateLimit }
  }
  readonly registry: Pick<Registry, 'consume'>
  readonly audit: Pick<Audit, 'note'>
  readonly now: Clock
}) {
  const clientAddress = createClientAddress(settings)
  const limit = settings.limits.failedAuthPerIp
  const keyOf = (c: AppContext) => addressKey(clientAddress(c))

  return {
    /** The address whose failures count together. */
    addressOf: keyOf,
    /** Counts a failure. Returns the failure itself within the limit, `rate_limited` beyond it. */
    async counted(c: AppContext, failure: ServiceError): Promise<ServiceError> {
      try {
        const count = await registry.consume(`failed-auth:${keyOf(c)}`, { ...limit, nowMs: now() })
        setRateLimitHeaders(c, { ...limit, name: 'failed-auth' }, count)
        if (count.used <= limit.max) return failure
        return new ServiceError('rate_limited', {
          reason: `failed authentications of one address; the last: ${failure.reason}`,
          detail:
            'Too many failed sign-ins from this address. Wait for the seconds in Retry-After.',
          retryAfterSeconds: count.resetMs / 1000,
        })
      } catch {
        // When the store cannot count, the bad credential is refused all the same.
        return failure
      }
    },
    /** Writes a failure to the audit, whose actor is the address: nobody else is known. */
    note(c: AppContext, action: AuditAction): void {
      const reason = `${c.req.method} ${c.req.routePath}`
      const { requestId } = c.var
      audit.note({ actor: `address:${keyOf(c)}`, action, outcome: 'refused', reason, requestId })
    },
  }
}
