// Translates threads and items of a self-hosted ChatKit server into the shapes of the ChatKit API's
// reference. It does no I/O and has no clock.

import type { ThreadItem } from '../wire/item.ts'
import type { Thread } from '../wire/thread.ts'
import {
  isKnownItem,
  type KnownServerItem,
  type OtherServerItem,
  type ServerAnnotation,
  type ServerAssistantContent,
  type ServerAttachment,
  type ServerItem,
  type ServerTask,
  type ServerThread,
  type ServerTime,
  type ServerUserContent,
} from './thread.ts'

/**
 * Kinds of items that a server keeps for itself, the first as two SDKs call it, and the mark at the end of a turn, which
 * shows nothing.
 */
const HIDDEN_KINDS: readonly string[] = [
  ...['hidden_context_item', 'hidden_context'],
  ...['sdk_hidden_context', 'end_of_turn'],
]
/** Times up to this number are in seconds (until the year 5138), larger ones in milliseconds. */
const LARGEST_SECONDS = 100_000_000_000
/** Longest URL of a picture that is shown; longer ones hold the picture itself. */
const MAX_URL_CHARACTERS = 2048
const ZONE = /(?:Z|[+-]\d\d:?\d\d)$/i

type ItemOf<K extends KnownServerItem['type']> = Extract<KnownServerItem, { type: K }>

/**
 * @param thread - as the server has it; its items and metadata are left out
 * @param user - its owner, whom the server does not name
 */
export function toWireThread(thread: ServerThread, user: string): Thread {
  return {
    id: thread.id,
    object: 'chatkit.thread',
    created_at: toUnixSeconds(thread.created_at),
    status: toWireStatus(thread.status),
    title: thread.title ?? null,
    user,
  }
}

function toWireStatus(status: ServerThread['status']): Thread['status'] {
  const { type = 'active', reason = null } = status ?? {}
  if (type === 'active') return { type }
  return { type, reason }
}

/**
 * @param item - as the server has it
 * @returns the item in one of the six kinds of the reference; a kind that the reference does not have
 * becomes a task that names it, with its content as JSON; undefined for an item that no client may see
 */
export function toWireItem(item: ServerItem): ThreadItem | undefined {
  if (HIDDEN_KINDS.includes(item.type)) return undefined
  if (!isKnownItem(item)) return otherKind(item)
  switch (item.type) {
    case 'user_message':
      return userMessage(item)
    case 'assistant_message':
      return {
        ...envelope(item),
        type: 'chatkit.assistant_message',
        content: item.content.map(output),
      }
    case 'widget':
      return { ...envelope(item), type: 'chatkit.widget', widget: jsonText(item.widget) ?? '{}' }
    case 'client_tool_call':
      return toolCall(item)
    case 'task': {
      const { type: task_type, ...rest } = taskFields(item.task)
      return { ...envelope(item), type: 'chatkit.task', task_type, ...rest }
    }
    case 'workflow':
      return {
        ...envelope(item),
        type: 'chatkit.task_group',
        tasks: item.workflow.tasks.map(taskFields),
      }
    case 'structured_input':
      return otherKind(item)
  }
}

/**
 * @param time - of a server; without a zone it is UTC
 * @returns whole Unix seconds
 */
export function toUnixSeconds(time: ServerTime): number {
  if (typeof time === 'number') {
    return Math.floor(time > LARGEST_SECONDS ? time / 1000 : time)
  }
  return Math.floor(Date.parse(ZONE.test(time) ? time : `${time}Z`) / 1000)
}

function envelope(item: Pick<ServerItem, 'id' | 'thread_id' | 'created_at'>) {
  return {
    id: item.id,
    object: 'chatkit.thread_item' as const,
    created_at: toUnixSeconds(item.created_at),
    thread_id: item.thread_id,
  }
}

/** A task with the server's kind as heading and the content as JSON: the reference has no open kind. */
function otherKind(item: ItemOf<'structured_input'> | OtherServerItem): ThreadItem {
  const { id, thread_id, created_at, type, ...rest } = item
  return {
    ...envelope({ id, thread_id, created_at }),
    type: 'chatkit.task',
    task_type: 'custom',
    heading: type,
    summary: type === 'generated_image' ? pictureSummary(rest) : contentSummary(rest),
  }
}

function contentSummary(content: object): string | null {
  return Object.keys(content).length === 0 ? null : JSON.stringify(content)
}

/** The picture's URL; a fixed text when the URL holds the picture itself (`data:`) and may have megabytes. */
function pictureSummary({ image }: Readonly<Record<string, unknown>>): string {
  const url = typeof image === 'object' && image !== null && 'url' in image ? image.url : undefined
  const isAddress =
    typeof url === 'string' && /^https?:/i.test(url) && url.length <= MAX_URL_CHARACTERS
  return isAddress ? url : 'A generated picture.'
}

function userMessage(item: ItemOf<'user_message'>): ThreadItem {
  const quoted = item.quoted_text ? [{ type: 'quoted_text' as const, text: item.quoted_text }] : []
  return {
    ...envelope(item),
    type: 'chatkit.user_message',
    content: [...quoted, ...item.content.map(input)],
    attachments: item.attachments.map(toWireAttachment),
    inference_options: inferenceOptions(item.inference_options),
  }
}

/** A tag becomes the text that it shows, because the reference has no tags. */
function input(part: ServerUserContent) {
  const text = part.text ?? ''
  if (part.type === 'quoted_text') return { type: 'quoted_text' as const, text }
  if (part.type === 'input_text' || part.type === 'input_tag') {
    return { type: 'input_text' as const, text }
  }
  return part
}

function toWireAttachment(attachment: ServerAttachment) {
  const { id, type, mime_type, name, preview_url = null } = attachment
  return { id, type, mime_type, name, preview_url }
}

/** Null when neither is set, as in the reference. */
function inferenceOptions(options: ItemOf<'user_message'>['inference_options']) {
  const { model = null, tool_choice: choice = null } = options ?? {}
  if (model === null && choice === null) return null
  return { model, tool_choice: choice && { id: choice.id } }
}

function output(part: ServerAssistantContent) {
  if (part.type !== 'output_text') return part
  const annotations = part.annotations.map(annotation)
  return { type: 'output_text' as const, text: part.text ?? '', annotations }
}

function annotation(from: ServerAnnotation) {
  const { type, filename, url } = from.source
  if (type === 'file' && filename != null) {
    return { type: 'file' as const, source: { type: 'file' as const, filename } }
  }
  if (type === 'url' && url != null) {
    return { type: 'url' as const, source: { type: 'url' as const, url } }
  }
  return { ...from, type: 'annotation' }
}

function toolCall(item: ItemOf<'client_tool_call'>): ThreadItem {
  const { call_id, name, arguments: given, output: result } = item
  return {
    ...envelope(item),
    type: 'chatkit.client_tool_call',
    status: item.status === 'pending' ? 'in_progress' : item.status,
    call_id,
    name,
    arguments: typeof given === 'string' ? given : (jsonText(given) ?? '{}'),
    output: jsonText(result),
  }
}

function jsonText(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value)
}

function taskFields(task: ServerTask) {
  return {
    type: task.type === 'thought' ? ('thought' as const) : ('custom' as const),
    heading: task.title ?? task.title_query ?? null,
    summary: task.content ?? null,
  }
}
