import type { Handler } from 'hono'
import { z } from 'zod'
import {
  type EraseLine,
  type EraseOptions,
  type EraseSummary,
  eraseUser,
} from '../../administer/erase.ts'
import { type ExportLine, type ExportOptions, exportUser } from '../../administer/export.ts'
import { unixSeconds } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { AuditAction } from '../../registry/audit.ts'
import { presentAuditEntry, presentSession } from '../../respond/views.ts'
import { clientGone } from '../client-gone.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { jsonBody } from '../json-body.ts'
import { NDJSON, streamLines } from '../ndjson.ts'
import { refuseQuery } from '../query.ts'
import type { AdminOptions } from './sessions.ts'
import { pathUser } from './users.ts'

/** What export and erase need besides. */
export interface UserDataOptions extends AdminOptions {
  readonly sources: ExportOptions['sources']
  readonly onForeign: ExportOptions['onForeign']
  readonly cancelAll: EraseOptions['cancelAll']
  readonly log: Log
}

/** `GET /v1/admin/users/{user}/export`: all there is of a user, as NDJSON; the last line is a summary. */
export function exportUserData(options: UserDataOptions): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    return answerExport(c, options, pathUser(c))
  }
}

/**
 * Answers with a user's data, once the export is in the trail.
 *
 * @param c - of the admin's request
 * @param options - sources, trail, log
 * @param user - whose
 */
export async function answerExport(
  c: AppContext,
  options: UserDataOptions,
  user: string,
): Promise<Response> {
  const { audit, log, now } = options
  await auditData(c, options, { action: 'export', user })
  // What waits for its batch belongs to what there is.
  await audit.flush()
  if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': NDJSON })
  const gone = new AbortController()
  const lines = presented(exportUser(options, user, { signal: gone.signal }), unixSeconds(now))
  return streamLines(c, lines, {
    onGone: () => gone.abort(clientGone()),
    onError: (error) => log.error({ err: error, request_id: c.var.requestId }, 'export ended'),
  })
}

/**
 * `POST /v1/admin/users/{user}/erase`: progress, then a summary, as NDJSON. It goes on to its end when
 * the client leaves; what came of it is in the audit trail too.
 */
export function eraseUserData(options: UserDataOptions): Handler<AppEnv>[] {
  const { log } = options
  const erase = async (c: AppContext) => {
    refuseQuery(c)
    const lines = await carryOutErase(c, options, pathUser(c))
    return streamLines(c, oneByOne(lines), {
      atOnce: true,
      onError: (error) => log.error({ err: error, request_id: c.var.requestId }, 'erase ended'),
    })
  }
  return [jsonBody(z.strictObject({})), erase]
}

/**
 * Begins to erase a user once that is in the trail, where its end will be too.
 *
 * @param c - of the admin's request
 * @param options - sources, trail, log
 * @param user - whom
 * @returns its lines; the first one must be asked for, or nothing begins
 */
export async function carryOutErase(
  c: AppContext,
  options: UserDataOptions,
  user: string,
): Promise<AsyncGenerator<EraseLine, void, undefined>> {
  // First of all: an erase that is not in the trail must not begin.
  await auditData(c, options, { action: 'erase', user, reason: 'begun' })
  const order = {
    user,
    by: c.var.admin,
    keptAction: 'erase' satisfies AuditAction,
    onEnd: (summary: EraseSummary) => auditEnd(c, options, { user, summary }),
  }
  return eraseUser({ ...options, flushAudit: options.audit.flush }, order)
}

interface DataEvent {
  readonly action: 'export' | 'erase'
  readonly user: string
  readonly outcome?: 'ok' | 'failed'
  readonly reason?: string
}

async function auditData(
  c: AppContext,
  { audit }: UserDataOptions,
  { outcome = 'ok', ...event }: DataEvent,
): Promise<void> {
  const { admin: actor, requestId } = c.var
  await audit.write({ ...event, outcome, actor, requestId })
}

/** What was done is done, in the trail or not: that it was begun is there. */
async function auditEnd(
  c: AppContext,
  options: UserDataOptions,
  { user, summary }: { readonly user: string; readonly summary: EraseSummary },
): Promise<void> {
  try {
    await auditData(c, options, { action: 'erase', user, ...outcomeOf(summary) })
  } catch (error) {
    options.log.error({ err: error, request_id: c.var.requestId }, 'an erase is not in the trail')
  }
}

/** How much, and nothing of what it was. */
function outcomeOf({ complete, ...summary }: EraseSummary): Pick<DataEvent, 'outcome' | 'reason'> {
  const { threads_deleted: threads, records_erased: records, failed, sessions } = summary
  const left = `${failed} failures, ${sessions.cancelling.length} sessions not confirmed`
  const done = `${threads} threads and ${records} records erased`
  return complete
    ? { outcome: 'ok', reason: `complete: ${done}` }
    : { outcome: 'failed', reason: `incomplete: ${done}, ${left}` }
}

async function* presented(batches: AsyncIterable<readonly ExportLine[]>, now: number) {
  for await (const lines of batches) yield lines.map((line) => present(line, now))
}

async function* oneByOne(lines: AsyncIterable<EraseLine>) {
  for await (const line of lines) yield [line]
}

function present(line: ExportLine, now: number) {
  if (line.type === 'session') return { ...line, session: presentSession(line.session, now) }
  if (line.type === 'audit') return { ...line, audit: presentAuditEntry(line.audit) }
  return line
}
