// The caller's own threads: list, read, read items, delete. The definitions of the admin's calls are made here, too.

import { z } from 'zod'
import { thread, threadDeleted, threadItemPage, threadPage } from '../../chatkit/wire/thread.ts'
import type { Settings } from '../../config/settings.ts'
import { ServiceError } from '../../lib/errors.ts'
import { parseThreadId } from '../../lib/ids.ts'
import { requireWorkflow } from '../../map/choose-workflow.ts'
import type { Caller } from '../../mint/standing.ts'
import type { Audit } from '../../registry/audit.ts'
import { actorOf, identityOf } from '../../registry/identity.ts'
import type { Threads } from '../../threads/threads.ts'
import type { AppContext } from '../context.ts'
import { listParameters, pathId, refuseQuery, validQuery } from '../query.ts'
import {
  type HandlersOf,
  idInPath,
  jsonAnswer,
  pageAnswer,
  type RouteDefinition,
  type RouteDefinitions,
  UPSTREAM,
} from '../route-definition.ts'
import { readOptions } from '../upstream-call-options.ts'

/** Query parameters of both lists of threads. */
export const threadListParameters = {
  ...listParameters,
  /** Longer than an id: the cursor of a merged list names a thread of each source. */
  after: z.string().min(1).max(8192).optional().describe('Threads after this: `last_id`.'),
  workflow: z.string().min(1).max(2048).optional().describe('Threads of this workflow only.'),
}

/** Has no `user`, because the caller cannot choose one. */
const ownThreadsQuery = z.strictObject(threadListParameters)

export const itemListQuery = z.strictObject(listParameters)

const threadExample = {
  id: 'cthr_68e5c1f0',
  object: 'chatkit.thread',
  created_at: 1_790_000_000,
  status: { type: 'active' },
  title: 'Return of order 1042',
  user: 'https://login.acme.example/|alice',
}

const itemExample = {
  id: 'cthi_68e5c1f4',
  object: 'chatkit.thread_item',
  created_at: 1_790_000_004,
  thread_id: 'cthr_68e5c1f0',
  type: 'chatkit.assistant_message',
  content: [{ type: 'output_text', text: 'You can send it back until Friday.', annotations: [] }],
}

/**
 * Definitions of the calls about threads, alike for users and admins.
 *
 * @param parts - `note`: describes the threads that the caller sees
 */
export function threadRoutes({
  path,
  note,
  query,
  ...shared
}: Pick<RouteDefinition, 'path' | 'checks' | 'tag' | 'problems'> & {
  readonly note: string
  readonly query: z.ZodObject
}) {
  const one = {
    ...shared,
    path: `${path}/{id}`,
    pathParameters: { id: idInPath('The thread, cthr_…', threadExample.id) },
  } as const
  return {
    list: {
      ...shared,
      path,
      method: 'GET',
      summary: 'List threads',
      description:
        `${note} Threads of all workflows are merged; without \`workflow\` and with several sources ` +
        '(API keys, self-hosted servers) `first_id` and `last_id` are opaque, and pages go forward ' +
        'only: `before` is refused with `invalid_request`. Such a cursor holds when its thread has been ' +
        'deleted since. With one source the cursor is the id of a thread that must still exist: after a ' +
        'delete, take the thread before it on the page.',
      query,
      answers: [pageAnswer(threadPage, threadExample, threadExample.id)],
    },
    read: {
      ...one,
      method: 'GET',
      summary: 'Read a thread',
      description: note,
      answers: [jsonAnswer('The thread.', thread, threadExample)],
    },
    remove: {
      ...one,
      method: 'DELETE',
      summary: 'Delete a thread',
      description: `The thread, its items and attachments. ${note}`,
      answers: [
        jsonAnswer('The thread is deleted.', threadDeleted, {
          id: threadExample.id,
          object: 'chatkit.thread.deleted',
          deleted: true,
        }),
      ],
    },
    items: {
      ...one,
      path: `${path}/{id}/items`,
      method: 'GET',
      summary: "List a thread's items",
      description: note,
      query: itemListQuery,
      answers: [pageAnswer(threadItemPage, itemExample, itemExample.id)],
    },
  } as const satisfies RouteDefinitions
}

const own = threadRoutes({
  path: '/v1/threads',
  checks: ['user', 'reads'],
  tag: 'threads',
  query: ownThreadsQuery,
  note: "The caller's own; anyone else's is answered like one that does not exist.",
  problems: ['workflow_not_allowed', 'user_blocked', ...UPSTREAM],
})

export const OWN_THREAD_ROUTES = {
  listOwnThreads: own.list,
  readOwnThread: own.read,
  deleteOwnThread: own.remove,
  listOwnItems: own.items,
}

/** Handlers of {@link OWN_THREAD_ROUTES}. */
export function ownThreads({
  settings: { workflows },
  threads,
  checkStanding,
  audit,
}: {
  readonly settings: Pick<Settings, 'workflows'>
  readonly threads: Threads
  readonly checkStanding: (caller: Caller) => Promise<void>
  readonly audit: Audit
}): HandlersOf<typeof OWN_THREAD_ROUTES> {
  /** As for a mint, a blocked user may read nothing, nor may a token from before a logout. */
  async function requireStanding(c: AppContext): Promise<void> {
    const { principal, user } = c.var
    const identity = identityOf(principal)
    await checkStanding({ user, identity, tokenIssuedAt: principal.issuedAt })
  }

  function noteDelete(c: AppContext, outcome: 'ok' | 'failed', reason: string): void {
    const { principal, user, requestId } = c.var
    const actor = actorOf(principal)
    audit.note({ actor, action: 'delete_thread', user, byUser: true, outcome, reason, requestId })
  }

  return {
    async listOwnThreads(c) {
      const asked = validQuery(c, ownThreadsQuery)
      const { principal, user } = c.var
      if (asked.workflow !== undefined) requireWorkflow(workflows, principal, asked.workflow)
      await requireStanding(c)
      return c.json(await threads.listOwn(user, asked, readOptions(c)))
    },
    async readOwnThread(c) {
      refuseQuery(c)
      const id = pathId(c, parseThreadId)
      await requireStanding(c)
      return c.json(await threads.retrieveOwn(c.var.user, id, readOptions(c)))
    },
    async deleteOwnThread(c) {
      refuseQuery(c)
      const id = pathId(c, parseThreadId)
      await requireStanding(c)
      try {
        const deleted = await threads.deleteOwn(c.var.user, id, readOptions(c))
        noteDelete(c, 'ok', id)
        return c.json(deleted)
      } catch (error) {
        const code = error instanceof ServiceError ? error.code : 'internal_error'
        // A delete whose answer was lost may still have deleted the thread.
        if (code !== 'not_found') noteDelete(c, 'failed', code)
        throw error
      }
    },
    async listOwnItems(c) {
      const thread = { id: pathId(c, parseThreadId), query: validQuery(c, itemListQuery) }
      await requireStanding(c)
      return c.json(await threads.listOwnItems(c.var.user, thread, readOptions(c)))
    },
  }
}
