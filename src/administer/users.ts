// Reads a user's standing and the newest sessions, threads and audit entries, for an admin.

import type { ThreadPage } from '../chatkit/wire/thread.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Audit } from '../registry/audit.ts'
import type { Registry } from '../registry/port.ts'
import type { Threads } from '../threads/threads.ts'
import { type AdminRequest, auditRead } from './audit.ts'

/** Makes the function that reads a user. */
export function createReadUser({
  registry,
  audit,
  threads,
  now,
}: {
  readonly registry: Pick<Registry, 'readStanding' | 'listSessions' | 'listAudit'>
  readonly audit: Audit
  readonly threads: Pick<Threads, 'list'>
  readonly now: Clock
}) {
  /** Gives at most `limit` entries of each list. For an unknown user the lists are empty. */
  return async (request: AdminRequest, user: string, limit: number) => {
    await auditRead(audit, request, user)
    await audit.flush()
    const seconds = unixSeconds(now)
    const list = { user, limit, order: 'desc' } as const
    const [standing, sessions, entries, found] = await Promise.all([
      registry.readStanding({ user, identity: { issuer: '' }, now: seconds }),
      registry.listSessions({ ...list, now: seconds }),
      registry.listAudit({ user, limit }),
      orError(threads.list(list, request.call)),
    ])
    return {
      standing,
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
