import type { KnownRequest } from '../../chatkit/protocol/request.ts'
import { isKnownItem, type ServerItem } from '../../chatkit/protocol/thread.ts'
import { ApiError } from '../kit/api-error.ts'
import { card } from './assistant.ts'
import type { SampleStore } from './store.ts'

/**
 * What an action does: the widget that it came from says so.
 *
 * @param store - where the thread is
 * @param params - of the request, streaming or not
 * @returns the changed widget; undefined when the action came from none
 * @throws `ApiError` 404 for unknown ids, 400 for an item that is no widget
 */
export function applyAction(
  store: SampleStore,
  params: Extract<KnownRequest, { type: 'threads.sync_custom_action' }>['params'],
): ServerItem | undefined {
  const thread = store.thread(params.thread_id)
  if (params.item_id == null) return undefined
  const item = store.item(thread, params.item_id)
  if (!isKnownItem(item) || item.type !== 'widget') {
    throw new ApiError(400, `Item '${item.id}' is not a widget.`)
  }
  const changed = { ...item, widget: card(`Action ${params.action.type}`) }
  store.save(thread, changed)
  return changed
}
