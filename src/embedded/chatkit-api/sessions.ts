// Sessions of the embedded ChatKit API, in memory.

import {
  type ChatSession,
  type CreateSessionParams,
  DEFAULT_LIFE_SECONDS,
  sessionOf,
} from '../../chatkit/wire/session.ts'
import { ApiError } from '../../http/backend/api-error.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'

/** Seconds after its expiry for which a session is kept. */
const KEPT_AFTER_EXPIRY_SECONDS = 3600
/** Seconds between two searches for sessions to drop. */
const SWEEP_SECONDS = 60

export type Sessions = ReturnType<typeof createSessions>

/**
 * Drops sessions an hour after their expiry, so that memory does not grow in a long run.
 *
 * @param now - the clock that expires them
 */
export function createSessions(now: Clock) {
  const kept = new Map<string, ChatSession>()
  let sweptAt = 0
  const seconds = () => unixSeconds(now)

  const current = (session: ChatSession): ChatSession =>
    session.status === 'active' && seconds() >= session.expires_at
      ? { ...session, status: 'expired' }
      : session

  const sweep = () => {
    if (seconds() - sweptAt < SWEEP_SECONDS) return
    sweptAt = seconds()
    for (const [id, { expires_at }] of kept) {
      if (seconds() >= expires_at + KEPT_AFTER_EXPIRY_SECONDS) kept.delete(id)
    }
  }

  return {
    create(params: CreateSessionParams): ChatSession {
      sweep()
      const session = sessionOf(params, {
        id: newId('cksess_'),
        client_secret: newId('ek_'),
        status: 'active',
        expires_at: seconds() + (params.expires_after?.seconds ?? DEFAULT_LIFE_SECONDS),
      })
      kept.set(session.id, session)
      return session
    },
    /** @throws `ApiError` 404 */
    cancel(id: string): ChatSession {
      const session = kept.get(id)
      if (session === undefined) throw new ApiError(404, `No session found with id '${id}'.`)
      const now = current(session)
      const cancelled: ChatSession = now.status === 'active' ? { ...now, status: 'cancelled' } : now
      kept.set(id, cancelled)
      return cancelled
    },
    /** All sessions in memory, oldest first, with their current status. */
    all: (): readonly ChatSession[] => [...kept.values()].map(current),
  }
}
