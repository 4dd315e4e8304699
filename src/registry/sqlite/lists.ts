import type { SQLInputValue } from 'node:sqlite'
import { cutPage, type Span, spanOf } from '../paging.ts'
import type { Registry } from '../port.ts'
import type { AuditEntry, Page, PageQuery, SessionQuery } from '../records.ts'
import type { Database, ResultRow, Sql } from './database.ts'
import { numberIn, toAuditEntry, toBlock, toSession } from './rows.ts'

type Lists = Pick<
  Registry,
  | 'getSession'
  | 'listSessions'
  | 'listBlocks'
  | 'liftBlock'
  | 'appendAudit'
  | 'listAudit'
  | 'usersOf'
>

/** Conditions and the values for their question marks. */
interface Filter {
  readonly conditions: string[]
  readonly values: SQLInputValue[]
}

interface Listing<T> {
  readonly table: 'sessions' | 'blocks' | 'audit'
  /** The column that cursors are of. */
  readonly cursor: 'id' | 'user'
  readonly filter: Filter
  readonly toItem: (row: ResultRow) => T
}

/**
 * Reading, and the audit trail.
 *
 * @param db - the durable connection
 */
export function createLists(db: Database): Lists {
  return {
    getSession: (id) =>
      db.plain((sql) => {
        const row = sql.get('SELECT * FROM sessions WHERE id = ?', id)
        return row === undefined ? undefined : toSession(row)
      }),
    listSessions: (query) => {
      const filter = sessionFilter(query)
      const listing = { table: 'sessions', cursor: 'id', filter, toItem: toSession } as const
      return db.plain((sql) => list(sql, query, listing))
    },
    listBlocks: (query) => {
      const filter = { conditions: ['until > ?'], values: [query.now] }
      const listing = { table: 'blocks', cursor: 'user', filter, toItem: toBlock } as const
      return db.plain((sql) => list(sql, query, listing))
    },
    liftBlock: (user, now) =>
      db.write((sql) => {
        const lifted = sql.get('DELETE FROM blocks WHERE user = ? RETURNING until', user)
        return (numberIn(lifted, 'until') ?? 0) > now
      }),
    appendAudit: (entries) =>
      db.write((sql) => {
        for (const entry of entries) insertAudit(sql, entry)
      }),
    listAudit: (query) => {
      const filter = filterOf([
        ['user', query.user],
        ['action', query.action],
      ])
      const listing = { table: 'audit', cursor: 'id', filter, toItem: toAuditEntry } as const
      return db.plain((sql) => list(sql, { ...query, order: 'desc' }, listing))
    },
    usersOf: ({ issuer, subject, sid }) =>
      db.plain((sql) => {
        const rows = sql.all(
          `SELECT user FROM sessions WHERE issuer = ?1 AND subject = ?2
            UNION SELECT user FROM sessions WHERE issuer = ?1 AND sid = ?3`,
          issuer,
          subject ?? null,
          sid ?? null,
        )
        return rows.map((row) => String(row['user']))
      }),
  }
}

function list<T>(sql: Sql, query: PageQuery, listing: Listing<T>): Page<T> | undefined {
  const seqOf = (cursor: string | undefined): number | undefined => {
    if (cursor === undefined) return undefined
    const where = `WHERE ${listing.cursor} = ?`
    return numberIn(sql.get(`SELECT seq FROM ${listing.table} ${where}`, cursor), 'seq')
  }
  const after = seqOf(query.after)
  const before = seqOf(query.before)
  if (query.after !== undefined && after === undefined) return undefined
  if (query.before !== undefined && before === undefined) return undefined
  const span = spanOf(query, { after, before })
  const rows = sql.all(
    listText(listing, span),
    ...listing.filter.values,
    ...[span.above, span.below, query.limit + 1],
  )
  return cutPage(rows.map(listing.toItem), query.limit, span)
}

function listText<T>(listing: Listing<T>, span: Span): string {
  const conditions = [...listing.filter.conditions, 'seq > ?', 'seq < ?'].join(' AND ')
  return `SELECT * FROM ${listing.table} WHERE ${conditions} ORDER BY seq ${span.walk} LIMIT ?`
}

/**
 * The narrowest field leads; a `+` keeps SQLite from using the index of another one, which would
 * read and sort all of its rows.
 */
function sessionFilter(query: SessionQuery): Filter {
  const ended = query.status === 'cancelled' || query.status === 'cancelling'
  const filter = filterOf([
    ['user', query.user],
    ['subject', query.subject],
    ['status', ended ? query.status : undefined],
    ['workflow', query.workflow],
    ['+issuer', query.issuer],
  ])
  if (query.status === 'active' || query.status === 'expired') {
    filter.conditions.push(
      `+status = 'active' AND +expires_at ${query.status === 'active' ? '>' : '<='} ?`,
    )
    filter.values.push(query.now)
  }
  return filter
}

function filterOf(fields: readonly (readonly [string, string | undefined])[]): Filter {
  const filter: Filter = { conditions: [], values: [] }
  for (const [column, value] of fields) {
    if (value === undefined) continue
    const leads = filter.conditions.length === 0
    filter.conditions.push(`${leads || column.startsWith('+') ? column : `+${column}`} = ?`)
    filter.values.push(value)
  }
  return filter
}

function insertAudit(sql: Sql, entry: AuditEntry): void {
  sql.run(
    `INSERT INTO audit (id, at, actor, action, user, outcome, reason, request_id)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    ...[entry.id, entry.at, entry.actor, entry.action, entry.user ?? null],
    ...[entry.outcome, entry.reason ?? null, entry.requestId ?? null],
  )
}
