// Lists, reads and deletes the threads of all users for an admin.

import type { ThreadDeleted, ThreadItemPage, ThreadPage } from '../chatkit/wire/thread.ts'
import type { ListQuery } from '../chatkit/wire/wire.ts'
import { isCode } from '../lib/errors.ts'
import type { ThreadId } from '../lib/ids.ts'
import { type Audit, auditedOnFailure } from '../registry/audit.ts'
import type { FoundThread } from '../threads/find-thread.ts'
import type { Threads } from '../threads/threads.ts'
import { type AdminRequest, auditRead } from './audit.ts'

/** Makes the functions that an admin has for threads. All throw what the sources throw. */
export function createAdministerThreads({
  threads,
  audit,
}: {
  readonly threads: Pick<Threads, 'list' | 'find' | 'listItems' | 'locate' | 'delete'>
  readonly audit: Pick<Audit, 'write'>
}) {
  /** Writes the read to the audit before the thread is returned, also when there is no such thread. */
  async function findThread(request: AdminRequest, id: ThreadId): Promise<FoundThread> {
    try {
      const found = await threads.find(id, request.call)
      await auditRead(audit, request, found.thread.user)
      return found
    } catch (error) {
      if (isCode(error, 'not_found')) {
        await auditRead(audit, request)
      }
      throw error
    }
  }

  return {
    /** Threads of one user, or of everyone. */
    async listThreads(
      request: AdminRequest,
      query: Parameters<Threads['list']>[0],
    ): Promise<ThreadPage> {
      await auditRead(audit, request, query.user)
      return threads.list(query, request.call)
    },

    /** @throws `not_found` */
    findThread,

    /**
     * A thread with a page of its items.
     *
     * @throws `not_found`
     */
    async readItems(
      request: AdminRequest,
      { id, query }: { readonly id: ThreadId; readonly query: ListQuery },
    ): Promise<FoundThread & { readonly items: ThreadItemPage }> {
      const found = await findThread(request, id)
      return { ...found, items: await threads.listItems(found, query, request.call) }
    },

    /**
     * Writes to the audit before the thread is deleted, and again when that fails.
     *
     * @throws `not_found`
     */
    async deleteThread(
      { actor, requestId, call }: Pick<AdminRequest, 'actor' | 'requestId' | 'call'>,
      id: ThreadId,
    ): Promise<ThreadDeleted> {
      const event = { actor, action: 'delete_thread', reason: id, requestId } as const
      const located = await auditedOnFailure(audit, event, threads.locate(id, call))
      const ofUser = { ...event, user: located.user }
      await audit.write({ ...ofUser, outcome: 'ok' })
      return auditedOnFailure(audit, ofUser, threads.delete(located, call))
    },
  }
}
