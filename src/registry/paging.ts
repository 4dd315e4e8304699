// Turns cursors into a stretch of the order of creation, and rows found there into a page.
import type { Page, PageQuery } from './records.ts'

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
 * @param after - seq of the query's cursor; undefined when it has none, or one that names nothing
 * @param before - likewise
 * @returns undefined when a cursor names nothing
 */
export function spanOf(
  query: PageQuery,
  after: number | undefined,
  before: number | undefined,
): Span | undefined {
  if (query.after !== undefined && after === undefined) return undefined
  if (query.before !== undefined && before === undefined) return undefined
  const [first, second] = query.order === 'asc' ? [after, before] : [before, after]
  const flipped = query.before !== undefined && query.after === undefined
  return {
    above: first ?? 0,
    below: second ?? Number.MAX_SAFE_INTEGER,
    walk: flipped === (query.order === 'asc') ? 'desc' : 'asc',
    flipped,
  }
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
