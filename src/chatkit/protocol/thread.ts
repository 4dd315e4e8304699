// Threads, items, attachments and pages as a self-hosted ChatKit server answers them. They are read tolerantly: unknown
// fields pass, and fields that a server may leave out get their default. Source: the types of the ChatKit server SDKs.

import { z } from 'zod'
import { isObject } from '../../lib/json.ts'

/**
 * ISO 8601, or Unix seconds. Servers in Python write the time without a zone; it is taken as UTC. Databases and Ruby
 * write a space before the time and the zone; PostgreSQL writes only the hours of a zone. Flask writes a date as in HTTP,
 * and drivers of databases write large numbers as text.
 */
const serverTime = z.preprocess(
  (time) => (typeof time === 'string' ? isoTime(time) : time),
  z.union([z.iso.datetime({ local: true, offset: true }), z.number().nonnegative()]),
)
export type ServerTime = z.infer<typeof serverTime>

function isoTime(time: string): string | number {
  // Seconds since 1973, or milliseconds: fewer digits may be a day, as `20260102`.
  if (/^\d{9,13}(?:\.\d+)?$/.test(time)) return Number(time)
  if (HTTP_DATE.test(time)) return new Date(time).toJSON()
  const zoned = time.replace(/ ?(?:UTC|GMT)$/, 'Z').replace(/ ?([+-]\d\d):?(\d\d)$/, '$1:$2')
  const whole = zoned.replace(/(?<=:\d\d(?:\.\d+)?)([+-]\d\d)$/, '$1:00')
  return whole.replace(/^([\d-]{10}) /, '$1T')
}

/** RFC 9110 §5.6.7, in the form that is still written. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/

/** A list. Servers in Go write an empty one as `null`, servers in Lua as an empty object. */
export function nullableList<T extends z.ZodType>(entry: T) {
  const isNothing = (value: unknown) => isObject(value) && Object.keys(value).length === 0
  const list = z
    .array(entry)
    .nullish()
    .transform((entries) => entries ?? [])
  return z.preprocess((value) => (isNothing(value) ? null : value), list)
}

/** A truth value. Databases write it as 0 or 1. */
export const truth = z
  .union([z.boolean(), z.literal([0, 1])])
  .nullish()
  .transform((value) => value === true || value === 1)

/** The parts of a message. Some servers write a text alone instead of a list with one part. */
function partsOf<T extends z.ZodType>(part: T, type: 'input_text' | 'output_text') {
  const inList = (value: unknown) => (typeof value === 'string' ? [{ type, text: value }] : value)
  return z.preprocess(inList, nullableList(part))
}

/** An object that may be absent. Servers in PHP write an empty one as an empty list. */
function nullableObject<T extends z.ZodType>(object: T) {
  const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0
  return z.preprocess((value) => (isEmptyList(value) ? null : value), object.nullable()).nullish()
}

/**
 * A page. `after` is the cursor of the next page; it may name an entry that is not the caller's.
 *
 * @param entry - schema of one entry
 */
function serverPageOf<T extends z.ZodType>(entry: T) {
  return z.looseObject({ data: nullableList(entry), has_more: truth, after: z.string().nullish() })
}

/**
 * An attachment. Where the bytes have yet to be uploaded there is an `upload_url` (`POST` of a form
 * with a field `file`) or, since version 1.5 of the SDK, an `upload_descriptor`.
 */
export const serverAttachment = z.looseObject({
  id: z.string().min(1),
  type: z.string().default('file'),
  name: z.string(),
  mime_type: z.string(),
  preview_url: z.string().nullish(),
  upload_url: z.string().nullish(),
  upload_descriptor: z
    .looseObject({
      url: z.string(),
      method: z.string(),
      headers: nullableObject(z.record(z.string(), z.string())),
    })
    .nullish(),
})
export type ServerAttachment = z.infer<typeof serverAttachment>

const envelope = {
  id: z.string().min(1),
  /** Empty where the server names no thread: the item is of the thread that was asked for. */
  thread_id: z
    .string()
    .nullish()
    .transform((id) => id ?? ''),
  created_at: serverTime,
}

/** A part of a message: `input_text`, or a tag (`input_tag`) that also has a text. */
const userContent = z.looseObject({ type: z.string(), text: z.string().nullish() })
export type ServerUserContent = z.infer<typeof userContent>

const annotation = z.looseObject({
  source: z.looseObject({
    type: z.string(),
    filename: z.string().nullish(),
    url: z.string().nullish(),
  }),
})
/** Reference to a file, a web page, or an entity of the application. */
export type ServerAnnotation = z.infer<typeof annotation>

