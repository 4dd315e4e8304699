// Reads one page of a table that is ordered by seq.
import type { SQLInputValue } from 'node:sqlite'
import { cutPage, type Span, spanOf } from '../paging.ts'
import type { Page, PageQuery } from '../records.ts'
import type { ResultRow, Sql } from './database.ts'

/** Conditions and the values for their question marks. */
export interface Filter {
  readonly conditions: string[]
  readonly values: SQLInputValue[]
}

/** A table with a `seq`, and what a list shows of it. */
export interface TableListing<T> {
  readonly table: string
  /** Where a cursor stands; undefined when it is of nothing. */
  readonly seqOf: (cursor: string) => number | undefined
  readonly filter: Filter
  readonly toItem: (row: ResultRow) => T
}

/**
 * One page of a table, in the order of creation.
 *
 * @param sql - of one step
 * @param query - the page that is asked for
 * @param listing - what of the table is on the list
 * @returns undefined when a cursor is of nothing
 */
export function readPage<T>(
  sql: Sql,
  query: PageQuery,
  listing: TableListing<T>,
): Page<T> | undefined {
  const seqOf = (cursor?: string) => (cursor === undefined ? undefined : listing.seqOf(cursor))
  const span = spanOf(query, seqOf(query.after), seqOf(query.before))
  if (span === undefined) return undefined
  const bounds = [span.above, span.below, query.limit + 1]
  const rows = sql.all(listText(listing, span), ...listing.filter.values, ...bounds)
  return cutPage(rows.map(listing.toItem), query.limit, span)
}

/**
 * The statement that reads a page: the filter's values, both ends of the stretch, how many.
 *
 * @param rows - the table, and what of it is on the list
 * @param span - which way to walk
 */
export function listText(
  { table, filter }: { readonly table: string; readonly filter: Filter },
  span: Span,
): string {
  const conditions = [...filter.conditions, 'seq > ?', 'seq < ?'].join(' AND ')
  return `SELECT * FROM ${table} WHERE ${conditions} ORDER BY seq ${span.walk} LIMIT ?`
}
