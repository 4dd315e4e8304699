// Answers the requests of the protocol whose answer is JSON.

import type { KnownRequest } from '../../chatkit/protocol/request.ts'
import { applyAction } from './assistant.ts'
import { asAttachment } from './store.ts'
import type { Speaker, StreamingRequest } from './streams.ts'
import { asThread, pageOf } from './views.ts'

/**
 * Carries out a request. Like the real samples it does not identify its caller: an id is enough, and the list
 * has everyone's threads.
 *
 * @returns the answer's JSON
 * @throws `ApiError` 404 for unknown ids, 400 for an impossible request
 */
export function answerTo(
  request: Exclude<KnownRequest, StreamingRequest>,
  { store, origin }: Pick<Speaker, 'store' | 'origin'>,
): object {
  switch (request.type) {
    case 'threads.get_by_id': {
      const thread = store.thread(request.params.thread_id)
      return asThread(thread, pageOf(thread.items, { order: 'asc' }))
    }
    case 'threads.list': {
      const page = pageOf(store.threads(), request.params)
      return { ...page, data: page.data.map((thread) => asThread(thread)) }
    }
    case 'items.list':
      return pageOf(store.thread(request.params.thread_id).items, request.params)
    case 'items.feedback':
      store.thread(request.params.thread_id)
      return {}
    case 'threads.update': {
      const thread = store.thread(request.params.thread_id)
      thread.title = request.params.title
      return asThread(thread)
    }
    case 'threads.delete':
      store.deleteThread(request.params.thread_id)
      return {}
    case 'threads.sync_custom_action':
      return { updated_item: applyAction(store, request.params) ?? null }
    case 'attachments.create': {
      const { name, mime_type } = request.params
      return asAttachment(store.createAttachment({ name, mime_type, bytes: undefined }), origin)
    }
    case 'attachments.delete':
      store.deleteAttachment(request.params.attachment_id)
      return {}
    case 'input.transcribe': {
      // Describes the audio instead.
      const { audio_base64, mime_type } = request.params
      return { text: `${Buffer.from(audio_base64, 'base64').length} bytes of ${mime_type}` }
    }
  }
}
