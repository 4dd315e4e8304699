// Records in the audit what an admin reads, and lets admins read that log.

import type { CallOptions } from '../chatkit/port.ts'
import type { UserId } from '../lib/ids.ts'
import type { Audit } from '../registry/audit.ts'
import type { AuditEntry, AuditQuery } from '../registry/audit-entry.ts'
import type { Registry } from '../registry/port.ts'
import type { Page, SessionRecord } from '../registry/records.ts'

/** One request of an admin; every function of this folder takes it first. */
export interface AdminRequest {
  /** The admin: `issuer|subject`. */
  readonly actor: string
  /** The admin's own ChatKit user, which they may not block. */
  readonly ownUser: UserId
  readonly requestId: string
  /** Method and pattern of the route, such as `GET /v1/admin/blocks`; never a path, which can hold users. */
  readonly route: string
  /** Options for the upstream calls; absent when the request makes none. */
  readonly call?: CallOptions | undefined
}

/**
 * Records a read. Await it before anything is shown: if a read cannot be recorded, it is refused.
 *
 * @param user - absent when the data is not of one user
 */
export async function auditRead(
  audit: Pick<Audit, 'write'>,
  { actor, requestId, route: reason }: AdminRequest,
  user?: string,
): Promise<void> {
  await audit.write({ actor, action: 'admin_read', user, outcome: 'ok', reason, requestId })
}

/** Makes the functions that an admin has for the audit. */
export function createAdministerAudit({
  registry,
  audit,
}: {
  readonly registry: Pick<Registry, 'listAudit'>
  readonly audit: Pick<Audit, 'write' | 'flush'>
}) {
  return {
    /** Newest first; undefined when no entry has the cursor's id. */
    async readAudit(
      request: AdminRequest,
      query: AuditQuery,
    ): Promise<Page<AuditEntry> | undefined> {
      await auditRead(audit, request, query.user)
      // The page must also show entries that still wait to be written.
      await audit.flush()
      return registry.listAudit(query)
    },

    /**
     * Finds why an admin revoked the user of a session. Undefined when no admin's revoke ended the session, or
     * when its reason is not on record.
     */
    async reasonOfEnd(session: SessionRecord): Promise<string | undefined> {
      const { user, endReason, endedAt, endedBy: actor } = session
      if (endReason !== 'revoked' || endedAt === undefined) return undefined
      // The entry is written after the sessions have ended: the first one of this actor since then.
      const within = { since: endedAt, until: endedAt + 60, limit: 20 }
      const page = await registry.listAudit({ user, actor, action: 'revoke', ...within })
      return page?.data.at(-1)?.reason
    },
  }
}
