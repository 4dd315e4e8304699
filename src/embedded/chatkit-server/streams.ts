// Answers the requests of the protocol whose answer is a stream.

import {
  type KnownRequest,
  STREAMING,
  type UserMessageInput,
} from '../../chatkit/protocol/request.ts'
import {
  isKnownItem,
  type KnownServerItem,
  type ServerItem,
} from '../../chatkit/protocol/thread.ts'
import { ApiError } from '../../http/backend/api-error.ts'
import { applyAction, type Message, respond } from './assistant.ts'
import { asAttachment, type SampleStore, type SampleThread } from './store.ts'
import { type Events, say, type Turn, wordsOf } from './turn.ts'
import { asThread } from './views.ts'

const TITLE_WORDS = 5

type RequestOf<T extends KnownRequest['type']> = Extract<KnownRequest, { type: T }>
/** A request whose answer is a stream. */
export type StreamingRequest = RequestOf<
  | 'threads.create'
  | 'threads.add_user_message'
  | 'threads.add_client_tool_output'
  | 'threads.add_structured_input'
  | 'threads.retry_after_item'
  | 'threads.custom_action'
>

/** The memory, the address and the speed of an answer. */
export interface Speaker {
  readonly store: SampleStore
  /** This server's origin, for the URLs of attachments. */
  readonly origin: string
  readonly pause: Turn['pause']
}

/** Whether the answer to a request is a stream. */
export function wantsStream(request: KnownRequest): request is StreamingRequest {
  return STREAMING.has(request.type)
}

/**
 * Begins a request. All refusals are thrown here, before the stream begins.
 *
 * @returns the events, which are made only as they are read
 * @throws `ApiError` 404 for unknown ids, 400 for items of the wrong kind
 */
export function streamFor(request: StreamingRequest, speaker: Speaker): Events {
  if (request.type === 'threads.create') return createThread(request, speaker)
  const { store, origin, pause } = speaker
  const thread = store.thread(request.params.thread_id)
  const turn: Turn = { store, pause, thread }
  switch (request.type) {
    case 'threads.add_user_message':
      return answer(turn, addMessage(request.params.input, { store, origin, thread }))
    case 'threads.add_client_tool_output':
      return resumeAfterTool(turn, request.params.result)
    case 'threads.add_structured_input':
      return resumeAfterForm(turn, request.params)
    case 'threads.retry_after_item':
      return retry(turn, request.params.item_id)
    case 'threads.custom_action':
      return act(turn, request.params)
  }
}

const OPTIONS = { type: 'stream_options', stream_options: { allow_cancel: true } } as const

function createThread(
  { params }: RequestOf<'threads.create'>,
  { store, origin, pause }: Speaker,
): Events {
  for (const id of params.input.attachments ?? []) store.attachment(id)
  const thread = store.createThread()
  const created = asThread(thread)
  const item = addMessage(params.input, { store, origin, thread })
  return (async function* () {
    yield { type: 'thread.created', thread: created }
    yield* answer({ store, pause, thread }, item)
  })()
}

function addMessage(
  input: UserMessageInput,
  { store, origin, thread }: Omit<Speaker, 'pause'> & { readonly thread: SampleThread },
): ServerItem {
  const attachments = (input.attachments ?? []).map((id) => {
    return asAttachment(store.attachment(id), origin)
  })
  const { content, quoted_text, inference_options } = input
  const item = store.newItem(thread, {
    type: 'user_message',
    content: (content ?? []) as UserMessageItem['content'],
    attachments,
    quoted_text: quoted_text ?? null,
    inference_options: inference_options ?? {},
  })
  store.save(thread, item)
  return item
}

async function* answer(turn: Turn, item: ServerItem): Events {
  yield { type: 'thread.item.done', item }
  yield OPTIONS
  const message = messageOf(item)
  yield* respond(turn, message)
  if (turn.thread.title !== null) return
  turn.thread.title = wordsOf(message.text).slice(0, TITLE_WORDS).join('').trim() || 'New chat'
  yield { type: 'thread.updated', thread: asThread(turn.thread) }
}

type UserMessageItem = Extract<KnownServerItem, { type: 'user_message' }>

function messageOf(item: ServerItem): Message {
  if (!isKnownItem(item) || item.type !== 'user_message') {
    throw new ApiError(400, `Item '${item.id}' is not a message of the user.`)
  }
  const text = item.content.map((part) => part.text ?? '').join(' ')
  return { text, attachments: item.attachments }
}

function resumeAfterTool(turn: Turn, result: unknown): Events {
  const last = turn.thread.items.at(-1)
  const waits = last !== undefined && isKnownItem(last) && last.type === 'client_tool_call'
  if (!waits || last.status !== 'pending') throw new ApiError(400, 'No client tool is called.')
  const done: ServerItem = { ...last, status: 'completed', output: result ?? null }
  turn.store.save(turn.thread, done)
  return replaceAndSay(turn, done, `The tool says: ${JSON.stringify(result ?? null)}`)
}

function resumeAfterForm(
  turn: Turn,
  { item_id, input }: RequestOf<'threads.add_structured_input'>['params'],
): Events {
  const item = turn.store.item(turn.thread, item_id)
  if (!isKnownItem(item) || item.type !== 'structured_input') {
    throw new ApiError(400, `Item '${item_id}' asks for no input.`)
  }
  const inputs = item.inputs.map((question) => {
    const { values, skipped } = input.answers?.[question.id] ?? { skipped: true }
    return { ...question, answer: { values: values ?? [], skipped: skipped ?? false } }
  })
  const done: ServerItem = { ...item, status: input.status, inputs }
  turn.store.save(turn.thread, done)
  const values = inputs.flatMap(({ answer: { values } }) => values)
  return replaceAndSay(turn, done, `You answered: ${values.join(', ') || 'nothing'}`)
}

async function* replaceAndSay(turn: Turn, item: ServerItem, text: string): Events {
  yield OPTIONS
  yield { type: 'thread.item.replaced', item }
  yield* say(turn, wordsOf(text))
}

function retry(turn: Turn, itemId: string): Events {
  const message = messageOf(turn.store.item(turn.thread, itemId))
  const removed = turn.store.removeAfter(turn.thread, itemId)
  return (async function* () {
    yield OPTIONS
    for (const item_id of removed) yield { type: 'thread.item.removed' as const, item_id }
    yield* respond(turn, message)
  })()
}

function act(turn: Turn, params: RequestOf<'threads.custom_action'>['params']): Events {
  const widget = applyAction(turn.store, params)
  const text = `Action ${params.action.type}: ${JSON.stringify(params.action.payload ?? null)}`
  if (widget !== undefined) return replaceAndSay(turn, widget, text)
  return say(turn, wordsOf(text))
}
