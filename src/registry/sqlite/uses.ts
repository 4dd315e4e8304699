// Checks and counts requests with a self-hosted session in SQLite, and finds sessions whose answers must end.

import { READS_PER_RUN, type Registry, USE_WINDOW_MS } from '../port.ts'
import { type SessionKey, type SessionUse, toSession, type UseOutcome } from '../records.ts'
import { type Database, numberIn, type Sql } from './database.ts'

/**
 * A live session: only an active one has no `end_reason`, and one that was revoked after its expiry has one, so that it
 * stays ended even if the clock is set back.
 */
const SESSION = `
  SELECT *, (SELECT generation FROM users WHERE users.user = sessions.user) AS generation
  FROM sessions WHERE id = ? AND +user = ? AND +expires_at > ? AND end_reason IS NULL
    AND seq > coalesce((SELECT ended_upto FROM users WHERE users.user = sessions.user), 0)`

const RUNNING = 'SELECT used, ends_ms FROM session_uses WHERE id = ? AND kind = ? AND ends_ms > ?'

const COUNT = `
  INSERT INTO session_uses VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (id, kind) DO UPDATE SET used = ?3, ends_ms = ?4`

/** Finds a session whose running answers may go on: active, expired or replaced, and not cancelled or revoked. */
const RUNS_ON = `
  SELECT 1 FROM sessions
  WHERE id = ? AND +user = ? AND (end_reason IS NULL OR +status = 'replaced' AND end_reason = 'replaced')
    AND seq > coalesce((SELECT ended_upto FROM users WHERE users.user = sessions.user), 0)`

/** Losing counts in a power failure does no harm, so these writes do not wait for the disk. */
export function createUses(db: Database) {
  return {
    useSession: (use) =>
      use.counts === 'nothing' ? db.plain(useSession, use) : db.writeUnsynced(useSession, use),
    endedAmong: (sessions) =>
      db.plain((sql) => {
        const isEnded = ({ id, user }: SessionKey) => sql(RUNS_ON).get(id, user) === undefined
        return sessions.filter(isEnded).map(({ id }) => id)
      }),
  } satisfies Partial<Registry>
}

function useSession(sql: Sql, { id, user, maxPerMinute, counts, nowMs }: SessionUse): UseOutcome {
  const row = sql(SESSION).get(id, user, nowMs / 1000)
  if (row === undefined) return { kind: 'ended' }
  const max = { run: maxPerMinute, read: READS_PER_RUN * maxPerMinute }
  const latest = nowMs + USE_WINDOW_MS
  let isFull = true
  let resetAt = latest
  for (const kind of counts === 'nothing' ? (['run', 'read'] as const) : [counts]) {
    const running = sql(RUNNING).get(id, kind, nowMs)
    const used = numberIn(running, 'used') ?? 0
    const stored = numberIn(running, 'ends_ms') ?? latest
    const endsMs = Math.min(stored, latest)
    const counted = counts !== 'nothing' && used < max[kind] ? used + 1 : used
    // A window that ends later was stored before the clock was set back: it ends one length from now.
    if (counted > used || stored > latest) sql(COUNT).run(id, kind, counted, endsMs)
    if (used < max[kind]) isFull = false
    resetAt = Math.min(resetAt, endsMs)
  }
  if (isFull) return { kind: 'limited', resetMs: resetAt - nowMs }
  return { kind: 'ok', session: toSession(row), generation: numberIn(row, 'generation') ?? 0 }
}
