import type { z } from 'zod'
import { thread, threadDeleted, threadItemPage, threadPage } from '../chatkit/wire-thread.ts'
import { anyThreadsQuery } from './admin-threads.ts'
import { ANYWHERE, AUTHENTICATION, type Operation, UPSTREAM } from './openapi-operation.ts'
import { itemListQuery, ownThreadsQuery } from './threads.ts'

const COMMON = [
  ...ANYWHERE,
  ...AUTHENTICATION,
  ...UPSTREAM,
  'overloaded',
  'store_unavailable',
] as const satisfies Operation['problems']

const id = { id: 'The thread, cthr_…' }

const MERGED =
  'Threads of all workflows are merged; without `workflow` and with several sources (API keys, ' +
  'self-hosted servers) `first_id` and `last_id` are opaque, and a page takes `after` or `before`, ' +
  'not both.'

interface Side {
  readonly path: string
  readonly whose: 'Own' | 'Any'
  readonly tag: string
  readonly security: Operation['security']
  readonly problems: Operation['problems']
  readonly query: z.ZodObject
  readonly note: string
}

const OWN: Side = {
  path: '/v1/threads',
  whose: 'Own',
  tag: 'threads',
  security: 'userToken',
  problems: [...COMMON, 'claims_not_mapped', 'workflow_not_allowed', 'user_blocked'],
  query: ownThreadsQuery,
  note: "The caller's own; anyone else's is answered like one that does not exist.",
}

const ANY: Side = {
  path: '/v1/admin/threads',
  whose: 'Any',
  tag: 'admin',
  security: 'adminToken',
  problems: [...COMMON, 'admin_required'],
  query: anyThreadsQuery,
  note: "Any user's. What admins read and delete is in the audit trail.",
}

function operationsOf({ path, whose, query, note, ...common }: Side): readonly Operation[] {
  return [
    {
      ...common,
      path,
      method: 'get',
      operationId: `list${whose}Threads`,
      summary: 'List threads',
      description: `${note} ${MERGED}`,
      query,
      answers: [{ status: 200, description: 'A page.', schema: threadPage }],
    },
    {
      ...common,
      path: `${path}/{id}`,
      method: 'get',
      operationId: `read${whose}Thread`,
      summary: 'Read a thread',
      description: note,
      pathParameters: id,
      answers: [{ status: 200, description: 'The thread.', schema: thread }],
    },
    {
      ...common,
      path: `${path}/{id}`,
      method: 'delete',
      operationId: `delete${whose}Thread`,
      summary: 'Delete a thread',
      description: `The thread, its items and attachments. ${note}`,
      pathParameters: id,
      answers: [{ status: 200, description: 'It is gone.', schema: threadDeleted }],
    },
    {
      ...common,
      path: `${path}/{id}/items`,
      method: 'get',
      operationId: `list${whose}Items`,
      summary: "List a thread's items",
      description: note,
      pathParameters: id,
      query: itemListQuery,
      answers: [{ status: 200, description: 'A page.', schema: threadItemPage }],
    },
  ]
}

/** The calls about threads: one's own, and the same for admins. */
export const THREAD_OPERATIONS: readonly Operation[] = [OWN, ANY].flatMap(operationsOf)
