// Cancels sessions whose secret reached nobody, because their mint failed after the upstream had created them.

import { DEFAULT_LIFE_SECONDS } from '../chatkit/wire/session.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { eachBounded } from '../lib/concurrency.ts'
import type { Log } from '../lib/log.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord } from '../registry/records.ts'

/** The id of a session, and the fields that lead to its upstream. */
export type CancelTarget = Pick<SessionRecord, 'id' | 'workflow' | 'state'>

/** Tries that follow each other at once, which the end of the process waits for. */
const TRIES = 3
const PAUSE_MS = 1000
/** Milliseconds between later tries, as in the outbox. */
const AGAIN_MS = 5000
/** Later tries under way: nobody waits for them, and they leave room for other cancels. */
const AGAIN_AT_A_TIME = 16
/** Most sessions that are tried later; a further one is left to expire. */
const MOST_LEFT = 10_000

/** A session to cancel that may be unknown to the registry. Without `expiresAt` it expires as late as the API allows. */
export type Unrecorded = CancelTarget & Partial<Pick<SessionRecord, 'expiresAt'>>

/**
 * No outbox has these sessions: this process tries them until they are cancelled or have expired.
 *
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
  /** Sessions that the first tries did not cancel, each with its end in Unix seconds. */
  const left = new Map<CancelTarget, number>()
  let triedAt = Number.NEGATIVE_INFINITY
  let trying = false

  async function cancelUnrecorded(session: Unrecorded): Promise<void> {
    for (let tries = 1; tries <= TRIES; tries++) {
      if (await attempt(session)) return
      if (tries < TRIES) await pause(PAUSE_MS * tries)
    }
    const isKept = left.size < MOST_LEFT
    if (isKept) left.set(session, session.expiresAt ?? unixSeconds(now) + DEFAULT_LIFE_SECONDS)
    const next = isKept ? 'it is tried until it expires' : 'too many wait, so it is left to expire'
    log.error(
      { session: session.id },
      `a session whose secret nobody has could not be cancelled; ${next}`,
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
    /**
     * Tries the sessions again that the first tries did not cancel, up to the first failure; does nothing when it
     * did so in the last 5 s.
     */
    async cancelLeft(): Promise<void> {
      // A clock that was set back must not stop the tries.
      if (trying || Math.abs(now() - triedAt) < AGAIN_MS) return
      trying = true
      let failed = false
      await eachBounded([...left], AGAIN_AT_A_TIME, async ([session, end]) => {
        if (failed) return
        left.delete(session)
        if (end <= unixSeconds(now) || (await attempt(session))) return
        failed = true
        // Behind those that were not tried.
        left.set(session, end)
      })
      triedAt = now()
      trying = false
    },
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
