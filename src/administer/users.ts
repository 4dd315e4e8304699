// Lists and finds users for an admin, and reads the standing, sessions, threads and audit entries of one.

import type { ThreadPage } from '../chatkit/wire/thread.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { UserId } from '../lib/ids.ts'
import type { Audit } from '../registry/audit.ts'
import type { KnownUser, UserQuery } from '../registry/known-users.ts'
import type { Registry } from '../registry/port.ts'
import type { Page } from '../registry/records.ts'
import type { Threads } from '../threads/threads.ts'
import { type AdminRequest, auditRead } from './audit.ts'

/** Makes the function that lists users, or finds them by the beginning of a name. */
export function createListUsers({
  registry,
  audit,
}: {
  readonly registry: Pick<Registry, 'listUsers'>
  readonly audit: Audit
}) {
  /** Undefined when the cursor is no user of this list. */
  return async (request: AdminRequest, query: UserQuery): Promise<Page<KnownUser> | undefined> => {
    await auditRead(audit, request)
    return registry.listUsers(query)
  }
}

/** Makes the function that reads a user. */
export function createReadUser({
  registry,
  audit,
  threads,
  now,
}: {
  readonly registry: Pick<Registry, 'readStanding' | 'isKnown' | 'listSessions' | 'listAudit'>
  readonly audit: Audit
  readonly threads: Pick<Threads, 'list'>
  readonly now: Clock
}) {
  /** Gives at most `limit` entries of each list. For an unknown user the lists are empty. */
  return async (request: AdminRequest, user: UserId, limit: number) => {
    await auditRead(audit, request, user)
    await audit.flush()
    const seconds = unixSeconds(now)
    const list = { user, limit, order: 'desc' } as const
    const [standing, known, sessions, entries, found] = await Promise.all([
      registry.readStanding({ user, identity: { issuer: '' }, now: seconds }),
      registry.isKnown(user),
      registry.listSessions({ ...list, now: seconds }),
      registry.listAudit({ user, limit }),
      orError(threads.list(list, request.call)),
    ])
    return {
      standing,
      /** Whether the user ever had a session. */
      known,
      sessions: sessions?.data ?? [],
      entries: entries?.data ?? [],
      threads: found,
    }
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
