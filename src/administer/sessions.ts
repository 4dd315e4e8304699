// Lists, reads and cancels sessions for an admin.

import { ServiceError } from '../lib/errors.ts'
import type { SessionId } from '../lib/ids.ts'
import { type Audit, auditedOnFailure } from '../registry/audit.ts'
import type { Registry } from '../registry/port.ts'
import type { Page, SessionQuery, SessionRecord } from '../registry/records.ts'
import type { Revoke } from '../revoke/revoke.ts'
import { type AdminRequest, auditRead } from './audit.ts'

/** Makes the functions that an admin has for single sessions. */
export function createAdministerSessions({
  registry,
  revoke,
  audit,
}: {
  readonly registry: Pick<Registry, 'listSessions' | 'getSession'>
  readonly revoke: Pick<Revoke, 'cancelSession'>
  readonly audit: Pick<Audit, 'write'>
}) {
  return {
    /** Undefined when the cursor is the id of no session. */
    async listSessions(
      request: AdminRequest,
      query: SessionQuery,
    ): Promise<Page<SessionRecord> | undefined> {
      await auditRead(audit, request, query.user)
      return registry.listSessions(query)
    },

    /** @throws `not_found` */
    async readSession(request: AdminRequest, id: SessionId): Promise<SessionRecord> {
      const session = await registry.getSession(id)
      await auditRead(audit, request, session?.user)
      return session ?? noSuchSession()
    },

    /**
     * Cancels a live session. One that has ended keeps its status, and its running answers end.
     *
     * @returns the session, `cancelling` while the upstream has not confirmed
     * @throws `not_found`
     */
    async cancelSession(
      { actor, requestId }: Pick<AdminRequest, 'actor' | 'requestId'>,
      id: SessionId,
    ): Promise<SessionRecord> {
      const event = { actor, action: 'cancel', reason: id, requestId } as const
      const cancelled = await auditedOnFailure(audit, event, revoke.cancelSession(id, actor))
      const session = cancelled ?? noSuchSession()
      await audit.write({ ...event, user: session.user, outcome: 'ok' })
      return session
    },
  }
}

function noSuchSession(): never {
  throw new ServiceError('not_found', { reason: 'no session with this id' })
}
