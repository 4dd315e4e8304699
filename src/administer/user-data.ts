// Exports and erases all data of one user for an admin, and writes both to the audit.

import type { Clock } from '../lib/clock.ts'
import type { UserId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { count } from '../lib/printable.ts'
import { createSlots } from '../lib/shares/slots.ts'
import { whyOf } from '../lib/show.ts'
import type { Audit } from '../registry/audit.ts'
import type { ThreadSource } from '../threads/sources.ts'
import type { AdminRequest } from './audit.ts'
import { type EraseLine, type EraseParts, type EraseSummary, eraseUser } from './erase.ts'
import { type ExportLine, type ExportParts, exportUser } from './export.ts'
import { refuseOwn } from './revokes.ts'

/** Exports under way: each holds a page of items, and reads one after the other as fast as it can. */
const EXPORTS = { each: 2, all: 8, what: 'exports' }

/** The functions that {@link createUserData} makes. */
export type UserData = ReturnType<typeof createUserData>

/** Makes the functions that an admin has for all data of one user. */
export function createUserData({
  registry,
  audit,
  sources,
  canceller,
  now,
  log,
}: {
  readonly registry: EraseParts['registry'] & ExportParts['registry']
  readonly audit: Pick<Audit, 'write' | 'flush'>
  readonly sources: readonly ThreadSource[]
  readonly canceller: EraseParts['canceller']
  readonly now: Clock
  readonly log: Log
}) {
  const takeSlot = createSlots(EXPORTS)
  const underWay: EraseParts['underWay'] = new Map()
  return {
    /**
     * Writes to the audit before it resolves. Pages are fetched only when their lines are read.
     *
     * @returns some lines at a time; the last is a summary. It must be read to its end or returned
     * @throws `rate_limited`, `overloaded`: too many exports under way
     */
    async exportUser(
      { actor, requestId, call }: AdminRequest,
      user: UserId,
    ): Promise<AsyncGenerator<readonly ExportLine[], void, undefined>> {
      const free = takeSlot(actor)
      const lines = (async function* () {
        try {
          // Entries that still wait are written before this one, so that the export holds them, too.
          await audit.write({ actor, action: 'export', user, outcome: 'ok', requestId })
          yield []
          yield* exportUser({ registry, sources, now }, user, call)
        } finally {
          free()
        }
      })()
      // Runs up to `yield []`: if a generator that has not begun is returned, its `finally` does not run, and the slot
      // would stay taken.
      await lines.next()
      return lines
    },

    /**
     * Writes to the audit before it resolves: an erase without that entry must not begin. The erase
     * begins when the first line is read, and runs to its end even if nobody reads the rest. Then its
     * outcome is written to the audit too.
     *
     * @throws `invalid_request` for the admin's own user, whom it would block
     */
    async eraseUser(
      { actor, requestId, ownUser }: AdminRequest,
      user: UserId,
    ): Promise<AsyncGenerator<EraseLine, void, undefined>> {
      refuseOwn({ actor, ownUser }, [user])
      const event = { actor, action: 'erase', user, requestId } as const
      await audit.write({ ...event, outcome: 'ok', reason: 'begun' })
      const parts = { registry, sources, canceller, audit, underWay, now }
      return eraseUser(parts, {
        user,
        by: actor,
        async onEnd(summary?: EraseSummary) {
          try {
            await audit.write({ ...event, ...outcomeOf(summary) })
          } catch (error) {
            // The audit already says that it began.
            log.error(
              { ...whyOf(error), request_id: requestId },
              'the outcome of an erase is not in the audit',
            )
          }
        },
      })
    },
  }
}

/** Makes the audit's reason: counts only, and nothing of what was erased. */
function outcomeOf(erased: EraseSummary | undefined) {
  if (erased === undefined) {
    return { outcome: 'failed', reason: 'nothing erased: the block is not confirmed' } as const
  }
  const { complete, ...summary } = erased
  const { threads_deleted: threads, records_erased: records, failed, sessions } = summary
  const left = `${count(failed, 'failure')}, ${count(sessions.cancelling.length, 'session')} not confirmed`
  const done = `${count(threads, 'thread')} and ${count(records, 'record')} erased`
  return complete
    ? ({ outcome: 'ok', reason: `complete: ${done}` } as const)
    : ({ outcome: 'failed', reason: `incomplete: ${done}, ${left}` } as const)
}
