// The items of a thread, as the ChatKit API spells them.

import { z } from 'zod'
import { openEnum } from './wire.ts'

/** Fields of every kind of item. */
const envelope = {
  id: z.string().min(1),
  object: z.literal('chatkit.thread_item'),
  /** Unix seconds. */
  created_at: z.number(),
  thread_id: z.string(),
}

/** A union over `type` that lets a `type` through that is none of `known`, and only such a one. */
function otherType(known: readonly string[]) {
  return z.looseObject({ type: z.string().refine((type) => !known.includes(type)) })
}

/** Values of an attachment's `type`. */
export const ATTACHMENT_TYPES = ['image', 'file'] as const
/** Values of a client tool call's `status`. */
export const TOOL_CALL_STATUSES = ['in_progress', 'completed'] as const
/** Values of a task's `task_type`, and of `type` of a task in a group. */
export const TASK_TYPES = ['custom', 'thought'] as const

/** A file or image that goes with a user's message. */
export const attachment = z.looseObject({
  id: z.string(),
  type: openEnum(ATTACHMENT_TYPES),
  mime_type: z.string(),
  name: z.string(),
  preview_url: z.string().nullable(),
})

/** A user's own words. */
export const inputText = z.looseObject({ type: z.literal('input_text'), text: z.string() })
/** Text that a user quoted. */
export const quotedText = z.looseObject({ type: z.literal('quoted_text'), text: z.string() })

/** Overrides for one message; null is the session's default. */
export const inferenceOptions = z.looseObject({
  model: z.string().nullable(),
  tool_choice: z.looseObject({ id: z.string() }).nullable(),
})

/** A user's message. */
export const userMessageItem = z.looseObject({
  ...envelope,
  type: z.literal('chatkit.user_message'),
  content: z.array(z.union([inputText, quotedText, otherType(['input_text', 'quoted_text'])])),
  attachments: z.array(attachment),
  inference_options: inferenceOptions.nullable(),
})

/** A reference to an uploaded file. */
export const fileAnnotation = z.looseObject({
  type: z.literal('file'),
  source: z.looseObject({ type: z.literal('file'), filename: z.string() }),
})

/** A reference to a web page. */
export const urlAnnotation = z.looseObject({
  type: z.literal('url'),
  source: z.looseObject({ type: z.literal('url'), url: z.string() }),
})

/** A part of an answer. */
export const outputText = z.looseObject({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.union([fileAnnotation, urlAnnotation, otherType(['file', 'url'])])),
})

/** The assistant's message. */
export const assistantMessageItem = z.looseObject({
  ...envelope,
  type: z.literal('chatkit.assistant_message'),
  content: z.array(z.union([outputText, otherType(['output_text'])])),
})

/** A widget, as serialized JSON. */
export const widgetItem = z.looseObject({
  ...envelope,
  type: z.literal('chatkit.widget'),
  widget: z.string(),
})

/** A tool that the page ran for the assistant. `output` is null while it runs; both are JSON texts. */
export const clientToolCallItem = z.looseObject({
  ...envelope,
  type: z.literal('chatkit.client_tool_call'),
  status: openEnum(TOOL_CALL_STATUSES),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
  output: z.string().nullable(),
})

/** A step of the workflow, shown as progress. */
export const taskItem = z.looseObject({
  ...envelope,
  type: z.literal('chatkit.task'),
  task_type: openEnum(TASK_TYPES),
  heading: z.string().nullable(),
  summary: z.string().nullable(),
})

/** A task inside a group. */
export const groupedTask = z.looseObject({
  type: openEnum(TASK_TYPES),
  heading: z.string().nullable(),
  summary: z.string().nullable(),
})

/** Several steps shown together. */
export const taskGroupItem = z.looseObject({
  ...envelope,
  type: z.literal('chatkit.task_group'),
  tasks: z.array(groupedTask),
})

/** The six kinds of the reference. */
export const knownThreadItem = z.discriminatedUnion('type', [
  userMessageItem,
  assistantMessageItem,
  widgetItem,
  clientToolCallItem,
  taskItem,
  taskGroupItem,
])
/** {@link knownThreadItem} */
export type KnownThreadItem = z.infer<typeof knownThreadItem>

const KNOWN_KINDS: readonly unknown[] = knownThreadItem.options.map(({ shape }) => shape.type.value)

const otherItem = z
  .looseObject({ id: z.string().min(1) })
  .refine((item) => !KNOWN_KINDS.includes(item['type']))

/** An item of a thread. A kind that the reference does not have passes as it is, given an id. */
export const threadItem = z.union([knownThreadItem, otherItem])
/** {@link threadItem} */
export type ThreadItem = z.infer<typeof threadItem>
