// Lists and finds users for an admin, and reads the standing, sessions, threads and audit entries of one.

import type { ThreadPage } from '../chatkit/wire/thread.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { UserId } from '../lib/ids.ts'
import type { Audit } from '../registry/audit.ts'
import type { AuditEntry } from '../registry/audit-entry.ts'
import { NO_IDENTITY } from '../registry/identity.ts'
import type { KnownUser, UserQuery } from '../registry/known-users.ts'
import type { Registry } from '../registry/port.ts'
import type { Block, Page } from '../registry/records.ts'
import type { Threads } from '../threads/threads.ts'
import { type AdminRequest, auditRead } from './audit.ts'

/** A user as they stand now. */
export interface FoundUser {
  /** Whether the user ever had a session, as far as the registry still knows. */
  readonly known: boolean
  readonly liveSessions: number
  /** The block that holds now, if one does. */
  readonly block: Block | undefined
  /** The newest entry of an erase, for a user who is not known. */
  readonly erased: AuditEntry | undefined
}

/** Makes the functions that an admin has to find users and to read one. */
export function createAdministerUsers({
  registry,
  audit,
  threads,
  now,
}: {
  readonly registry: Pick<
    Registry,
    'readStanding' | 'getBlock' | 'isKnown' | 'listUsers' | 'listSessions' | 'listAudit'
  >
  readonly audit: Pick<Audit, 'write' | 'flush'>
  readonly threads: Pick<Threads, 'list'>
  readonly now: Clock
}) {
  async function find(user: UserId): Promise<FoundUser> {
    const seconds = unixSeconds(now)
    const [{ liveSessions = 0 }, block, known] = await Promise.all([
      registry.readStanding({ user, identity: NO_IDENTITY, exactFrom: 1, now: seconds }),
      registry.getBlock(user, seconds),
      registry.isKnown(user),
    ])
    const erases = known ? undefined : await registry.listAudit({ user, action: 'erase', limit: 1 })
    return { known, liveSessions, block, erased: erases?.data[0] }
  }

  return {
    /** Undefined when the cursor is no user of this list. */
    async listUsers(request: AdminRequest, query: UserQuery): Promise<Page<KnownUser> | undefined> {
      await auditRead(audit, request)
      return registry.listUsers(query)
    },

    /** The user's current state, for a page that asks whether to go on. */
    async findUser(request: AdminRequest, user: UserId): Promise<FoundUser> {
      await auditRead(audit, request, user)
      return find(user)
    },

    /** Gives at most `limit` entries of each list. For an unknown user the lists are empty. */
    async readUser(request: AdminRequest, user: UserId, limit: number) {
      await auditRead(audit, request, user)
      await audit.flush()
      const list = { user, limit, order: 'desc' } as const
      const [found, sessions, entries, threadsOrError] = await Promise.all([
        find(user),
        registry.listSessions({ ...list, now: unixSeconds(now) }),
        registry.listAudit({ user, limit, notAction: 'admin_read' }),
        orError(threads.list(list, request.call)),
      ])
      return {
        ...found,
        sessions: sessions?.data ?? [],
        /** Without the reads of admins. */
        entries: entries?.data ?? [],
        threads: threadsOrError,
      }
    },
  }
}

/** If the upstream is down, only the threads are missing. If the store is down, nothing can be shown. */
async function orError(threads: Promise<ThreadPage>): Promise<ThreadPage | ServiceError> {
  try {
    return await threads
  } catch (error) {
    if (error instanceof ServiceError && error.code !== 'store_unavailable') return error
    throw error
  }
}
