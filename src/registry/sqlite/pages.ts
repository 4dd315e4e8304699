// Reads one page of a table that is ordered by seq.
import type { SQLInputValue } from 'node:sqlite'
import { cutPage, type Span, spanOf } from '../paging.ts'
import type { Page, PageQuery } from '../records.ts'
import type { ResultRow, Sql } from './database.ts'

/** SQL conditions, and the values for their question marks. */
export interface Filter {
  readonly conditions: string[]
  readonly values: SQLInputValue[]
}

/** A list: a table with a `seq`, the filter of its rows, and how to read a row. */
export interface TableListing<T> {
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
  const { after, before } = query
  const afterSeq = after === undefined ? undefined : listing.seqOf(after)
  const beforeSeq = before === undefined ? undefined : listing.seqOf(before)
  const span = spanOf(query, afterSeq, beforeSeq)
  if (span === undefined) return undefined
  const bounds = [span.above, span.below, query.limit + 1]
  const rows = sql.all(listText(listing, span), ...listing.filter.values, ...bounds)
  return cutPage(rows.map(listing.toItem), query.limit, span)
}

/**
 * The statement that reads a page. It takes the values of the filter, both ends of the range, and the
 * number of rows.
 */
export function listText(
  { table, filter }: { readonly table: string; readonly filter: Filter },
  span: Span,
): string {
  const conditions = [...filter.conditions, 'seq > ?', 'seq < ?'].join(' AND ')
  return `SELECT * FROM ${table} WHERE ${conditions} ORDER BY seq ${span.walk} LIMIT ?`
}
