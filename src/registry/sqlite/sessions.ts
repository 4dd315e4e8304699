// Records, finds and ends sessions in SQLite; revokes and blocks users.

import { minterOf } from '../identity.ts'
import { FIRST_LEASE_MS, type Registry } from '../port.ts'
import {
  type EndReason,
  isLive,
  type NewEntry,
  type RecordOutcome,
  type RevokeOutcome,
  type SessionRecord,
  type StandingQuery,
  toSession,
  type UserRevoke,
  type UserStanding,
} from '../records.ts'
import { type Database, readNumbers, type Sql } from './database.ts'
import { BLOCKED_UNTIL, IS_KNOWN, LIVE, see } from './known-users.ts'

const STANDING = `
  ${BLOCKED_UNTIL} AS blocked_until,
    (SELECT generation FROM users WHERE user = ?1) AS generation`

const markOf = (kind: 'subject' | 'sid', value: '?4' | '?5') => `
  coalesce((SELECT issued_before FROM logout_marks
    WHERE issuer = ?3 AND kind = '${kind}' AND value = ${value} AND keep_until > ?2), -1)`

/** Counts the live sessions if ?6 is 1. `logged_out_at` is the later of two marks, each found by its own search. */
const STANDING_AND_MARK = `SELECT iif(?6, ${LIVE}, NULL) AS live_sessions, ${STANDING},
    nullif(max(${markOf('subject', '?4')}, ${markOf('sid', '?5')}), -1) AS logged_out_at`

const STANDING_AND_SEEN = `SELECT ${LIVE} AS live_sessions, ${STANDING},
    (SELECT last_seen FROM known_users WHERE user = ?1) AS last_seen`

/** Searches only the user's own sessions, by the index `sessions_user`. */
const BY_SECRET =
  'SELECT * FROM sessions WHERE user = ? AND secret_hash = ? ORDER BY seq DESC LIMIT 1'

const OLDEST_LIVE = `
  SELECT * FROM sessions WHERE user = ? AND +status = 'active' AND expires_at > ?
  ORDER BY seq LIMIT ?`

/**
 * The session expires at the last value, and ends then if nothing else ends it. A session with this id exists only when
 * the call is repeated.
 */
const INSERT = `
  INSERT INTO sessions (id, user, workflow, issuer, subject, sid, secret_hash, status, created_at, state, asked,
    expires_at, ends_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'active', ?, ?, ?, ?11, ?11)
  ON CONFLICT (id) DO NOTHING`

const OF_IDENTITY = `
  user = ?1 AND (?3 IS NULL OR +issuer = ?3)
  AND (?4 IS NULL OR +subject = ?4) AND (?5 IS NULL OR +sid = ?5)`

const MATCHING = `${OF_IDENTITY} AND expires_at > ?2`

/** Raises a generation and returns it; with ?3 it also ends the running answers of all the user's present sessions. */
const RAISE = `
  INSERT INTO users (user, generation, changed_at, ended_upto)
  VALUES (?1, 1, ?2, iif(?3, coalesce((SELECT max(seq) FROM sessions), 0), 0))
  ON CONFLICT (user) DO UPDATE SET generation = generation + 1, changed_at = excluded.changed_at,
    ended_upto = max(ended_upto, excluded.ended_upto)
  RETURNING generation, EXISTS (${IS_KNOWN}) AS known`

const REPLACE = `
  UPDATE sessions SET status = 'replaced', end_reason = 'replaced', ends_at = ?2,
    ended_at = ?2, ended_by = ?3
  WHERE id = ?1`

/** Condition for replaced and expired sessions: they accept no new request, but answers may still run. */
const FINISHING = `
  (+status = 'replaced' AND end_reason = 'replaced' OR end_reason IS NULL AND expires_at <= ?2)`

export function createSessionSteps(db: Database) {
  return {
    getSession: (id) => db.plain(sessionOf, id),
    readStanding: (question) => db.plain(readStanding, question),
    record: (entry) => db.write(record, entry),
    revoke: (command) => db.write(revoke, command),
    beginCancel: (id, now, by) =>
      db.write((sql) => {
        const session = sessionOf(sql, id)
        if (session === undefined) return undefined
        if (isLive(session, now)) return end(sql, session, { why: 'cancelled', now, by })
        sql(`UPDATE sessions SET end_reason = 'cancelled' WHERE id = ?1 AND ${FINISHING}`).run(
          id,
          now,
        )
        return sessionOf(sql, id)
      }),
  } satisfies Partial<Registry>
}

/** Reads a user's standing. Without a transaction its two statements may see different commits. */
export function readStanding(
  sql: Sql,
  { user, identity, currentSecretHash, exactFrom, now }: StandingQuery,
): UserStanding {
  const { issuer, subject, sid } = identity
  const [liveSessions, blockedUntil, generation = 0, loggedOutAt] = readNumbers(
    sql(STANDING_AND_MARK),
    user,
    now,
    issuer,
    subject ?? null,
    sid ?? null,
    exactFrom === undefined ? 0 : 1,
  )
  const current = currentSecretHash && sql(BY_SECRET).get(user, currentSecretHash)
  return {
    generation,
    blockedUntil,
    loggedOutAt,
    liveSessions,
    current: current ? toSession(current) : undefined,
  }
}

