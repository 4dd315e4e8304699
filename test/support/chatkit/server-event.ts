import { z } from 'zod'
import { serverItem, serverThread } from '../../../src/chatkit/protocol/thread.ts'

/** A change to an item: a piece of text, a widget's new root, a task. */
const itemUpdate = z.looseObject({ type: z.string() })

/** An event of a ChatKit server's stream. Source: the types of the ChatKit server SDKs. */
export const serverEvent = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('thread.created'), thread: serverThread }),
  z.looseObject({ type: z.literal('thread.updated'), thread: serverThread }),
  z.looseObject({ type: z.literal('thread.item.added'), item: serverItem }),
  z.looseObject({
    type: z.literal('thread.item.updated'),
    item_id: z.string(),
    update: itemUpdate,
  }),
  z.looseObject({ type: z.literal('thread.item.done'), item: serverItem }),
  z.looseObject({ type: z.literal('thread.item.removed'), item_id: z.string() }),
  z.looseObject({ type: z.literal('thread.item.replaced'), item: serverItem }),
  z.looseObject({
    type: z.literal('stream_options'),
    stream_options: z.looseObject({ allow_cancel: z.boolean().optional() }),
  }),
  z.looseObject({
    type: z.literal('progress_update'),
    text: z.string(),
    icon: z.string().nullish(),
  }),
  z.looseObject({
    type: z.literal('client_effect'),
    name: z.string(),
    data: z.record(z.string(), z.unknown()).default({}),
  }),
  z.looseObject({
    type: z.literal('notice'),
    /** `info`, `warning` or `danger`. */
    level: z.string(),
    /** Markdown, shown to the person in the chat. */
    message: z.string(),
    title: z.string().nullish(),
  }),
  z.looseObject({
    type: z.literal('error'),
    /** `custom` shows `message` to the person in the chat; any other code shows ChatKit's own text. */
    code: z.string().default('custom'),
    message: z.string().nullish(),
    allow_retry: z.boolean().default(false),
  }),
])
