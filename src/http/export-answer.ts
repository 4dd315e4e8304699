// Answers with all data of one user as NDJSON, for the admin API and the console.

import type { Administer } from '../administer/administer.ts'
import type { ExportLine } from '../administer/export.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { UserId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { whyOf } from '../lib/show.ts'
import { presentAuditEntry, presentSession } from '../respond/views.ts'
import { adminRequest } from './authentication.ts'
import type { AppContext } from './context.ts'
import { NDJSON, streamLines } from './ndjson.ts'
import { clientGone } from './upstream-call-options.ts'

/** The parts of {@link answerExport}. */
interface ExportAnswerParts {
  readonly administer: Pick<Administer, 'exportUser'>
  readonly log: Log
  readonly now: Clock
}

/** Streams the lines; ends the upstream calls when the client leaves. */
export async function answerExport(
  c: AppContext,
  { administer, log, now }: ExportAnswerParts,
  user: UserId,
): Promise<Response> {
  const gone = new AbortController()
  const request = adminRequest(c, { signal: gone.signal })
  const batches = await administer.exportUser(request, user)
  if (c.req.method === 'HEAD') {
    await batches.return()
    return c.body(null, 200, { 'Content-Type': NDJSON })
  }
  // The client may leave before the first line: the export then ends too, because nobody waits for it.
  c.env.outgoing.once('close', () => {
    gone.abort(clientGone())
    void batches.return().catch(() => undefined)
  })
  return streamLines(c, presented(batches, unixSeconds(now)), {
    onError: (error) => {
      if (gone.signal.aborted) return
      log.error({ ...whyOf(error), request_id: request.requestId }, 'an export broke off')
    },
  })
}

async function* presented(batches: AsyncIterable<readonly ExportLine[]>, now: number) {
  for await (const lines of batches) yield lines.map((line) => present(line, now))
}

function present(line: ExportLine, now: number) {
  if (line.type === 'session') return { ...line, session: presentSession(line.session, now) }
  if (line.type === 'audit') return { ...line, audit: presentAuditEntry(line.audit) }
  return line
}
