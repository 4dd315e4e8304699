// Turns cursors into a range of rows in the order of creation, and the rows found there into a page.

import type { Page, PageQuery } from './records.ts'

/** A range of `seq` (the order of creation), both ends exclusive, and the direction in which to read it. */
export interface Span {
  readonly above: number
  readonly below: number
  readonly direction: 'asc' | 'desc'
  /** Rows are read in reverse of the requested order, so that those nearest to the cursor come first. */
  readonly flipped: boolean
}

/**
 * Turns cursors into the range of rows to read.
 *
 * @param seqOf - gives the seq of the entry that a cursor names; undefined when it names nothing
 * @returns undefined when a cursor names nothing
 */
export function spanOf(
  query: PageQuery,
  seqOf: (cursor: string) => number | undefined,
): Span | undefined {
  const after = query.after === undefined ? undefined : seqOf(query.after)
  const before = query.before === undefined ? undefined : seqOf(query.before)
  if (query.after !== undefined && after === undefined) return undefined
  if (query.before !== undefined && before === undefined) return undefined
  const [first, second] = query.order === 'asc' ? [after, before] : [before, after]
  const flipped = query.before !== undefined && query.after === undefined
  return {
    above: first ?? 0,
    below: second ?? Number.MAX_SAFE_INTEGER,
    direction: flipped === (query.order === 'asc') ? 'desc' : 'asc',
    flipped,
  }
}

/**
 * Makes a page of the rows that were read.
 *
 * @param found - up to `limit + 1` rows; the extra row only shows that there are more
 */
export function cutPage<T>(found: readonly T[], limit: number, span: Span): Page<T> {
  const data = found.slice(0, limit)
  return { data: span.flipped ? data.reverse() : data, hasMore: found.length > limit }
}
