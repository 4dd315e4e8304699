// Records who owns a thread or an attachment of a self-hosted server, in SQLite.

import type { UserId } from '../../lib/ids.ts'
import { type OwnedQuery, type OwnedThing, type Ownership, toOwnership } from '../owned-records.ts'
import type { Registry } from '../port.ts'
import type { Page } from '../records.ts'
import { type Database, numberIn, type Sql } from './database.ts'
import { type Filter, readPage } from './pages.ts'

const CLAIM = `
  INSERT INTO owned (source, kind, id, user, created_at) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (id, kind, source) DO NOTHING`

/** Condition that finds one thing. */
const IS_THING = 'id = ? AND kind = ? AND source = ?'

export function createOwnership(db: Database) {
  return {
    claimOwnership: (ownership) => db.write(claim, ownership),
    ownersOf: (things) => db.plain((sql) => things.map((thing) => ownerOf(sql, thing))),
    listOwned: (query) => db.plain(listOwned, query),
    async releaseOwnership({ source, kind, id, user }) {
      const text = `DELETE FROM owned WHERE ${IS_THING} AND user = ?`
      await db.write((sql) => sql(text).run(id, kind, source, user))
    },
  } satisfies Partial<Registry>
}

function claim(sql: Sql, { source, kind, id, user, createdAt }: Ownership): 'claimed' | 'taken' {
  const { changes } = sql(CLAIM).run(source, kind, id, user, createdAt)
  return changes === 1 ? 'claimed' : 'taken'
}

function listOwned(sql: Sql, query: OwnedQuery): Page<Ownership> | undefined {
  const listed = ownedRows(query)
  const seqOf = (cursor: string) => cursorSeq(sql, cursor, listed.filter)
  return readPage(sql, query, { ...listed, seqOf, toItem: toOwnership })
}

function ownerOf(sql: Sql, { source, kind, id }: OwnedThing): UserId | undefined {
  const row = sql(`SELECT * FROM owned WHERE ${IS_THING}`).get(id, kind, source)
  return row === undefined ? undefined : toOwnership(row).user
}

/** The `seq` of the entry that a cursor names; undefined when none has that id, or several sources do. */
function cursorSeq(sql: Sql, cursor: string, filter: Filter): number | undefined {
  const conditions = filter.conditions.map((condition) => `+${condition}`).join(' AND ')
  const text = `SELECT seq FROM owned WHERE id = ? AND ${conditions} LIMIT 2`
  const [first, second] = sql(text).all(cursor, ...filter.values)
  return second === undefined ? numberIn(first, 'seq') : undefined
}

/**
 * The table and the filter of a list. Each combination of fields has an index in the order of creation. The
 * statement names it, because SQLite would otherwise choose one that makes it read all rows of a kind.
 */
export function ownedRows({ kind, source, user }: OwnedQuery): {
  readonly table: string
  readonly filter: Filter
} {
  const filter: Filter = { conditions: ['kind = ?'], values: [kind] }
  let index = 'owned'
  for (const [field, value] of Object.entries({ user, source })) {
    if (value === undefined) continue
    index += `_${field}`
    filter.conditions.push(`${field} = ?`)
    filter.values.push(value)
  }
  return { table: `owned INDEXED BY ${index === 'owned' ? 'owned_kind' : index}`, filter }
}
