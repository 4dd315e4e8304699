// The schema of threads that a developer or a test creates in the embedded API.

import { z } from 'zod'
import {
  assistantMessageItem,
  attachment,
  clientToolCallItem,
  groupedTask,
  taskGroupItem,
  taskItem,
  userMessageItem,
  widgetItem,
} from '../../chatkit/wire/item.ts'
import { text } from '../../chatkit/wire/wire.ts'
import { MAX_USER_CHARACTERS } from '../../lib/ids.ts'

// The schemas extend those of the API, but threads and items are strict, so that a misspelt field of a seed is
// reported. Absent fields get a default; null is allowed where the reference allows it.

const unixTime = z.int().min(0)

const envelope = {
  id: z.string().min(1).optional(),
  object: z.literal('chatkit.thread_item').optional(),
  created_at: unixTime.optional(),
  /** Accepted, so that an item can be copied from an answer, but replaced by the id of the new thread. */
  thread_id: z.string().optional(),
}

const attachments = z.array(
  attachment.extend({
    type: attachment.shape.type.default('file'),
    mime_type: z.string().default('application/octet-stream'),
  }),
)
const tasks = z.array(groupedTask.extend({ type: groupedTask.shape.type.default('custom') }))

/** An item to create. Only its `type` is required. */
const itemSeed = z.discriminatedUnion('type', [
  z.strictObject({
    ...userMessageItem.shape,
    ...envelope,
    content: userMessageItem.shape.content.default([]),
    attachments: attachments.default([]),
    inference_options: userMessageItem.shape.inference_options.optional(),
  }),
  z.strictObject({
    ...assistantMessageItem.shape,
    ...envelope,
    content: assistantMessageItem.shape.content.default([]),
  }),
  z.strictObject({ ...widgetItem.shape, ...envelope, widget: z.string().default('{}') }),
  z.strictObject({
    ...clientToolCallItem.shape,
    ...envelope,
    status: clientToolCallItem.shape.status.optional(),
    call_id: z.string().optional(),
    name: z.string().default('tool'),
    arguments: z.string().default('{}'),
  }),
  z.strictObject({
    ...taskItem.shape,
    ...envelope,
    task_type: taskItem.shape.task_type.default('custom'),
  }),
  z.strictObject({ ...taskGroupItem.shape, ...envelope, tasks: tasks.default([]) }),
])
/** {@link itemSeed}, with defaults filled in. */
export type FilledItemSeed = z.output<typeof itemSeed>

const statusType = z.enum(['active', 'locked', 'closed'])

/**
 * A thread to create. `status` is an object as in the reference, or only its type. `id` and `created_at` (Unix
 * seconds) are made when absent.
 */
export const threadSeed = z.strictObject({
  id: z.string().min(1).optional(),
  created_at: unixTime.optional(),
  user: text(MAX_USER_CHARACTERS),
  title: z.string().nullable().default(null),
  status: z
    .union([
      statusType.transform((type) => ({ type })),
      z.strictObject({ type: statusType, reason: z.string().nullish() }),
    ])
    .default({ type: 'active' }),
  items: z.array(itemSeed).default([]),
})
/** {@link threadSeed} before defaults. */
export type ThreadSeed = z.input<typeof threadSeed>
