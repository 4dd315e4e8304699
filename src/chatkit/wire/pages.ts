// Fills pages of a list from which entries are left out, and gives them the API's shape.

import { ServiceError } from '../../lib/errors.ts'
import { DEFAULT_LIMIT, type ListQuery } from './wire.ts'

/** A fetched part of a list: entries without a value are left out of the answer. */
export interface Fetched<T> {
  readonly entries: readonly { readonly id: string; readonly value: T | undefined }[]
  /** Whether entries follow in the direction of paging. */
  readonly hasMore: boolean
}

export interface Part extends ListQuery {
  readonly limit: number
}

/** A page of a list from which entries are left out. */
export interface Collected<T> {
  readonly values: readonly T[]
  readonly hasMore: boolean
  /** If so many entries were left out that the page is empty: the id of the last of them, a cursor to go on from. */
  readonly next?: string | undefined
}

/** Most entries in one page of the API. */
export const MAX_LIMIT = 100
/** Most fetches for one page. More than a few are needed only when most entries are left out. */
const MAX_FETCHES = 20

/**
 * Fetches until a page is full: entries that are left out must neither shorten a page nor end the list.
 *
 * @param fetch - gets a part in the order asked for; with `before` alone, the entries nearest before it
 * @throws `upstream_invalid_response` when a part that follows a cursor ends at that cursor: the list does not move
 */
export async function collect<T>(
  query: ListQuery,
  fetch: (part: Part) => Promise<Fetched<T>>,
): Promise<Collected<T>> {
  const wanted = query.limit ?? DEFAULT_LIMIT
  const backwards = query.before !== undefined && query.after === undefined
  let values: readonly T[] = []
  let hasMore = true
  let next: string | undefined
  let part: Part = { ...query, limit: Math.max(1, wanted) }
  for (let fetches = 0; fetches < MAX_FETCHES && hasMore; fetches++) {
    const fetched = await fetch(part)
    const edge = fetched.entries.at(backwards ? 0 : -1)
    const cursor = backwards ? part.before : part.after
    const isStuck = fetched.hasMore && edge !== undefined && edge.id === cursor
    if (isStuck) {
      if (values.length === 0) throw unmoved()
      break
    }
    const kept = fetched.entries.flatMap(({ value }) => (value === undefined ? [] : [value]))
    if (wanted === 0) return { values: [], hasMore: kept.length > 0 || fetched.hasMore }
    values = backwards ? [...kept, ...values] : [...values, ...kept]
    hasMore = fetched.hasMore && edge !== undefined
    next = hasMore && values.length === 0 ? edge?.id : undefined
    if (values.length >= wanted || edge === undefined) break
    // Fetch larger parts while nothing is kept.
    const stride = kept.length === 0 ? part.limit * 2 : wanted - values.length
    part = {
      ...part,
      limit: Math.min(stride, MAX_LIMIT),
      ...(backwards ? { before: edge.id } : { after: edge.id }),
    }
  }
  // A server may send more entries than were asked for; the rest comes with the next page.
  const cut = backwards ? values.slice(-wanted) : values.slice(0, wanted)
  return { values: cut, hasMore: hasMore || values.length > wanted, next }
}

function unmoved(): ServiceError {
  return new ServiceError('upstream_invalid_response', { reason: 'a list that ends at its cursor' })
}

/** A page in the reference's shape. */
export function listOf<T extends { readonly id: string }>({ values, hasMore, next }: Collected<T>) {
  return {
    object: 'list' as const,
    data: [...values],
    first_id: values.at(0)?.id ?? next ?? null,
    last_id: values.at(-1)?.id ?? next ?? null,
    has_more: hasMore,
  }
}
