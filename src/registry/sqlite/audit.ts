// Adds entries to the audit in SQLite, lists them, and erases a user from them.

import type { SQLInputValue } from 'node:sqlite'
import {
  type AuditEntry,
  type AuditQuery,
  erasedEntry,
  fromAuditEntry,
  isChained,
  toAuditEntry,
} from '../audit-entry.ts'
import { AUDIT_LATE_SECONDS, AUDIT_LOOKS, type Registry } from '../port.ts'
import type { Page } from '../records.ts'
import { type Database, numberIn, type Sql } from './database.ts'
import { splitFilter } from './pages.ts'

const FIELDS = [
  ...(['id', 'at', 'actor', 'action', 'user', 'outcome', 'reason', 'request_id'] as const),
  ...(['instance', 'chain_seq', 'prev', 'salt', 'by_user', 'erased'] as const),
]
const ROW = `(${FIELDS.map(() => '?').join(', ')})`

/**
 * `OR FAIL`, because the transaction is rolled back anyway when it fails. To undo this statement alone, SQLite would
 * copy each page that it changes, and write as much into a temporary file as into its log.
 */
const insertOf = (rows: number): string => `
  INSERT OR FAIL INTO audit (${FIELDS.join(', ')}) VALUES ${Array(rows).fill(ROW).join(', ')}
  ON CONFLICT (id) DO NOTHING`
const INSERT = insertOf(1)
/** Rows of an insert, where there are so many: each insert opens the table, its indexes and the counter of `seq`. */
const TOGETHER = 16
const INSERT_TOGETHER = insertOf(TOGETHER)

/** The last entry, by its time, before the given time. */
const LAST_BEFORE = 'SELECT seq FROM audit WHERE at < ? ORDER BY at DESC, seq DESC LIMIT 1'
/** None if the last entry written is earlier: then the entries from that time on are of a clock that was ahead. */
const FIRST_FROM = `
  SELECT seq FROM audit
  WHERE at >= ?1 AND (SELECT at FROM audit WHERE seq = (SELECT max(seq) FROM audit)) >= ?1
  ORDER BY at, seq LIMIT 1`

const ABOUT_USER = "SELECT * FROM audit WHERE user = ? AND +action <> 'erase' LIMIT ?"
const ERASE =
  'UPDATE audit SET actor = ?, user = NULL, reason = NULL, salt = NULL, erased = ? WHERE id = ?'

export function createAuditSteps(db: Database) {
  return {
    appendAudit: (entries) => db.write(append, entries),
    listAudit: (query) => db.plain(list, query),
  } satisfies Partial<Registry>
}

function append(sql: Sql, entries: readonly AuditEntry[]): void {
  const full = entries.length - (entries.length % TOGETHER)
  let values: SQLInputValue[] = []
  for (const [at, entry] of entries.entries()) {
    const row = fromAuditEntry(entry)
    // The column of the actor cannot be null.
    row.actor ??= ''
    for (const field of FIELDS) values.push(row[field] ?? null)
    if (at < full && (at + 1) % TOGETHER > 0) continue
    sql(at < full ? INSERT_TOGETHER : INSERT).run(...values)
    values = []
  }
}

/**
 * Walks through the entries that match the most selective field, in the order of writing, and applies the other
 * conditions to each. The times limit the walk as far as the order of writing allows.
 */
function list(sql: Sql, query: AuditQuery): Page<AuditEntry> | undefined {
  const { limit, after, since, until } = query
  const seqOf = (text: string, value: string | number) => numberIn(sql(text).get(value), 'seq')
  const cursor =
    after === undefined ? undefined : seqOf('SELECT seq FROM audit WHERE id = ?', after)
  if (after !== undefined && cursor === undefined) return undefined
  const below = until === undefined ? undefined : seqOf(FIRST_FROM, until + AUDIT_LATE_SECONDS)
  const above = since === undefined ? undefined : seqOf(LAST_BEFORE, since - AUDIT_LATE_SECONDS)
  const end = Math.min(cursor ?? Number.MAX_SAFE_INTEGER, below ?? Number.MAX_SAFE_INTEGER)
  const { user, actor, action, notAction } = query
  const others = { 'action <> ?': notAction, 'at >= ?': since, 'at < ?': until }
  const { indexed, rest } = splitFilter({ user, actor, action }, others)
  const bounds = [...indexed.values, above ?? 0, end]
  const looked = `audit WHERE ${[...indexed.conditions, 'seq > ?', 'seq < ?'].join(' AND ')} ORDER BY seq DESC`
  const rows = sql(`SELECT * FROM (SELECT * FROM ${looked} LIMIT ${AUDIT_LOOKS})
      WHERE ${['true', ...rest.conditions].join(' AND ')} LIMIT ?`).all(
    ...[...bounds, ...rest.values, limit + 1],
  )
  const data = rows.slice(0, limit).map(toAuditEntry)
  if (rows.length > limit) return { data, hasMore: true }
  const last = sql(`SELECT id FROM ${looked} LIMIT 1 OFFSET ${AUDIT_LOOKS - 1}`).get(...bounds)
  return last === undefined
    ? { data, hasMore: false }
    : { data, hasMore: true, next: String(last['id']) }
}

/** Returns how many entries it changed. Entries without a chain are deleted, because no hash depends on them. */
export function eraseEntries(sql: Sql, user: string, limit: number): number {
  const entries = sql(ABOUT_USER).all(user, limit).map(toAuditEntry)
  for (const entry of entries) {
    if (!isChained(entry)) {
      sql('DELETE FROM audit WHERE id = ?').run(entry.id)
      continue
    }
    const { id, actor, erased } = fromAuditEntry(erasedEntry(entry))
    sql(ERASE).run(actor ?? '', erased ?? null, id)
  }
  return entries.length
}
