import type { Handler } from 'hono'
import { z } from 'zod'
import { MAX_USER_CHARACTERS, text } from '../../chatkit/wire/wire.ts'
import type { Settings } from '../../config/settings.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { Audit, AuditEvent } from '../../registry/audit.ts'
import type { FoundThread } from '../../threads/find-thread.ts'
import type { Threads } from '../../threads/threads.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { pathId, query, refuseQuery, validQuery } from '../query.ts'
import { itemListQuery, threadListParameters } from '../routes/threads.ts'
import { callOptions } from '../upstream-call-options.ts'
import { auditRead } from './sessions.ts'

/** Query of `GET /v1/admin/threads`. */
export const anyThreadsQuery = z.strictObject({
  ...threadListParameters,
  user: text(MAX_USER_CHARACTERS).optional(),
})

/** What the admin's thread routes need. */
export interface AdminThreadRoutesOptions {
  readonly settings: Settings
  readonly threads: Threads
  readonly audit: Audit
}

/** `GET /v1/admin/threads` */
export function listAnyThreads(options: AdminThreadRoutesOptions): Handler<AppEnv>[] {
  const { settings, threads, audit } = options
  const list = async (c: AppContext) => {
    const asked = validQuery(c, anyThreadsQuery)
    const { workflow } = asked
    if (workflow !== undefined && !settings.workflows.some(({ name }) => name === workflow)) {
      throw unknownWorkflow()
    }
    await auditRead(c, audit, asked.user)
    return c.json(await threads.list(asked, callOptions(c)))
  }
  return [query(anyThreadsQuery), list]
}

/** `GET /v1/admin/threads/{id}` */
export function readAnyThread(options: AdminThreadRoutesOptions): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    const { thread } = await findForRead(c, options)
    return c.json(thread)
  }
}

/** `GET /v1/admin/threads/{id}/items` */
export function listAnyItems(options: AdminThreadRoutesOptions): Handler<AppEnv>[] {
  const list = async (c: AppContext) => {
    const asked = validQuery(c, itemListQuery)
    const found = await findForRead(c, options)
    return c.json(await options.threads.listItems(found, asked, callOptions(c)))
  }
  return [query(itemListQuery), list]
}

/** `DELETE /v1/admin/threads/{id}`: in the trail before it is done, and again when it fails. */
export function deleteAnyThread({ threads, audit }: AdminThreadRoutesOptions): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    const id = pathId(c)
    const { admin: actor, requestId } = c.var
    const event = { actor, action: 'delete_thread', reason: id, requestId } as const
    const call = callOptions(c)
    const found = await auditedOnFailure(audit, event, () => threads.find(id, call))
    const { user } = found.thread
    await audit.write({ ...event, user, outcome: 'ok' })
    const failing = { ...event, user }
    return c.json(await auditedOnFailure(audit, failing, () => threads.delete(found, call)))
  }
}

/**
 * The thread in the path. What is found out, by whom, is in the trail before it is shown; of a thread
 * that is not there too.
 *
 * @param c - of the admin's request
 * @param options - where to look, the trail
 * @throws `invalid_request`, `not_found`, what the sources throw
 */
export async function findForRead(
  c: AppContext,
  { threads, audit }: { readonly threads: Pick<Threads, 'find'>; readonly audit: Audit },
): Promise<FoundThread> {
  const id = pathId(c)
  try {
    const found = await threads.find(id, callOptions(c))
    await auditRead(c, audit, found.thread.user)
    return found
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'not_found') await auditRead(c, audit)
    throw error
  }
}

async function auditedOnFailure<T>(
  audit: Audit,
  event: Omit<AuditEvent, 'outcome'>,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run()
  } catch (error) {
    await audit.write({ ...event, outcome: 'failed' })
    throw error
  }
}

function unknownWorkflow(): ServiceError {
  return new ServiceError('invalid_request', {
    reason: 'a workflow that is not in the config',
    detail: 'The query parameter "workflow" is of no workflow of the config.',
  })
}
