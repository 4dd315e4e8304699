import type { Handler } from 'hono'
import { z } from 'zod'
import type { Settings } from '../../config/settings.ts'
import { ServiceError } from '../../lib/errors.ts'
import { requireWorkflow } from '../../map/choose-workflow.ts'
import type { Caller } from '../../mint/standing.ts'
import type { Audit } from '../../registry/audit.ts'
import { actorOf, identityOf } from '../../registry/identity.ts'
import type { Threads } from '../../threads/threads.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { listParameters, pathId, query, refuseQuery, validQuery } from '../query.ts'
import { callOptions } from '../upstream-call-options.ts'

/** What both lists of threads take. */
export const threadListParameters = {
  ...listParameters,
  /** Longer than an id: the cursor of a merged list names a thread of each source. */
  after: z.string().min(1).max(8192).optional(),
  workflow: z.string().min(1).max(2048).optional(),
}

/** Query of `GET /v1/threads`: `user` is not for the caller to say. */
export const ownThreadsQuery = z.strictObject(threadListParameters)

/** Query of `GET /v1/threads/{id}/items`. */
export const itemListQuery = z.strictObject(listParameters)

/** What the thread routes need. */
export interface ThreadRoutesOptions {
  readonly settings: Settings
  readonly threads: Threads
  readonly checkStanding: (caller: Caller) => Promise<void>
  readonly audit: Audit
}

/** `GET /v1/threads` */
export function listOwnThreads(options: ThreadRoutesOptions): Handler<AppEnv>[] {
  const { workflows } = options.settings
  const list = async (c: AppContext) => {
    const asked = validQuery(c, ownThreadsQuery)
    const { principal, user } = c.var
    if (asked.workflow !== undefined) requireWorkflow(workflows, principal, asked.workflow)
    await requireStanding(c, options)
    return c.json(await options.threads.listOwn(user, asked, callOptions(c)))
  }
  return [query(ownThreadsQuery), list]
}

/** `GET /v1/threads/{id}` */
export function readOwnThread(options: ThreadRoutesOptions): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    const id = pathId(c)
    await requireStanding(c, options)
    return c.json(await options.threads.retrieveOwn(c.var.user, id, callOptions(c)))
  }
}

/** `GET /v1/threads/{id}/items` */
export function listOwnItems(options: ThreadRoutesOptions): Handler<AppEnv>[] {
  const list = async (c: AppContext) => {
    const thread = { id: pathId(c), query: validQuery(c, itemListQuery) }
    await requireStanding(c, options)
    return c.json(await options.threads.listOwnItems(c.var.user, thread, callOptions(c)))
  }
  return [query(itemListQuery), list]
}

/** `DELETE /v1/threads/{id}` */
export function deleteOwnThread(options: ThreadRoutesOptions): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    const id = pathId(c)
    await requireStanding(c, options)
    try {
      const deleted = await options.threads.deleteOwn(c.var.user, id, callOptions(c))
      noteDelete(c, options.audit, { outcome: 'ok', reason: id })
      return c.json(deleted)
    } catch (error) {
      const code = error instanceof ServiceError ? error.code : 'internal_error'
      // It may be gone all the same.
      if (code !== 'not_found') noteDelete(c, options.audit, { outcome: 'failed', reason: code })
      throw error
    }
  }
}

/** The mint's own rule: a blocked user, and a token from before a logout, read nothing either. */
async function requireStanding(
  c: AppContext,
  { checkStanding }: ThreadRoutesOptions,
): Promise<void> {
  const { principal, user } = c.var
  const identity = identityOf(principal)
  await checkStanding({ user, identity, tokenIssuedAt: principal.issuedAt })
}

function noteDelete(
  c: AppContext,
  audit: Audit,
  what: { readonly outcome: 'ok' | 'failed'; readonly reason: string },
): void {
  const { principal, user, requestId } = c.var
  const actor = actorOf(principal)
  audit.note({ actor, action: 'delete_thread', user, ...what, requestId })
}
