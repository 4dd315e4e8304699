import type { z } from 'zod'
import { thread, threadDeleted, threadItemPage, threadPage } from '../../chatkit/wire/thread.ts'
import { anyThreadsQuery } from '../admin/threads.ts'
import { itemListQuery, ownThreadsQuery } from '../routes/threads.ts'
import { ANYWHERE, type Answer, AUTHENTICATION, type Operation, UPSTREAM } from './operation.ts'

const COMMON = [
  ...ANYWHERE,
  ...AUTHENTICATION,
  ...UPSTREAM,
  'store_unavailable',
] as const satisfies Operation['problems']

const id = { id: 'The thread, cthr_…' }

const MERGED =
  'Threads of all workflows are merged; without `workflow` and with several sources (API keys, ' +
  'self-hosted servers) `first_id` and `last_id` are opaque, and pages go forward only: `before` is ' +
  'refused with `invalid_request`.'

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

function pageOf(schema: z.ZodType, entry: { readonly id: string }): Answer {
  const { id } = entry
  const example = { object: 'list', data: [entry], first_id: id, last_id: id, has_more: false }
  return { status: 200, description: 'A page.', schema, example }
}

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
  security: ['userToken'],
  problems: [...COMMON, 'claims_not_mapped', 'workflow_not_allowed', 'user_blocked'],
  query: ownThreadsQuery,
  note: "The caller's own; anyone else's is answered like one that does not exist.",
}

const ANY: Side = {
  path: '/v1/admin/threads',
  whose: 'Any',
  tag: 'admin',
  security: ['adminToken'],
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
      answers: [pageOf(threadPage, threadExample)],
    },
    {
      ...common,
      path: `${path}/{id}`,
      method: 'get',
      operationId: `read${whose}Thread`,
      summary: 'Read a thread',
      description: note,
      pathParameters: id,
      answers: [
        { status: 200, description: 'The thread.', schema: thread, example: threadExample },
      ],
    },
    {
      ...common,
      path: `${path}/{id}`,
      method: 'delete',
      operationId: `delete${whose}Thread`,
      summary: 'Delete a thread',
      description: `The thread, its items and attachments. ${note}`,
      pathParameters: id,
      answers: [
        {
          status: 200,
          description: 'It is gone.',
          schema: threadDeleted,
          example: { id: threadExample.id, object: 'chatkit.thread.deleted', deleted: true },
        },
      ],
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
      answers: [pageOf(threadItemPage, itemExample)],
    },
  ]
}

/** The calls about threads: one's own, and the same for admins. */
export const THREAD_OPERATIONS: readonly Operation[] = [OWN, ANY].flatMap(operationsOf)
