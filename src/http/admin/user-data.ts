// Admin endpoints for all data of one user: export and erase, both as NDJSON.

import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import type { EraseLine } from '../../administer/erase.ts'
import { threadItem } from '../../chatkit/wire/item.ts'
import { thread } from '../../chatkit/wire/thread.ts'
import { kind } from '../../chatkit/wire/wire.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { whyOf } from '../../lib/show.ts'
import { adminRequest } from '../authentication.ts'
import { noFields, readJson } from '../body.ts'
import { answerExport } from '../export-answer.ts'
import { NDJSON, streamLines } from '../ndjson.ts'
import { refuseQuery } from '../query.ts'
import { blockedUntil, type HandlersOf, type RouteDefinitions } from '../route-definition.ts'
import { auditEntry } from './audit.ts'
import { session } from './sessions.ts'
import { pathUser, userInPath } from './users.ts'

const count = z.int().min(0)

const failure = z
  .object({
    what: z.string().describe('A list that ended early (threads), or one entry (thread).'),
    workflow: z.string().optional().describe('The workflow it belongs to.'),
    id: z.string().optional().describe('The entry.'),
    code: z.string().describe('The code, as in problem details.'),
  })
  .meta({ id: 'Failure', description: 'A thing that could not be read or deleted.' })

const ending = {
  complete: z.boolean().describe('False when anything failed or remains.'),
  failed: count.describe('Failures.'),
  failures: z.array(failure).max(100).describe('The first hundred.'),
}

/** A line that holds one object of a kind. */
function lineOf<const T extends string>(type: T, id: string, fields: z.core.$ZodLooseShape) {
  return z.object({ type: kind(type), ...fields }).meta({ id, description: `A line: ${type}.` })
}

const exportLine = z
  .union([
    lineOf('session', 'ExportedSession', { session }),
    lineOf('thread', 'ExportedThread', { thread }),
    lineOf('item', 'ExportedThreadItem', {
      thread_id: z.string().describe('The thread that it is in.'),
      item: threadItem,
    }),
    lineOf('audit', 'ExportedAuditEntry', { audit: auditEntry }),
    lineOf('failure', 'ExportFailure', {
      thread_id: z.string().describe('A thread that could not be read, or not all of it.'),
    }),
    lineOf('summary', 'ExportSummary', {
      sessions: count.describe('Sessions above.'),
      threads: count.describe('Threads above.'),
      items: count.describe('Items above.'),
      audit: count.describe('Audit entries above.'),
      ...ending,
    }),
  ])
  .meta({
    id: 'ExportLine',
    description: 'One line. The last one is the summary; without it the export is truncated.',
  })

const deleted = {
  threads_deleted: count.describe('Threads deleted.'),
  attachments_deleted: count.describe('Attachments deleted at self-hosted servers.'),
  records_erased: count.describe('Sessions and audit entries of this service.'),
}

const endedSessions = z
  .object({
    cancelled: count.describe('Confirmed by the upstream.'),
    cancelling: z.array(z.string()).describe('Not confirmed by OpenAI; retried until it is.'),
  })
  .meta({ id: 'EndedSessions', description: 'The sessions that an erase ended.' })

const eraseLine = z
  .union([
    lineOf('progress', 'EraseProgress', {
      sessions_cancelled: count.describe('Sessions cancelled.'),
      threads_failed: count.describe('Threads that could not be deleted.'),
      ...deleted,
    }),
    lineOf('summary', 'EraseSummary', {
      sessions: endedSessions,
      ...deleted,
      ...ending,
      blocked_until: blockedUntil,
    }),
  ])
  .meta({ id: 'EraseLine', description: 'One line. The last one is the summary.' })

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

const common = { checks: ['admin'], tag: 'admin', pathParameters: userInPath } as const
const streamed = {
  status: 200,
  description: 'JSON lines; the example is the last one.',
  mediaType: NDJSON,
}

export const USER_DATA_ROUTES = {
  exportUser: {
    ...common,
    method: 'GET',
    path: '/v1/admin/users/{user}/export',
    summary: 'Export all data of a user',
    description:
      'Sessions, threads with their items, and the audit about the user, streamed as JSON ' +
      'lines. Data that an upstream does not give is named in the summary, and the export goes on. An admin ' +
      'may have two exports under way.',
    problems: ['rate_limited', 'overloaded'],
    answers: [{ ...streamed, schema: exportLine, example: exportExample }],
  },
  eraseUser: {
    ...common,
    method: 'POST',
    path: '/v1/admin/users/{user}/erase',
    summary: 'Erase a user',
    description:
      'Blocks the user while it runs, cancels their sessions, deletes their threads and attachments, ' +
      'then the records of this service about them. Progress and the outcome come as JSON lines. It ' +
      'goes on to its end when the client leaves, and is safe to repeat. The audit entries that ' +
      'prove the erase stay. An admin cannot erase themselves, because they would be blocked.',
    requestBody: { schema: noFields, example: {} },
    answers: [{ ...streamed, schema: eraseLine, example: eraseExample }],
  },
} satisfies RouteDefinitions

/** Handlers of {@link USER_DATA_ROUTES}. An erase goes on to its end when the client leaves. */
export function userData({
  administer,
  log,
  now,
}: {
  readonly administer: Pick<Administer, 'exportUser' | 'eraseUser'>
  readonly log: Log
  readonly now: Clock
}): HandlersOf<typeof USER_DATA_ROUTES> {
  return {
    exportUser(c) {
      refuseQuery(c)
      return answerExport(c, { administer, log, now }, pathUser(c))
    },
    async eraseUser(c) {
      await readJson(c, noFields)
      refuseQuery(c)
      const lines = await administer.eraseUser(adminRequest(c), pathUser(c))
      return streamLines(c, oneByOne(lines), {
        atOnce: true,
        onError: (error) =>
          log.error({ ...whyOf(error), request_id: c.var.requestId }, 'an erase broke off'),
      })
    },
  }
}

async function* oneByOne(lines: AsyncIterable<EraseLine>) {
  for await (const line of lines) yield [line]
}
