// Cuts a page out of a list, as the ChatKit API does.

import { listOf } from '../../chatkit/wire/pages.ts'
import { DEFAULT_LIMIT, type ListQuery } from '../../chatkit/wire/wire.ts'
import { ApiError } from '../../http/backend/api-error.ts'

/**
 * One page, in the order asked for. `after` gives the entries after the cursor; `before` alone those directly before
 * it (the previous page); both together those between. `has_more` says whether there are more in that direction.
 *
 * @param ascending - the whole list, oldest first
 * @throws {@link ApiError} 400 when a cursor is not in the list
 */
export function paginate<T extends { readonly id: string }>(
  ascending: readonly T[],
  query: ListQuery,
) {
  const rows = query.order === 'asc' ? ascending : ascending.toReversed()
  const start = query.after === undefined ? 0 : indexOf(rows, query.after, 'after') + 1
  const end = query.before === undefined ? rows.length : indexOf(rows, query.before, 'before')
  const range = rows.slice(start, end)
  const limit = query.limit ?? DEFAULT_LIMIT
  const backwards = query.before !== undefined && query.after === undefined
  const data = backwards ? range.slice(Math.max(0, range.length - limit)) : range.slice(0, limit)
  return listOf({ values: data, hasMore: range.length > data.length })
}

function indexOf<T extends { readonly id: string }>(
  rows: readonly T[],
  id: string,
  param: 'after' | 'before',
): number {
  const index = rows.findIndex((row) => row.id === id)
  if (index >= 0) return index
  throw new ApiError(400, `No item found with id '${id}'.`, { param, code: 'invalid_value' })
}
