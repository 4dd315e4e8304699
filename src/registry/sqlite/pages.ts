// Reads one page of a table that is ordered by seq.

import type { SQLInputValue } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { cutPage, type Span, spanOf } from '../paging.ts'
import type { Page, PageQuery } from '../records.ts'
import { type Database, numberIn, type ResultRow, type Sql } from './database.ts'

/** Most rows that one step looks at: SQLite blocks the event loop meanwhile. */
const LOOKS = 5000

/** SQL conditions, and the values for their question marks. */
export interface Filter {
  readonly conditions: string[]
  readonly values: SQLInputValue[]
}

type Values = Readonly<Record<string, SQLInputValue | undefined>>

/**
 * Splits a filter into the part that an index serves in the order of creation, and the rest. The first field that has a
 * value may use its index; a `+` keeps SQLite from using that of another field, because it would read and sort all rows
 * of that field.
 *
 * @param others - further conditions by their text; those without a value do not count
 */
export function splitFilter(fields: Values, others: Values): Record<'indexed' | 'rest', Filter> {
  const [lead, ...further] = given(fields)
  const rest = [
    ...further.map(([name, value]) => [`+${name} = ?`, value] as const),
    ...given(others),
  ]
  return {
    indexed: { conditions: lead ? [`${lead[0]} = ?`] : [], values: lead ? [lead[1]] : [] },
    rest: { conditions: rest.map(([text]) => text), values: rest.map(([, value]) => value) },
  }
}

function given(values: Values) {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
}

/** A list: a table with a `seq`, the filter of its rows, and how to read a row. */
interface TableListing<T> {
  readonly table: string
  /** The seq of the row that a cursor names; undefined when it names nothing. */
  readonly seqOf: (cursor: string) => number | undefined
  readonly filter: Filter
  readonly toItem: (row: ResultRow) => T
}

/**
 * Reads one page of a list, in the order of creation.
 *
 * @returns undefined when a cursor names nothing
 */
export function readPage<T>(
  sql: Sql,
  query: PageQuery,
  listing: TableListing<T>,
): Page<T> | undefined {
  const span = spanOf(query, listing.seqOf)
  if (span === undefined) return undefined
  const bounds = [span.above, span.below, query.limit + 1]
  const rows = sql(listText(listing, span)).all(...listing.filter.values, ...bounds)
  return cutPage(rows.map(listing.toItem), query.limit, span)
}

/**
 * Makes a function that reads one page like {@link readPage}, for filters that most rows may fail: in steps of
 * {@link LOOKS} rows. All such pages share their turns: in one turn of the event loop, one of them makes a further step.
 */
export function createReadInSteps(db: Database) {
  let turns: Promise<void> = Promise.resolve()

  /** @param indexed - the part of the filter that an index serves in the order of creation */
  return async <T>(
    query: PageQuery,
    indexed: Filter,
    listingIn: (sql: Sql) => TableListing<T>,
  ): Promise<Page<T> | undefined> => {
    const { limit } = query
    const span = await db.plain((sql) => spanOf(query, listingIn(sql).seqOf))
    if (span === undefined) return undefined
    const found: T[] = []
    for (let { above, below, direction } = span; ; ) {
      const last = await db.plain((sql) => {
        const listing = listingIn(sql)
        const edge = edgeOf(sql, { ...listing, filter: indexed }, { above, below, direction })
        const from = edge !== undefined && direction === 'desc' ? edge - 1 : above
        const to = edge !== undefined && direction === 'asc' ? edge + 1 : below
        const values = [...listing.filter.values, from, to, limit + 1 - found.length]
        const rows = sql(listText(listing, span)).all(...values)
        found.push(...rows.map(listing.toItem))
        return edge
      })
      if (last === undefined || found.length > limit) return cutPage(found, limit, span)
      if (direction === 'asc') above = last
      else below = last
      turns = turns.then(() => nextTurn())
      await turns
    }
  }
}

/** The last row that a step looks at; undefined when the range has no more rows than that. */
function edgeOf(
  sql: Sql,
  listing: Pick<TableListing<unknown>, 'table' | 'filter'>,
  { above, below, direction }: Omit<Span, 'flipped'>,
): number | undefined {
  const text = `${listText(listing, { direction })} OFFSET ${LOOKS - 1}`.replace('*', 'seq')
  return numberIn(sql(text).get(...listing.filter.values, above, below, 1), 'seq')
}

/**
 * The statement that reads a page. It takes the values of the filter, both ends of the range, and the
 * number of rows.
 */
export function listText(
  { table, filter }: { readonly table: string; readonly filter: Filter },
  { direction }: Pick<Span, 'direction'>,
): string {
  const conditions = [...filter.conditions, 'seq > ?', 'seq < ?'].join(' AND ')
  return `SELECT * FROM ${table} WHERE ${conditions} ORDER BY seq ${direction} LIMIT ?`
}
