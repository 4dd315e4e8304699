import { DEFAULT_LIMIT } from '../../chatkit/wire/wire.ts'
import { ApiError } from '../kit/api-error.ts'

/** Which part of a list. */
export interface ListParams {
  readonly limit?: number | null | undefined
  readonly order?: 'asc' | 'desc' | null | undefined
  readonly after?: string | null | undefined
}

/** A page as the protocol has it. */
export interface ServerPage<T> {
  readonly data: readonly T[]
  readonly has_more: boolean
  /** Cursor of the next page. */
  readonly after: string | null
}

/**
 * @param ascending - the whole list, oldest first
 * @param params - newest first when they do not say
 * @throws `ApiError` 400 when the cursor is not in the list
 */
export function pageOf<T extends { readonly id: string }>(
  ascending: readonly T[],
  { limit, order, after }: ListParams,
): ServerPage<T> {
  const rows = order === 'asc' ? ascending : ascending.toReversed()
  const start = after == null ? 0 : placeOf(rows, after) + 1
  const end = start + (limit || DEFAULT_LIMIT)
  const data = rows.slice(start, end)
  const more = end < rows.length
  return { data, has_more: more, after: more ? (data.at(-1)?.id ?? null) : null }
}

function placeOf(rows: readonly { readonly id: string }[], id: string): number {
  const place = rows.findIndex((row) => row.id === id)
  if (place < 0) throw new ApiError(400, `No entry '${id}' to continue after.`)
  return place
}
