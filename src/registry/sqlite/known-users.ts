// Records and finds the users who have had a session, in SQLite.

import { KEY_ISSUER } from '../identity.ts'
import {
  type Found,
  type KnownUser,
  matchingName,
  mergeFound,
  namesOf,
  SEEN_AGAIN_SECONDS,
  toKnownUser,
  toNames,
  type UserQuery,
} from '../known-users.ts'
import type { Registry } from '../port.ts'
import type { Page, SessionRecord } from '../records.ts'
import { type Database, numberIn, type ResultRow, type Sql } from './database.ts'
import { readPage } from './pages.ts'

/** Both run right after the insert of the session, because its `seq` orders the list. */
const FIRST_SEEN = `
  INSERT INTO known_users (user, issuer, subject, last_seen, seq, name, other_name, shared)
  VALUES (?, ?, ?, ?, last_insert_rowid(), ?, ?, ?)`
const SEEN_AGAIN = 'UPDATE known_users SET last_seen = ?, seq = last_insert_rowid() WHERE user = ?'
const RENAMED = `
  UPDATE known_users SET issuer = ?2, subject = ?3, name = ?4, other_name = ?5, shared = ?6
  WHERE user = ?1 AND (issuer <> ?2 OR subject <> ?3)`

const BY_USER = 'SELECT * FROM known_users WHERE user = ?'
export const IS_KNOWN = `
  SELECT 1 FROM known_users WHERE user = ?1 UNION ALL SELECT 1 FROM sessions WHERE user = ?1 LIMIT 1`
const NEXT_SHARED = `
  SELECT shared FROM known_users WHERE shared > ? AND shared < ? ORDER BY shared LIMIT 1`

/** Two columns about the user `?1` at the time `?2`: the number of live sessions, and the end of a block. */
export const LIVE = `
  (SELECT count(*) FROM sessions WHERE user = ?1 AND +status = 'active' AND expires_at > ?2)`
export const BLOCKED_UNTIL = '(SELECT until FROM blocks WHERE user = ?1 AND until > ?2)'

const LIVE_AND_BLOCK = `SELECT ${LIVE} AS live_sessions, ${BLOCKED_UNTIL} AS blocked_until`

/**
 * A statement of the sweep (values: a time and a number of rows). Looks only at the users who were seen longest
 * ago.
 */
export const LONG_UNSEEN = `
  DELETE FROM known_users WHERE last_seen < ? AND user IN (
    SELECT user FROM known_users ORDER BY seq LIMIT ?)`

/** Does nothing while the user has a session. */
export const FORGET_KNOWN = `
  DELETE FROM known_users WHERE user = ?1
    AND NOT EXISTS (SELECT 1 FROM sessions WHERE user = ?1)`

export function createKnownUsers(db: Database) {
  return {
    isKnown: (user) => db.plain((sql) => sql(IS_KNOWN).get(user) !== undefined),
    listUsers: (query) =>
      db.plain((sql) => {
        const { q } = query
        return q === undefined ? lastSeenFirst(sql, query) : search(sql, { ...query, q })
      }),
  } satisfies Partial<Registry>
}

/**
 * Records that the user of a session was seen. Call it right after the session is inserted.
 *
 * @param lastSeen - from the user's record; undefined when there is none
 */
export function see(
  sql: Sql,
  { user, issuer, subject }: SessionRecord,
  { lastSeen, now }: { readonly lastSeen: number | undefined; readonly now: number },
): void {
  if (lastSeen !== undefined && now < lastSeen + SEEN_AGAIN_SECONDS) return
  const { name, otherName, shared } = namesOf(user, subject)
  const names = [name, otherName ?? null, shared ?? null]
  if (lastSeen === undefined) {
    sql(FIRST_SEEN).run(user, issuer, subject, now, ...names)
    return
  }
  sql(SEEN_AGAIN).run(now, user)
  if (!issuer.startsWith(KEY_ISSUER)) sql(RENAMED).run(user, issuer, subject, ...names)
}

function lastSeenFirst(sql: Sql, { now, ...page }: UserQuery): Page<KnownUser> | undefined {
  const listing = {
    table: 'known_users',
    filter: { conditions: [], values: [] },
    seqOf: (user: string) => numberIn(sql(BY_USER).get(user), 'seq'),
    toItem: (row: ResultRow) => itemOf(sql, row, now),
  }
  return readPage(sql, { ...page, order: 'desc' }, listing)
}

/**
 * Searches the first names, then the second names, which are indexed by the length of what they share with the
 * first. Where that is as long as the search text, the first name matches too, so these ranges are left out.
 * Reads `limit + 1` users of each range.
 */
function search(
  sql: Sql,
  { q, after, limit, now }: UserQuery & { readonly q: string },
): Page<KnownUser> | undefined {
  const asked = q.toLowerCase()
  const known = after === undefined ? undefined : sql(BY_USER).get(after)
  const start = known && matchingName(toNames(known), asked)
  if (after !== undefined && start === undefined) return undefined
  const from = [start ?? asked, after ?? '', limit + 1] as const
  const found = matching(sql(behind('name')).all(...from), 'name', asked)
  for (let shared = -1; ; ) {
    const next = numberIn(sql(NEXT_SHARED).get(shared, asked.length), 'shared')
    if (next === undefined) break
    shared = next
    const others = sql(behind('other_name')).all(shared, ...from)
    found.push(...matching(others, 'other_name', asked))
  }
  const { data, hasMore } = mergeFound(found, limit)
  return { data: data.map((row) => itemOf(sql, row, now)), hasMore }
}

/** Reads the names that come after a name and a user; without a cursor, after the search text itself. */
function behind(column: 'name' | 'other_name'): string {
  const within = column === 'name' ? '' : 'shared = ? AND '
  return `SELECT * FROM known_users WHERE ${within}(${column}, user) > (?, ?) ORDER BY ${column}, user LIMIT ?`
}

/** The rows whose name begins with the search text. */
function matching(
  rows: readonly ResultRow[],
  column: 'name' | 'other_name',
  asked: string,
): Found<ResultRow>[] {
  return rows
    .map((row) => ({ name: String(row[column]), user: String(row['user']), value: row }))
    .filter(({ name }) => name.startsWith(asked))
}

function itemOf(sql: Sql, row: ResultRow, now: number): KnownUser {
  return toKnownUser({ ...row, ...sql(LIVE_AND_BLOCK).get(String(row['user']), now) })
}
