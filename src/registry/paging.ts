// Turns cursors into a stretch of the order of creation, and rows found there into a page.
import type { Page, PageQuery } from './records.ts'

/** Where the cursors of a query stand in the order of creation. */
export interface CursorPositions {
  readonly after?: number | undefined
  readonly before?: number | undefined
}

/** A stretch of the order of creation, both ends exclusive, and which way to walk it. */
export interface Span {
  readonly above: number
  readonly below: number
  readonly walk: 'asc' | 'desc'
  /** The walk goes against the order that was asked for, so that it finds the nearest first. */
  readonly flipped: boolean
}

/**
 * Turns cursors into the stretch of rows to read.
 *
 * @param query - what was asked
 * @param at - positions of the query's cursors
 */
export function spanOf(query: PageQuery, at: CursorPositions): Span {
  const [first, second] = query.order === 'asc' ? [at.after, at.before] : [at.before, at.after]
  const flipped = query.before !== undefined && query.after === undefined
  return {
    above: first ?? 0,
    below: second ?? Number.MAX_SAFE_INTEGER,
    walk: flipped === (query.order === 'asc') ? 'desc' : 'asc',
    flipped,
  }
}

/**
 * As {@link spanOf}, for a store that finds a cursor's position without a pause.
 *
 * @param query - what was asked
 * @param seqOf - the position of a cursor; undefined when it is of nothing
 * @returns undefined when a cursor is of nothing
 */
export function spanFor(
  query: PageQuery,
  seqOf: (cursor: string) => number | undefined,
): Span | undefined {
  const after = query.after === undefined ? undefined : seqOf(query.after)
  const before = query.before === undefined ? undefined : seqOf(query.before)
  const unknown =
    (query.after !== undefined && after === undefined) ||
    (query.before !== undefined && before === undefined)
  return unknown ? undefined : spanOf(query, { after, before })
}

/**
 * Makes a page of rows found on the walk.
 *
 * @param found - up to `limit + 1` rows; the one too many says that there are more
 * @param limit - how many the page may hold
 * @param span - as walked
 */
export function cutPage<T>(found: readonly T[], limit: number, span: Span): Page<T> {
  const data = found.slice(0, limit)
  return { data: span.flipped ? data.reverse() : data, hasMore: found.length > limit }
}
