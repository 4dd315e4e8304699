// Deletes rows from SQLite: those whose retention is over, and those of a user who is erased.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { countersOf } from '../counters.ts'
import { GENERATION_KEPT_SECONDS, type Registry } from '../port.ts'
import type { EraseOutcome, Retention, UserErase } from '../records.ts'
import { eraseEntries } from './audit.ts'
import { mintCounter } from './counting.ts'
import { type Database, numberIn, type Sql } from './database.ts'
import { FORGET_KNOWN, LONG_UNSEEN } from './known-users.ts'

/** Rows deleted per transaction. A mint may have to wait for one such transaction. */
const BATCH = 200

/** Users that one transaction looks at: most of them may have to stay. */
const USERS = 1000
const NEXT_OF_USERS = `
  SELECT changed_at, user FROM users WHERE (changed_at, user) >= (?, ?) AND changed_at < ?
  ORDER BY changed_at, user LIMIT 1 OFFSET ?`
/** Spares users with sessions or a block. */
const IDLE_USERS = `
  DELETE FROM users WHERE (changed_at, user) >= (?, ?) AND (changed_at, user) < (?, ?)
    AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.user = users.user)
    AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocks.user = users.user)`

const MARKS = `
  DELETE FROM logout_marks WHERE (issuer, kind, value) IN (
    SELECT issuer, kind, value FROM logout_marks WHERE keep_until <= ? LIMIT ?)`

/**
 * Stops at the first entry (in the order of writing) that is to stay, so that each instance's chain loses only
 * its beginning, even if a clock was set back. An entry from the future, by a clock that was ahead, goes with the next
 * old one, because it was written before that. A whole batch of such entries stays, with all after it.
 */
const OLD_ENTRIES = `
  WITH oldest AS MATERIALIZED (SELECT seq, at FROM audit ORDER BY seq LIMIT ?3)
  DELETE FROM audit WHERE seq <= (SELECT max(seq) FROM oldest WHERE at < ?1 AND seq < coalesce(
    (SELECT min(seq) FROM oldest WHERE at BETWEEN ?1 AND ?2), ${Number.MAX_SAFE_INTEGER}))`

/** Windows that one transaction looks at. */
const WINDOWS = 1000
const LAST_OF_WINDOWS = `
  SELECT max(key) AS last FROM (SELECT key FROM counters WHERE key > ? ORDER BY key LIMIT ?)`
const WINDOWS_OVER = 'DELETE FROM counters WHERE key > ? AND key <= ? AND ends_ms <= ?'

const batchOf = (table: string, key: string, condition: string): string =>
  `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE ${condition} LIMIT ?)`

export function createRetention(db: Database) {
  return {
    sweep: (retention) => sweep(db, retention),
    async eraseUser(command) {
      const outcome = await db.write(eraseUser, command)
      if (!outcome.more) await db.plain((sql) => sql(EMPTY_LOG).get())
      return outcome
    },
  } satisfies Partial<Registry>
}

/** Deletes in batches, so that other writes can run in between. */
async function sweep(db: Database, retention: Retention): Promise<void> {
  const { sessionsEndedBefore, auditBefore, usersSeenBefore, now } = retention
  const changedBefore = now - GENERATION_KEPT_SECONDS
  // Each statement takes times and a number of rows.
  const steps: readonly (readonly [string, ...number[]])[] = [
    [batchOf('sessions', 'seq', 'ends_at < ?'), sessionsEndedBefore],
    [batchOf('blocks', 'seq', 'until <= ?'), changedBefore],
    [MARKS, now],
    [batchOf('remembered', 'key', 'until <= ?'), now],
    [OLD_ENTRIES, auditBefore, now],
    [LONG_UNSEEN, usersSeenBefore],
  ]
  for (const [text, ...times] of steps) {
    const deleteSome = (sql: Sql) => Number(sql(text).run(...times, BATCH).changes)
    while ((await db.write(deleteSome)) > 0) await nextTurn()
  }
  await walk(db, [0, ''] as readonly [number, string], (sql, from) => {
    const next = sql(NEXT_OF_USERS).get(...from, changedBefore, USERS)
    const to = [
      numberIn(next, 'changed_at') ?? changedBefore,
      String(next?.['user'] ?? ''),
    ] as const
    sql(IDLE_USERS).run(...from, ...to)
    return next && to
  })
  // In the order of keys: an index of their ends would cost each mint a write.
  await walk(db, '', (sql, from) => {
    const to = sql(LAST_OF_WINDOWS).get(from, WINDOWS)?.['last']
    if (typeof to !== 'string') return undefined
    sql(WINDOWS_OVER).run(from, to, now * 1000)
    return to
  })
}

/**
 * Runs a step again and again, each in its own transaction and from what the one before returned, until that is
 * undefined.
 */
async function walk<T>(
  db: Database,
  first: T,
  step: (sql: Sql, from: T) => T | undefined,
): Promise<void> {
  for (let from: T | undefined = first; from !== undefined; await nextTurn()) {
    from = await db.write(step, from)
  }
}

/** The write-ahead log holds pages as they were before the erase. While another process reads them, it stays. */
const EMPTY_LOG = 'PRAGMA wal_checkpoint(TRUNCATE)'

/** Two searches, because with an OR SQLite would not use all columns of the index. */
const ENDED = `
  DELETE FROM sessions WHERE seq IN (
    SELECT seq FROM sessions WHERE user = ?1 AND expires_at <= ?2
    UNION ALL
    SELECT seq FROM sessions WHERE user = ?1 AND expires_at > ?2 AND +status IN ('cancelled', 'replaced')
    LIMIT ?3)`

/** The foreign keys delete the uses and waiting cancels of each session with it. */
function eraseUser(sql: Sql, command: UserErase): EraseOutcome {
  const { user, limit, now } = command
  const counters = [mintCounter(user), ...countersOf(user)]
  for (const key of counters) sql('DELETE FROM counters WHERE key = ?').run(key)
  const sessions = Number(sql(ENDED).run(user, now, limit).changes)
  const erased = sessions + eraseEntries(sql, user, limit - sessions)
  if (erased < limit) sql(FORGET_KNOWN).run(user)
  return { erased, more: erased === limit }
}
