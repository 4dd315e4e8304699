// Deletes what has outlived its retention from SQLite, in batches.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Retention } from '../records.ts'
import type { Database } from './database.ts'

/** A raised generation outlives every mint that may have read the one before it. */
const GENERATION_KEPT_SECONDS = 86_400
/** How much goes per transaction: a mint that waits for the lock waits this long. */
const BATCH = 200

/** Each takes a time and a number of rows. */
const IDLE_USERS = `
  DELETE FROM users WHERE user IN (
    SELECT user FROM users WHERE changed_at < ?
      AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.user = users.user)
      AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocks.user = users.user)
    LIMIT ?)`
const MARKS = `
  DELETE FROM logout_marks WHERE (issuer, kind, value) IN (
    SELECT issuer, kind, value FROM logout_marks WHERE keep_until <= ? LIMIT ?)`

const batchOf = (table: string, key: string, condition: string): string =>
  `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE ${condition} LIMIT ?)`

/**
 * Drops what has ended, batch by batch; others write in between.
 *
 * @param db - the durable connection
 * @param retention - how long what has ended is kept
 */
export async function sweepSqlite(db: Database, retention: Retention): Promise<void> {
  const { sessionsEndedBefore, auditBefore, now } = retention
  const steps: readonly (readonly [string, number])[] = [
    [batchOf('sessions', 'seq', 'ends_at < ?'), sessionsEndedBefore],
    [batchOf('blocks', 'seq', 'until <= ?'), now],
    [IDLE_USERS, now - GENERATION_KEPT_SECONDS],
    [MARKS, now],
    [batchOf('remembered', 'key', 'until <= ?'), now],
    [batchOf('counters', 'key', 'ends_ms <= ?'), now * 1000],
    [batchOf('audit', 'seq', 'at < ?'), auditBefore],
  ]
  for (const [text, before] of steps) {
    while ((await db.write((sql) => sql.run(text, before, BATCH))) === BATCH) await nextTurn()
  }
}
