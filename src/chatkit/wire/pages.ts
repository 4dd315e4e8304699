import type { ListQuery } from './wire.ts'
import { DEFAULT_LIMIT } from './wire.ts'

/** A part of a list, as it was fetched: entries without a value are left out of the answer. */
export interface Fetched<T> {
  readonly entries: readonly { readonly id: string; readonly value: T | undefined }[]
  /** In the direction of travel. */
  readonly hasMore: boolean
}

/** A part to fetch. */
export interface Part extends ListQuery {
  readonly limit: number
}

/** The most that the API gives at a time. */
const MAX_LIMIT = 100
/** How often is fetched for one page, when so much is left out of it. */
const MAX_FETCHES = 20

/**
 * Fetches until a page is full: what is left out of a list must neither shorten its pages nor end it.
 *
 * @param query - as the client asked
 * @param fetch - a part in the order asked for; with `before` alone, the nearest before it
 */
export async function collect<T>(
  query: ListQuery,
  fetch: (part: Part) => Promise<Fetched<T>>,
): Promise<{ readonly values: readonly T[]; readonly hasMore: boolean }> {
  const wanted = query.limit ?? DEFAULT_LIMIT
  const backwards = query.before !== undefined && query.after === undefined
  let values: readonly T[] = []
  let hasMore = true
  let part: Part = { ...query, limit: Math.max(1, wanted) }
  for (let fetches = 0; fetches < MAX_FETCHES && hasMore; fetches++) {
    const fetched = await fetch(part)
    const kept = fetched.entries.flatMap(({ value }) => (value === undefined ? [] : [value]))
    if (wanted === 0) return { values: [], hasMore: kept.length > 0 || fetched.hasMore }
    values = backwards ? [...kept, ...values] : [...values, ...kept]
    const edge = fetched.entries.at(backwards ? 0 : -1)
    hasMore = fetched.hasMore && edge !== undefined
    if (values.length >= wanted || edge === undefined) break
    // Where nothing is kept, larger strides.
    const stride = kept.length === 0 ? part.limit * 2 : wanted - values.length
    part = {
      ...part,
      limit: Math.min(stride, MAX_LIMIT),
      ...(backwards ? { before: edge.id } : { after: edge.id }),
    }
  }
  // A server may give more than it was asked for: the rest comes with the next page.
  const cut = backwards ? values.slice(-wanted) : values.slice(0, wanted)
  return { values: cut, hasMore: hasMore || values.length > wanted }
}

/**
 * A page in the reference's shape.
 *
 * @param page - its entries
 */
export function listOf<T extends { readonly id: string }>({
  values,
  hasMore,
}: {
  readonly values: readonly T[]
  readonly hasMore: boolean
}) {
  return {
    object: 'list' as const,
    data: [...values],
    first_id: values.at(0)?.id ?? null,
    last_id: values.at(-1)?.id ?? null,
    has_more: hasMore,
  }
}
