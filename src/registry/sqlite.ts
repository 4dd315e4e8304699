// The registry in SQLite: one file, or one database in memory.

import type { Registry } from './port.ts'
import type { LogoutMark } from './records.ts'
import { createAuditSteps } from './sqlite/audit.ts'
import { createCounting } from './sqlite/counting.ts'
import { createDatabase, type Database, readNumbers, type Sql } from './sqlite/database.ts'
import { createIntervalFigures } from './sqlite/interval-figures.ts'
import { createKnownUsers } from './sqlite/known-users.ts'
import { createLists } from './sqlite/lists.ts'
import { type OpenOptions, openDatabase } from './sqlite/open.ts'
import { createOutbox } from './sqlite/outbox.ts'
import { createOwnership } from './sqlite/ownership.ts'
import { createRetention } from './sqlite/retention.ts'
import { HEALTH_WRITE } from './sqlite/schema.ts'
import { createSessionSteps } from './sqlite/sessions.ts'
import { createUses } from './sqlite/uses.ts'

const REMEMBER = `
  INSERT INTO remembered VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET until = ?2
    WHERE until <= ?3
  RETURNING until`

const MARK = `
  INSERT INTO logout_marks VALUES (?, ?, ?, ?, ?) ON CONFLICT (issuer, kind, value) DO UPDATE SET
    issued_before = max(issued_before, excluded.issued_before),
    keep_until = max(keep_until, excluded.keep_until)`

/** Sessions that have not ended, waiting cancels. */
const FIGURES =
  'SELECT (SELECT count(*) FROM sessions WHERE ends_at > ?), (SELECT count(*) FROM outbox)'

/**
 * The registry in one SQLite file, which several processes of one machine may share. With `:memory:`, for
 * development and tests, it has no file and ends with its process.
 *
 * @throws `StoreUnusableError` when it cannot be opened, written or understood
 */
export function createSqliteRegistry({ path, maxPageCount, moves, log }: OpenOptions): Registry {
  const connection = openDatabase({ path, maxPageCount, moves, log })
  const db = createDatabase(connection)
  return {
    ...createSessionSteps(db),
    ...createOutbox(db),
    ...createUses(db),
    ...createOwnership(db),
    ...createLists(db),
    ...createAuditSteps(db),
    ...createKnownUsers(db),
    ...createRetention(db),
    ...createCounting(db),
    ...createIntervalFigures(db),
    markLogout: (mark) => db.write(insertMark, mark),
    remembers: (key, now) =>
      db.plain(
        (sql) =>
          sql('SELECT 1 FROM remembered WHERE key = ? AND until > ?').get(key, now) !== undefined,
      ),
    rememberOnce: (key, ttlSeconds, now) =>
      db.write((sql) => sql(REMEMBER).get(key, now + ttlSeconds, now) !== undefined),
    keptKey: (name, make) => keptKey(db, name, make),
    async figures(now) {
      const row = await db.plain((sql) => readNumbers(sql(FIGURES), now))
      const [unended = 0, waiting = 0] = row
      // Approximate: a waiting cancel of an expired session is subtracted too.
      return { activeSessions: Math.max(0, unended - waiting), outboxLength: waiting }
    },
    async check() {
      await db.writeUnsynced((sql) => sql(HEALTH_WRITE).run())
    },
    async close() {
      if (connection.isOpen) connection.close()
    },
  }
}

function insertMark(sql: Sql, mark: LogoutMark): void {
  for (const kind of ['subject', 'sid'] as const) {
    const value = mark[kind]
    if (value === undefined) continue
    sql(MARK).run(mark.issuer, kind, value, mark.issuedBefore, mark.keepUntil)
  }
}

async function keptKey(db: Database, name: string, make: () => Uint8Array): Promise<Uint8Array> {
  const bytes = await db.write((sql) => {
    const known = sql('SELECT bytes FROM kept_keys WHERE name = ?').get(name)?.['bytes']
    if (known !== undefined) return known
    const made = make()
    sql('INSERT INTO kept_keys VALUES (?, ?)').run(name, made)
    return made
  })
  if (!(bytes instanceof Uint8Array)) throw new TypeError('a kept key is no longer bytes')
  return bytes
}
