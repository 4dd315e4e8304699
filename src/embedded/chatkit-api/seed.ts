// The schema of threads that a developer or a test creates in the embedded API.

import { z } from 'zod'
import {
  ATTACHMENT_TYPES,
  assistantMessageItem,
  attachment,
  clientToolCallItem,
  fileAnnotation,
  groupedTask,
  inferenceOptions,
  inputText,
  outputText,
  quotedText,
  TASK_TYPES,
  TOOL_CALL_STATUSES,
  taskGroupItem,
  taskItem,
  urlAnnotation,
  userMessageItem,
  widgetItem,
} from '../../chatkit/wire/item.ts'
import { text } from '../../chatkit/wire/wire.ts'
import { MAX_USER_CHARACTERS } from '../../lib/ids.ts'

// The schemas extend those of the API, but are strict, so that a misspelt field of a seed is reported. Absent fields
// get a default; null is allowed where the reference allows it.

const unixTime = z.int().min(0)
const nullableText = z.string().nullable().default(null)

const envelope = {
  id: z.string().min(1).optional(),
  object: z.literal('chatkit.thread_item').optional(),
  created_at: unixTime.optional(),
  /** Accepted, so that an item can be copied from an answer, but replaced by the id of the new thread. */
  thread_id: z.string().optional(),
}

const userMessage = z.strictObject({
  ...userMessageItem.shape,
  ...envelope,
  content: z
    .array(
      z.discriminatedUnion('type', [
        z.strictObject(inputText.shape),
        z.strictObject(quotedText.shape),
      ]),
    )
    .default([]),
  attachments: z
    .array(
      z.strictObject({
        ...attachment.shape,
        type: z.enum(ATTACHMENT_TYPES).default('file'),
        mime_type: z.string().default('application/octet-stream'),
        preview_url: nullableText,
      }),
    )
    .default([]),
  inference_options: z
    .strictObject({
      ...inferenceOptions.shape,
      model: nullableText,
      tool_choice: z.strictObject({ id: z.string() }).nullable().default(null),
    })
    .nullable()
    .default(null),
})

const annotation = z.discriminatedUnion('type', [
  z.strictObject({
    ...fileAnnotation.shape,
    source: z.strictObject(fileAnnotation.shape.source.shape),
  }),
  z.strictObject({
    ...urlAnnotation.shape,
    source: z.strictObject(urlAnnotation.shape.source.shape),
  }),
])

const assistantMessage = z.strictObject({
  ...assistantMessageItem.shape,
  ...envelope,
  content: z
    .array(z.strictObject({ ...outputText.shape, annotations: z.array(annotation).default([]) }))
    .default([]),
})

const widget = z.strictObject({
  ...widgetItem.shape,
  ...envelope,
  widget: z.string().default('{}'),
})

const clientToolCall = z.strictObject({
  ...clientToolCallItem.shape,
  ...envelope,
  status: z.enum(TOOL_CALL_STATUSES).optional(),
  call_id: z.string().optional(),
  name: z.string().default('tool'),
  arguments: z.string().default('{}'),
  output: nullableText,
})

const taskType = z.enum(TASK_TYPES).default('custom')

const task = z.strictObject({
  ...taskItem.shape,
  ...envelope,
  task_type: taskType,
  heading: nullableText,
  summary: nullableText,
})

const taskGroup = z.strictObject({
  ...taskGroupItem.shape,
  ...envelope,
  tasks: z
    .array(
      z.strictObject({
        ...groupedTask.shape,
        type: taskType,
        heading: nullableText,
        summary: nullableText,
      }),
    )
    .default([]),
})

/** An item to create. Only its `type` is required. */
const itemSeed = z.discriminatedUnion('type', [
  userMessage,
  assistantMessage,
  widget,
  clientToolCall,
  task,
  taskGroup,
])
/** {@link itemSeed}, with defaults filled in. */
export type FilledItemSeed = z.output<typeof itemSeed>

const withReason = (type: 'locked' | 'closed') =>
  z.strictObject({ type: z.literal(type), reason: nullableText })

const statusSeed = z.union([
  z.enum(['active', 'locked', 'closed']).transform((type) => {
    return type === 'active' ? { type } : { type, reason: null }
  }),
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('active') }),
    withReason('locked'),
    withReason('closed'),
  ]),
])

/**
 * A thread to create. `status` is an object as in the reference, or only its type. `id` and `created_at` (Unix
 * seconds) are made when absent.
 */
export const threadSeed = z.strictObject({
  id: z.string().min(1).optional(),
  created_at: unixTime.optional(),
  user: text(MAX_USER_CHARACTERS),
  title: nullableText,
  status: statusSeed.default({ type: 'active' }),
  items: z.array(itemSeed).default([]),
})
/** {@link threadSeed} before defaults. */
export type ThreadSeed = z.input<typeof threadSeed>
