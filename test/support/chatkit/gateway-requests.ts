import type { RequestType } from '../../../src/chatkit/protocol/request.ts'
import { type asAt, createThread, itemIn } from '../../gateway/scene.ts'
import { input, type Json } from './server-client.ts'

type Asker = ReturnType<typeof asAt>

/** Registers an attachment and gives its id. */
export async function createAttachment(asker: Asker): Promise<string> {
  const params = { name: 'a.txt', size: 3, mime_type: 'text/plain' }
  const made = await asker(['attachments.create', params])
  return ((await made.json()) as { id: string }).id
}

/** Messages that make the sample server's assistant create the things that a request needs. */
const WORDS: Partial<Record<RequestType, string>> = {
  'threads.add_client_tool_output': 'tool',
  'threads.add_structured_input': 'form',
}

/**
 * Params of a request that work, on a thread and an attachment of the asker's own made for it.
 *
 * @param asker - the user who must own the things that the request names
 */
export async function workingParams(type: RequestType, asker: Asker): Promise<Json> {
  const { id: thread_id, events } = await createThread(asker, WORDS[type] ?? 'widget please')
  const item = (kind: string) => itemIn(events, kind).id
  const attachment_id = await createAttachment(asker)
  const action = { type: 'press', payload: {} }
  switch (type) {
    case 'threads.create':
      return { input: input('hi', [attachment_id]) }
    case 'threads.add_user_message':
      return { thread_id, input: input('hi', [attachment_id]) }
    case 'threads.add_client_tool_output':
      return { thread_id, result: { title: 'x' } }
    case 'threads.add_structured_input':
      return { thread_id, item_id: item('structured_input'), input: { status: 'skipped' } }
    case 'threads.retry_after_item':
      return { thread_id, item_id: item('user_message') }
    case 'threads.custom_action':
    case 'threads.sync_custom_action':
      return { thread_id, item_id: item('widget'), action }
    case 'items.feedback':
      return { thread_id, item_ids: [item('user_message')], kind: 'positive' }
    case 'threads.update':
      return { thread_id, title: 'new' }
    case 'threads.get_by_id':
    case 'items.list':
    case 'threads.delete':
      return { thread_id }
    case 'threads.list':
      return {}
    case 'attachments.create':
      return { name: 'b.txt', size: 3, mime_type: 'text/plain' }
    case 'attachments.delete':
      return { attachment_id }
    case 'input.transcribe':
      return { audio_base64: 'AAAA', mime_type: 'audio/wav' }
  }
}
