// Exports and erases all data of one user for an admin, with their records in the audit log.

import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Canceller } from '../outbox/cancel.ts'
import type { Audit } from '../registry/audit.ts'
import type { Foreign } from '../threads/source-reader.ts'
import type { ThreadSource } from '../threads/sources.ts'
import type { AdminRequest } from './audit.ts'
import { type EraseLine, type EraseOptions, type EraseSummary, eraseUser } from './erase.ts'
import { type ExportLine, type ExportOptions, exportUser } from './export.ts'

interface DataEvent {
  readonly action: 'export' | 'erase'
  readonly user: string
  readonly outcome: 'ok' | 'failed'
  readonly reason?: string
}

/** {@link createUserData} */
export type UserData = ReturnType<typeof createUserData>

/** Makes the functions that an admin has for all data of one user. */
export function createUserData({
  registry,
  audit,
  sources,
  onForeign,
  canceller: { cancelAll },
  now,
  log,
}: {
  readonly registry: EraseOptions['registry'] & ExportOptions['registry']
  readonly audit: Audit
  readonly sources: readonly ThreadSource[]
  readonly onForeign: (foreign: Foreign) => void
  readonly canceller: Pick<Canceller, 'cancelAll'>
  readonly now: Clock
  readonly log: Log
}) {
  const options = { registry, sources, onForeign, now }

  async function record({ actor, requestId }: AdminRequest, event: DataEvent): Promise<void> {
    await audit.write({ ...event, actor, requestId })
  }

  return {
    /**
     * Recorded before it resolves. What nobody reads is not fetched.
     *
     * @returns some lines at a time; the last is a summary
     */
    async exportUser(
      request: AdminRequest,
      user: string,
    ): Promise<AsyncGenerator<readonly ExportLine[], void, undefined>> {
      await record(request, { action: 'export', user, outcome: 'ok' })
      // Entries that wait for their batch belong to the data too.
      await audit.flush()
      return exportUser(options, user, request.call)
    },

    /**
     * Recorded before it resolves: an erase that is not recorded must not begin. It begins when the
     * first line is asked for, and goes on to its end when nobody reads the rest; then its outcome is
     * recorded too.
     */
    async eraseUser(
      request: AdminRequest,
      user: string,
    ): Promise<AsyncGenerator<EraseLine, void, undefined>> {
      await record(request, { action: 'erase', user, outcome: 'ok', reason: 'begun' })
      const order = {
        user,
        by: request.actor,
        keptAction: 'erase',
        async onEnd(summary: EraseSummary) {
          try {
            await record(request, { action: 'erase', user, ...outcomeOf(summary) })
          } catch (error) {
            // The erase is done all the same, and its beginning is recorded.
            const { requestId } = request
            log.error({ err: error, request_id: requestId }, 'an erase is not in the trail')
          }
        },
      }
      return eraseUser({ ...options, cancelAll, flushAudit: audit.flush }, order)
    },
  }
}

/** Counts only: nothing of what was erased. */
function outcomeOf({ complete, ...summary }: EraseSummary): Pick<DataEvent, 'outcome' | 'reason'> {
  const { threads_deleted: threads, records_erased: records, failed, sessions } = summary
  const left = `${failed} failures, ${sessions.cancelling.length} sessions not confirmed`
  const done = `${threads} threads and ${records} records erased`
  return complete
    ? { outcome: 'ok', reason: `complete: ${done}` }
    : { outcome: 'failed', reason: `incomplete: ${done}, ${left}` }
}