function record(sql: Sql, entry: NewEntry): RecordOutcome {
  const { session, now } = entry
  const [liveSessions = 0, blockedUntil, generation = 0, lastSeen] = readNumbers(
    sql(STANDING_AND_SEEN),
    session.user,
    now,
  )
  if (blockedUntil !== undefined) return { kind: 'blocked' }
  // A logout raises the generation too, so its marks come first: the client must sign in, not ask an admin.
  if (entry.tokenIssuedAt !== undefined) {
    const standing = readStanding(sql, { user: session.user, identity: session, now })
    const { loggedOutAt = Number.NEGATIVE_INFINITY } = standing
    if (entry.tokenIssuedAt < loggedOutAt) return { kind: 'logged_out' }
  }
  if (generation !== entry.generation) return { kind: 'blocked' }

  const named = entry.replaces && sessionOf(sql, entry.replaces)
  const replaced = named?.user === session.user && isLive(named, now) ? named : undefined
  const live = liveSessions - (replaced === undefined ? 0 : 1)
  const tooMany = live + 1 - entry.cap.max
  const { id, user, workflow, issuer, subject, sid = null, secretHash } = session
  const { createdAt, state, asked = null, expiresAt } = session
  const identity = [id, user, workflow, issuer, subject, sid, secretHash] as const
  const rest = [createdAt, state ? JSON.stringify(state) : null, asked, expiresAt] as const
  // A repeated call finds its own session, also at the cap.
  const isFull = tooMany > 0 && entry.cap.whenFull === 'deny'
  if (isFull || sql(INSERT).run(...identity, ...rest).changes === 0) {
    const known = sessionOf(sql, id)
    return known === undefined ? { kind: 'full' } : repeated(known, session)
  }
  see(sql, session, { lastSeen, now })

  const ended: SessionRecord[] = []
  if (replaced?.state !== undefined) sql(REPLACE).run(replaced.id, now, minterOf(session))
  else if (replaced !== undefined)
    ended.push(end(sql, replaced, { why: 'replaced', now, by: minterOf(session) }))
  // The new session is the last of these, so it is not one of them.
  if (tooMany > 0) {
    for (const row of sql(OLDEST_LIVE).all(session.user, now, tooMany)) {
      ended.push(end(sql, toSession(row), { why: 'evicted', now, by: minterOf(session) }))
    }
  }
  return { kind: 'recorded', ended }
}

function repeated(known: SessionRecord, session: SessionRecord): RecordOutcome {
  const same = known.user === session.user && known.secretHash === session.secretHash
  if (same && known.status === 'active') return { kind: 'recorded', ended: [] }
  return { kind: same && known.createdAt === session.createdAt ? 'blocked' : 'taken' }
}

function revoke(sql: Sql, command: UserRevoke): RevokeOutcome {
  const { user, identity, now } = command
  const all = identity === undefined ? 1 : 0
  const [generation = 0, known] = readNumbers(sql(RAISE), user, now, all)
  const { issuer = null, subject = null, sid = null } = identity ?? {}
  const match = [user, now, issuer, subject, sid]
  const live = `${MATCHING} AND +status = 'active'`
  sql(`INSERT INTO outbox SELECT id, ?6 FROM sessions WHERE ${live}`).run(
    ...match,
    now * 1000 + FIRST_LEASE_MS,
  )
  sql(`UPDATE sessions SET status = 'cancelling', end_reason = ?6, ended_at = ?2, ended_by = ?7
      WHERE ${live}`).run(...match, command.endReason, command.by)
  // Without an identity, `ended_upto` ends the answers of all sessions in one write.
  if (identity !== undefined) {
    sql(`UPDATE sessions SET end_reason = ?6 WHERE ${OF_IDENTITY} AND ${FINISHING}`).run(
      ...match,
      command.endReason,
    )
  }
  const cancelling = sql(
    `SELECT * FROM sessions WHERE ${MATCHING} AND +status = 'cancelling' ORDER BY seq`,
  ).all(...match)
  return {
    cancelling: cancelling.map(toSession),
    ...block(sql, command, generation),
    generation,
    known: known === 1,
  }
}

/** Sets the given block unless a longer one holds, which then has this generation too. */
function block(sql: Sql, { user, block, now }: UserRevoke, generation: number) {
  const current = sql('SELECT until, generation FROM blocks WHERE user = ? AND until > ?')
  const [until, blockBefore] = readNumbers(current, user, now)
  if (block === undefined) return { blockedUntil: until, blockBefore }
  if (block.until <= (until ?? 0)) {
    sql('UPDATE blocks SET generation = ? WHERE user = ?').run(generation, user)
    return { blockedUntil: until, blockBefore }
  }
  // Written anew, it is the last in the order of creation.
  sql(
    `INSERT OR REPLACE INTO blocks (user, until, reason, by, created_at, generation)
      VALUES (?, ?, ?, ?, ?, ?)`,
  ).run(user, block.until, block.reason ?? null, block.by, now, generation)
  return { blockedUntil: block.until, blockBefore }
}

function end(
  sql: Sql,
  session: SessionRecord,
  { why, now, by }: { why: EndReason; now: number; by: string | undefined },
) {
  sql(`UPDATE sessions SET status = 'cancelling', end_reason = ?, ended_at = ?, ended_by = ?
      WHERE id = ?`).run(...[why, now, by ?? null, session.id])
  sql('INSERT INTO outbox VALUES (?, ?)').run(session.id, now * 1000 + FIRST_LEASE_MS)
  const ended = { status: 'cancelling', endReason: why, endedAt: now, endedBy: by } as const
  return { ...session, ...ended } satisfies SessionRecord
}

function sessionOf(sql: Sql, id: string): SessionRecord | undefined {
  const row = sql('SELECT * FROM sessions WHERE id = ?').get(id)
  return row === undefined ? undefined : toSession(row)
}