const assistantContent = z.looseObject({
  type: z.string().default('output_text'),
  text: z.string().nullish(),
  annotations: nullableList(annotation),
})
/** A part of an answer. */
export type ServerAssistantContent = z.infer<typeof assistantContent>

const task = z.looseObject({
  /** `custom`, `thought`, `web_search`, `file`, `image`. */
  type: z.string().default('custom'),
  title: z.string().nullish(),
  title_query: z.string().nullish(),
  content: z.string().nullish(),
})
export type ServerTask = z.infer<typeof task>

const question = z.looseObject({
  id: z.string(),
  /** `multiple_choice` or `freeform`. */
  type: z.string(),
  question: z.string(),
  answer: nullableObject(
    z.looseObject({ values: nullableList(z.string()), skipped: z.boolean().default(false) }),
  ),
})

const knownServerItem = z.discriminatedUnion('type', [
  z.looseObject({
    ...envelope,
    type: z.literal('user_message'),
    content: partsOf(userContent, 'input_text'),
    attachments: nullableList(serverAttachment),
    quoted_text: z.string().nullish(),
    inference_options: nullableObject(
      z.looseObject({
        model: z.string().nullish(),
        tool_choice: nullableObject(z.looseObject({ id: z.string() })),
      }),
    ),
  }),
  z.looseObject({
    ...envelope,
    type: z.literal('assistant_message'),
    content: partsOf(assistantContent, 'output_text'),
  }),
  z.looseObject({ ...envelope, type: z.literal('widget'), widget: z.unknown() }),
  z.looseObject({
    ...envelope,
    type: z.literal('client_tool_call'),
    /** `pending` or `completed`. */
    status: z.string().default('pending'),
    call_id: z.string(),
    name: z.string(),
    arguments: z.unknown().optional(),
    output: z.unknown().optional(),
  }),
  z.looseObject({ ...envelope, type: z.literal('task'), task }),
  z.looseObject({
    ...envelope,
    type: z.literal('workflow'),
    workflow: z.looseObject({ type: z.string().default('custom'), tasks: nullableList(task) }),
  }),
  z.looseObject({
    ...envelope,
    type: z.literal('structured_input'),
    /** `pending`, `answered` or `skipped`. */
    status: z.string().default('pending'),
    inputs: nullableList(question),
  }),
])
/** An item of a kind that is named here. */
export type KnownServerItem = z.infer<typeof knownServerItem>

const KNOWN_KINDS: readonly string[] = knownServerItem.options.map(({ shape }) => shape.type.value)

/** Marks an item of a named kind that has another shape. No JSON can hold it. */
const MISSHAPEN = Symbol('misshapen')

const otherServerItem = z
  .looseObject({ ...envelope, type: z.string() })
  .transform((item): typeof item & { readonly [MISSHAPEN]?: true } =>
    KNOWN_KINDS.includes(item.type) ? { ...item, [MISSHAPEN]: true } : item,
  )
/** An item of another kind, such as a generated image or the end of a turn, or of another shape than its kind. */
export type OtherServerItem = z.infer<typeof otherServerItem>

/** An item of a thread; any other item passes unchanged, so that one which cannot be read hides no others. */
export const serverItem = z.union([knownServerItem, otherServerItem])
export type ServerItem = z.infer<typeof serverItem>

/** Whether an item's kind is named here, and the item has its shape. */
export function isKnownItem(item: ServerItem): item is KnownServerItem {
  return KNOWN_KINDS.includes(item.type) && !(MISSHAPEN in item)
}

/** Answer of `items.list`. */
export const serverItemPage = serverPageOf(serverItem)

/** A thread. Its first items may come with it; nobody reads them there, so they may have any shape. */
export const serverThread = z.looseObject({
  id: z.string().min(1),
  title: z.string().nullish(),
  created_at: serverTime,
  /** `active`, `locked` or `closed`; active when absent. */
  status: z.looseObject({ type: z.string(), reason: z.string().nullish() }).nullish(),
})
export type ServerThread = z.infer<typeof serverThread>

/** Any page: only a server that can list gives one. */
export const anyPage = z.looseObject({ data: z.array(z.unknown()).nullable() })

/** Answer of `threads.list`. */
export const serverThreadPage = serverPageOf(serverThread)

/** The same, with threads that need not be readable: an unreadable one must not hide the others. */
export const anyThreadPage = serverPageOf(z.unknown())
