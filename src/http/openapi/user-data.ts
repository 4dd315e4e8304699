import { z } from 'zod'
import { thread } from '../../chatkit/wire/thread.ts'
import { ADMIN, auditEntry, session } from './admin.ts'
import { BODY, type Operation } from './operation.ts'

const count = z.int().min(0)

const failure = z.object({
  what: z.string().describe('A list that ended early (threads), or one entry (thread).'),
  workflow: z.string().optional(),
  id: z.string().optional(),
  code: z.string().describe('As in problem details.'),
})

const ending = {
  complete: z.boolean().describe('False when anything failed or is left.'),
  failed: count,
  failures: z.array(failure).describe('The first hundred.'),
}

const exportLine = z
  .union([
    z.object({ type: z.literal('session'), session }),
    z.object({ type: z.literal('thread'), thread }),
    z.object({
      type: z.literal('item'),
      thread_id: z.string(),
      item: z.looseObject({ id: z.string(), object: z.literal('chatkit.thread_item') }),
    }),
    z.object({ type: z.literal('audit'), audit: auditEntry }),
    z.object({
      type: z.literal('summary'),
      sessions: count,
      threads: count,
      items: count,
      audit: count,
      ...ending,
    }),
  ])
  .describe('One line. The last one is the summary; without it the export is truncated.')

const deleted = {
  threads_deleted: count,
  attachments_deleted: count.describe('Of self-hosted servers.'),
  records_erased: count.describe('Sessions and audit entries of this service.'),
}

const eraseLine = z
  .union([
    z.object({
      type: z.literal('progress'),
      sessions_cancelled: count,
      threads_failed: count,
      ...deleted,
    }),
    z.object({
      type: z.literal('summary'),
      sessions: z.object({
        cancelled: count,
        cancelling: z.array(z.string()).describe('Not confirmed by OpenAI; retried until it is.'),
      }),
      ...deleted,
      ...ending,
      blocked_until: z.int().nullable().describe('Unix seconds; null when no block stands.'),
    }),
  ])
  .describe('One line. The last one is the summary.')

const exportExample = {
  type: 'summary',
  sessions: 2,
  threads: 1,
  items: 6,
  audit: 9,
  complete: true,
  failed: 0,
  failures: [],
}

const eraseExample = {
  type: 'summary',
  sessions: { cancelled: 1, cancelling: [] },
  threads_deleted: 1,
  attachments_deleted: 0,
  records_erased: 11,
  complete: true,
  failed: 0,
  failures: [],
  blocked_until: null,
}

const common = {
  tag: 'admin',
  security: ['adminToken'],
  pathParameters: { user: 'The ChatKit user, percent-encoded.' },
} as const
const mediaType = 'application/x-ndjson'

/** Data requests and deletion; they exist when the config has `admins`. */
export const USER_DATA_OPERATIONS: readonly Operation[] = [
  {
    ...common,
    path: '/v1/admin/users/{user}/export',
    method: 'get',
    operationId: 'exportUser',
    summary: 'Export all there is of a user',
    description:
      'Sessions, threads with their items, and the audit trail about the user, streamed as JSON ' +
      'lines. What an upstream does not give is named in the summary, and the rest goes on.',
    answers: [
      {
        status: 200,
        description: 'JSON lines; the example is the last one.',
        mediaType,
        schema: exportLine,
        example: exportExample,
      },
    ],
    problems: ADMIN,
  },
  {
    ...common,
    path: '/v1/admin/users/{user}/erase',
    method: 'post',
    operationId: 'eraseUser',
    summary: 'Erase a user',
    description:
      'Blocks the user while it runs, takes their sessions, deletes their threads and attachments, ' +
      'then what this service has on the books. Progress and the outcome come as JSON lines. It ' +
      'goes on to its end when the client leaves, and is safe to repeat. The audit entries that ' +
      'prove the erase stay.',
    requestBody: { schema: z.strictObject({}), example: {} },
    answers: [
      {
        status: 200,
        description: 'JSON lines; the example is the last one.',
        mediaType,
        schema: eraseLine,
        example: eraseExample,
      },
    ],
    problems: [...ADMIN, ...BODY],
  },
]
