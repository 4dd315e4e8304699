// Reads lists of sessions, users and blocks from SQLite, and lifts blocks.

import { subjectBehind } from '../identity.ts'
import type { Registry } from '../port.ts'
import { type SessionQuery, toBlock, toSession } from '../records.ts'
import { userId } from '../rows.ts'
import { type Database, numberIn, type Sql } from './database.ts'
import { createReadInSteps, readPage, splitFilter } from './pages.ts'

const LIFT =
  'DELETE FROM blocks WHERE user = ?1 AND generation = ifnull(?2, generation) RETURNING until'

export function createLists(db: Database) {
  const readInSteps = createReadInSteps(db)
  return {
    listSessions: (query) => {
      const { indexed, filter } = sessionFilter(query)
      const listingIn = (sql: Sql) => {
        const seqOf = seqIn(sql, 'sessions', 'id')
        return { table: 'sessions', seqOf, filter, toItem: toSession }
      }
      // The indexes of users and subjects have another order, so SQLite reads and sorts all rows of one.
      const isOfOne = query.user !== undefined || query.subject !== undefined
      if (isOfOne) return db.plain((sql) => readPage(sql, query, listingIn(sql)))
      return readInSteps(query, indexed, listingIn)
    },
    listBlocks: (query) => {
      const filter = { conditions: ['until > ?'], values: [query.now] }
      return db.plain((sql) => {
        const seqOf = seqIn(sql, 'blocks', 'user')
        return readPage(sql, query, { table: 'blocks', seqOf, filter, toItem: toBlock })
      })
    },
    getBlock: (user, now) =>
      db.plain((sql) => {
        const row = sql('SELECT * FROM blocks WHERE user = ? AND until > ?').get(user, now)
        return row === undefined ? undefined : toBlock(row)
      }),
    liftBlock: (user, now, generation) =>
      db.write((sql) => {
        const lifted = sql(LIFT).get(user, generation ?? null)
        return (numberIn(lifted, 'until') ?? 0) > now
      }),
    usersOf: ({ issuer, subject, sid }) =>
      db.plain((sql) => {
        const rows = sql(`SELECT user FROM sessions WHERE issuer = ?1 AND subject = ?2
            UNION SELECT user FROM sessions WHERE issuer = ?1 AND sid = ?3 AND sid >= ' '
            UNION SELECT user FROM sessions WHERE issuer = ?1 AND subject = ?4 AND +sid = ?3`).all(
          issuer,
          subject ?? null,
          sid ?? null,
          subjectBehind(sid) ?? null,
        )
        return rows.map((row) => userId.parse(row['user'])).toSorted()
      }),
  } satisfies Partial<Registry>
}

function seqIn(sql: Sql, table: 'sessions' | 'blocks', key: 'id' | 'user') {
  const text = `SELECT seq FROM ${table} WHERE ${key} = ?`
  return (cursor: string) => numberIn(sql(text).get(cursor), 'seq')
}

/** The most selective field comes first. */
function sessionFilter({ user, subject, status, workflow, issuer, now }: SessionQuery) {
  const stored = status === 'active' || status === 'expired' ? undefined : status
  const { indexed, rest } = splitFilter(
    { user, subject, status: stored, workflow },
    {
      '+issuer = ?': issuer,
      "+status = 'active' AND +expires_at > ?": status === 'active' ? now : undefined,
      "+status = 'active' AND +expires_at <= ?": status === 'expired' ? now : undefined,
    },
  )
  // Repeats the condition of the partial index word for word, or SQLite would not use that index.
  if (stored !== undefined) indexed.conditions.push("status <> 'active'")
  const conditions = [...indexed.conditions, ...rest.conditions]
  return { indexed, filter: { conditions, values: [...indexed.values, ...rest.values] } }
}
