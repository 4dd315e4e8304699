// Reads one page of the items of a thread.

import type { CallOptions } from '../chatkit/port.ts'
import type { ThreadItem } from '../chatkit/wire/item.ts'
import { collect, type Fetched, listOf } from '../chatkit/wire/pages.ts'
import type { ThreadItemPage } from '../chatkit/wire/thread.ts'
import type { ListQuery } from '../chatkit/wire/wire.ts'
import type { FoundThread } from './find-thread.ts'
import { blameCursor } from './source-reader.ts'

/**
 * Drops items that name another thread, and reports them to the source's `onForeign`.
 *
 * @param query - its cursors are item ids
 * @throws `not_found` when the thread is gone or its user has changed since it was found;
 * `invalid_request` for a cursor of none of its items
 */
export async function listItemsOf(
  { id, thread, source }: FoundThread,
  query: ListQuery,
  call?: CallOptions,
): Promise<ThreadItemPage> {
  const { user: asUser } = thread
  const hasCursor = query.after !== undefined || query.before !== undefined
  const page = collect(query, async (part): Promise<Fetched<ThreadItem>> => {
    const { data, has_more: hasMore } = await source.chatkit.listThreadItems(id, part, {
      ...call,
      asUser,
    })
    const entries = data.map((item) => ({ id: item.id, value: isOf(item, id) ? item : undefined }))
    const count = entries.filter(({ value }) => value === undefined).length
    if (count > 0) source.onForeign({ source, what: 'item', count })
    return { entries, hasMore }
  })
  return listOf(await page.catch((error) => blameCursor(error, hasCursor)))
}

/** Items of kinds that the reference does not list may come without the id of their thread. */
function isOf(item: ThreadItem, thread: string): boolean {
  const named = 'thread_id' in item ? item['thread_id'] : undefined
  return named === undefined || named === thread
}
