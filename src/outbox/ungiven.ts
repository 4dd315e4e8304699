// Cancels sessions whose secret reached nobody, because their mint failed after the upstream had created them.
import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord } from '../registry/records.ts'

/** The id of a session, and the fields that lead to its upstream. */
export type CancelTarget = Pick<SessionRecord, 'id' | 'workflow' | 'state'>

/** Without the registry, three tries are enough: nobody can use the session. */
const TRIES = 3
const PAUSE_MS = 1000

/**
 * The store may record a session although its answer was lost. Such a session counts against the user's cap until
 * it is cancelled there too, so the store is asked until it answers.
 */
export function createUngiven({
  registry,
  now,
  log,
  pause,
  attempt,
  cancelAll,
}: {
  readonly registry: Pick<Registry, 'beginCancel'>
  readonly now: Clock
  readonly log: Log
  readonly pause: (milliseconds: number) => Promise<void>
  /** Asks the upstream once; true when it confirmed. */
  readonly attempt: (session: CancelTarget) => Promise<boolean>
  /** Cancels sessions that are in the outbox. */
  readonly cancelAll: (sessions: readonly SessionRecord[]) => Promise<unknown>
}) {
  /** Sessions that the store may have recorded. No more than mints were under way when it failed. */
  const inDoubt = new Set<SessionRecord>()

  async function cancelUnrecorded(session: CancelTarget): Promise<void> {
    for (let tries = 1; tries <= TRIES; tries++) {
      if (await attempt(session)) return
      if (tries < TRIES) await pause(PAUSE_MS * tries)
    }
    log.error(
      { session: session.id },
      'a session whose secret nobody has could not be cancelled; it expires',
    )
  }

  return {
    /** Cancels it through the outbox, or without it when the registry does not have it or does not answer. */
    async cancel(session: SessionRecord): Promise<void> {
      let known: SessionRecord | undefined
      try {
        known = await registry.beginCancel(session.id, unixSeconds(now))
      } catch {
        inDoubt.add(session)
      }
      await (known ? cancelAll([known]) : cancelUnrecorded(session))
    },
    cancelUnrecorded,
    /** Looks for the sessions in doubt, and returns those that were recorded and are in the outbox now. */
    async recordedLate(): Promise<readonly SessionRecord[]> {
      const found: SessionRecord[] = []
      const seconds = unixSeconds(now)
      for (const session of inDoubt) {
        try {
          const isOver = session.expiresAt <= seconds
          const known = isOver ? undefined : await registry.beginCancel(session.id, seconds)
          inDoubt.delete(session)
          if (known !== undefined) found.push(known)
        } catch {
          break
        }
      }
      return found
    },
  }
}
