// The outbox in SQLite: cancels that the upstream has not confirmed yet.

import { LATEST_DUE_MS, type Registry } from '../port.ts'
import { type CancelClaim, type SessionRecord, toSession } from '../records.ts'
import type { Database, Sql } from './database.ts'

/** Most expired entries that one claim drops, because it holds the write lock meanwhile. */
const DROPPED_PER_CLAIM = 500
/** Most entries that one claim makes due because the clock was set back. */
const MOVED_PER_CLAIM = 500

const DUE_AND_EXPIRED = `
  SELECT id FROM outbox JOIN sessions USING (id)
  WHERE due_ms <= ?1 AND expires_at * 1000 <= ?1 LIMIT ?2`

const DUE = `
  SELECT sessions.* FROM outbox JOIN sessions USING (id)
  WHERE due_ms <= ?1 AND expires_at * 1000 > ?1 ORDER BY due_ms LIMIT ?2`

const ANY_DUE = `
  SELECT EXISTS (SELECT 1 FROM outbox WHERE due_ms <= ?1)
    OR EXISTS (SELECT 1 FROM outbox WHERE due_ms > ?1 + ${LATEST_DUE_MS}) AS due`

const MOVE = `
  UPDATE outbox SET due_ms = ?1 WHERE id IN
    (SELECT id FROM outbox WHERE due_ms > ?1 + ${LATEST_DUE_MS} LIMIT ${MOVED_PER_CLAIM})`

export function createOutbox(db: Database) {
  return {
    confirmCancel: (ids, now) =>
      db.write((sql) => {
        for (const id of ids) close(sql, id, now, now)
      }),
    async claimCancels(claim) {
      // The worker asks often, and usually nothing is due, so this read takes no write lock.
      const any = await db.plain((sql) => sql(ANY_DUE).get(claim.nowMs))
      return any?.['due'] === 1 ? db.write(claimDue, claim) : []
    },
    async postponeCancel(id, dueAtMs) {
      const due = Math.ceil(dueAtMs)
      await db.write((sql) => sql('UPDATE outbox SET due_ms = ? WHERE id = ?').run(due, id))
    },
  } satisfies Partial<Registry>
}

function claimDue(sql: Sql, { nowMs, limit, leaseMs }: CancelClaim): readonly SessionRecord[] {
  sql(MOVE).run(nowMs)
  for (const { id } of sql(DUE_AND_EXPIRED).all(nowMs, DROPPED_PER_CLAIM)) {
    if (typeof id === 'string') close(sql, id, Number.MAX_SAFE_INTEGER, null)
  }
  const due = sql(DUE).all(nowMs, limit).map(toSession)
  for (const { id } of due) {
    sql('UPDATE outbox SET due_ms = ? WHERE id = ?').run(nowMs + leaseMs, id)
  }
  return due
}

function close(sql: Sql, id: string, now: number, confirmedAt: number | null): void {
  sql('DELETE FROM outbox WHERE id = ?').run(id)
  sql(`UPDATE sessions SET status = 'cancelled', ends_at = min(ends_at, ?), confirmed_at = ?
      WHERE id = ? AND status = 'cancelling'`).run(now, confirmedAt, id)
}
