// Reads the requests that ChatKit sends to a self-hosted server: JSON `{type, params, metadata?}` to one
// endpoint. A known type must have its ids, as strings, because ownership is decided by them; the rest is
// read tolerantly. The protocol has no user field. Source: the request types of the ChatKit server SDKs.

import { z } from 'zod'
import { issueIn } from '../../lib/errors.ts'
import { show } from '../../lib/show.ts'

/** Ids are opaque. The bound keeps made-up ids from filling the registry. */
const MAX_ID_CHARACTERS = 512

/** Whether a store can hold a thing's id: 1 to 512 characters, well-formed, no control characters. */
export function isStorable({ id }: { readonly id: string }): boolean {
  return id !== '' && id.length <= MAX_ID_CHARACTERS && id.isWellFormed() && !/\p{Cc}/u.test(id)
}

/** Longest cursor: a server's own may hold where its database stopped, encrypted or in base64. */
const MAX_CURSOR_CHARACTERS = 8192

const id = z.string().min(1).max(MAX_ID_CHARACTERS)
const inThread = { thread_id: id }
const metadata = z.record(z.string(), z.unknown()).nullish()

const listParams = {
  limit: z.int().min(0).nullish(),
  order: z.enum(['asc', 'desc']).nullish(),
  /** Cursor: in most servers the id of the last entry of the page before. */
  after: z.string().max(MAX_CURSOR_CHARACTERS).nullish(),
}

/** Like `z.array`, but see {@link readEach}. */
function listOf<S extends z.ZodType>(entry: S) {
  return z.array(z.unknown()).transform((values, context): z.output<S>[] => {
    return readEach(entry, values.entries(), context) ?? z.NEVER
  })
}

/** Like `z.record`, but see {@link readEach}. */
function recordOf<S extends z.ZodType>(entry: S) {
  return z
    .record(z.string(), z.unknown())
    .transform((fields, context): Record<string, z.output<S>> => {
      const read = readEach(entry, Object.entries(fields), context)
      if (read === undefined) return z.NEVER
      const names = Object.keys(fields)
      return Object.fromEntries(read.map((value, at) => [names[at], value]))
    })
}

/**
 * Stops at the first entry that does not fit: zod makes an issue of each, which takes ten times as long as to read
 * them.
 */
function readEach<S extends z.ZodType>(
  entry: S,
  entries: Iterable<[string | number, unknown]>,
  { issues }: Pick<z.RefinementCtx, 'issues'>,
): z.output<S>[] | undefined {
  const read: z.output<S>[] = []
  for (const [key, input] of entries) {
    const { success, data, error } = entry.safeParse(input)
    if (!success) {
      const { message } = issueIn(error)
      issues.push({ code: 'custom', message, path: [key], input })
      return undefined
    }
    read.push(data)
  }
  return read
}

/**
 * A user's message: parts of text and tags, ids of attachments, a quotation, the model's options. A server may show it
 * as it came, so a `text` that is none would make the thread unreadable, also for an admin.
 */
const userMessageInput = z.looseObject({
  content: listOf(z.looseObject({ type: z.string(), text: z.string().nullish() })).nullish(),
  attachments: listOf(id).nullish(),
  quoted_text: z.string().nullish(),
  inference_options: z
    .looseObject({
      model: z.string().nullish(),
      tool_choice: z.looseObject({ id: z.string() }).nullish(),
    })
    .nullish(),
})
export type UserMessageInput = z.infer<typeof userMessageInput>

/** The answers to a form, by the id of each question, or the status that says the user skipped it. */
const structuredInput = z.looseObject({
  status: z.string(),
  answers: recordOf(
    z.looseObject({ values: listOf(z.string()).nullish(), skipped: z.boolean().nullish() }),
  ).nullish(),
})

const customAction = {
  ...inThread,
  item_id: id.nullish(),
  action: z.looseObject({ type: z.string(), payload: z.unknown().optional() }),
}

function request<const T extends string, P extends z.ZodRawShape>(type: T, params: P) {
  return z.looseObject({ type: z.literal(type), params: z.looseObject(params), metadata })
}

const knownRequest = z.discriminatedUnion('type', [
  request('threads.create', { input: userMessageInput }),
  request('threads.add_user_message', { ...inThread, input: userMessageInput }),
  request('threads.add_client_tool_output', { ...inThread, result: z.unknown().optional() }),
  request('threads.add_structured_input', { ...inThread, item_id: id, input: structuredInput }),
  request('threads.retry_after_item', { ...inThread, item_id: id }),
  request('threads.custom_action', customAction),
  request('threads.sync_custom_action', customAction),
  request('threads.get_by_id', inThread),
  request('threads.list', listParams),
  request('items.list', { ...inThread, ...listParams }),
  request('items.feedback', { ...inThread, item_ids: listOf(id), kind: z.string().nullish() }),
  request('threads.update', { ...inThread, title: z.string() }),
  request('threads.delete', inThread),
  request('attachments.create', { name: z.string(), size: z.number(), mime_type: z.string() }),
  request('attachments.delete', { attachment_id: id }),
  request('input.transcribe', { audio_base64: z.string(), mime_type: z.string() }),
])
export type KnownRequest = z.infer<typeof knownRequest>
export type RequestType = KnownRequest['type']

export const REQUEST_TYPES: readonly RequestType[] = knownRequest.options.map(
  ({ shape }) => shape.type.value,
)
const KNOWN: ReadonlySet<string> = new Set(REQUEST_TYPES)

/**
 * Requests whose answers are event streams; the others are answered by JSON. For an unknown type only the content type of
 * the answer tells.
 */
export const STREAMING: ReadonlySet<string> = new Set([
  'threads.create',
  'threads.add_user_message',
  'threads.add_client_tool_output',
  'threads.add_structured_input',
  'threads.retry_after_item',
  'threads.custom_action',
] satisfies RequestType[])

/** Requests that may cost a run of the model: all with a stream, and two with JSON. One of an unknown type may, too. */
export const RUNS_MODEL: ReadonlySet<string> = new Set([
  ...STREAMING,
  ...(['threads.sync_custom_action', 'input.transcribe'] satisfies RequestType[]),
])

/** Longest name that is normalised: those of the protocol are shorter, and megabytes would block the process. */
const MAX_NAME_CHARACTERS = 256
/**
 * Characters of which no part of a Latin letter or digit is left when they are normalised. They are removed before,
 * because some need a lot of time: U+FDFA becomes 18 characters.
 */
const NOT_LATIN = /[^\p{Script=Latin}\p{Script=Common}]+/gu

/** A name that needs no normalisation, which takes ten times as long as all else. */
export const ASCII = /^\p{ASCII}*$/u

const ENVELOPE: readonly string[] = ['type', 'params', 'metadata']

const otherRequest = z.looseObject({
  type: z.string().min(1),
  params: z.record(z.string(), z.unknown()).nullish(),
  metadata,
})
/** A request of a type that is not among {@link REQUEST_TYPES}. */
export type OtherRequest = z.infer<typeof otherRequest>

const anyRequest = otherRequest.check(refuseLookAlikes)

/** {@link parseRequest} */
export type ParsedRequest =
  | { readonly known: true; readonly request: KnownRequest }
  | { readonly known: false; readonly request: OtherRequest }

/** Whether the protocol's answer to a request is always `{}`. */
export function saysNothing(type: string): boolean {
  return type === 'items.feedback' || type === 'threads.delete' || type === 'attachments.delete'
}

/**
 * Reads the body of a request; one with a second `Type` or `Params`, which some servers would read instead, is refused.
 *
 * @param value - parsed JSON, of bounded depth
 * @throws `ZodError` when it is no request, or a known type without what it needs
 */
export function parseRequest(value: unknown): ParsedRequest {
  const envelope = anyRequest.parse(value)
  return KNOWN.has(envelope.type)
    ? { known: true, request: knownRequest.parse(value) }
    : { known: false, request: envelope }
}

/**
 * Leaves type, ids and numbers, by which the answer is judged. What a user sent would take as much memory as the
 * body, or twice as much, until the server answers.
 */
export function forgetSent(request: ParsedRequest['request']): void {
  for (const part of [request, request.params ?? {}]) {
    for (const [name, value] of Object.entries(part)) {
      const isLong = typeof value === 'object' || String(value).length > MAX_CURSOR_CHARACTERS
      if (isLong && value !== request.params) Reflect.deleteProperty(part, name)
    }
  }
}

/** For the log: the first field that does not fit, and what was expected; never a value. */
export function whyNoRequest(error: unknown): string {
  if (!(error instanceof z.ZodError)) return error instanceof Error ? error.message : 'unknown'
  const { path, message } = issueIn(error)
  return `${show(path.join('.'))} ${message}`
}

function refuseLookAlikes(context: z.core.ParsePayload<OtherRequest>): void {
  for (const key of Object.keys(context.value)) {
    if (ENVELOPE.includes(key) || !ENVELOPE.includes(plainName(key))) continue
    const message = 'differs from a field of the protocol only in its spelling'
    context.issues.push({ code: 'custom', message, path: [key], input: context.value })
    return
  }
}

/**
 * A name as the most lenient server would read it: `Thread_Id`, `threadId` and `thread_id` are one. So is
 * `thread\u0131d`: in upper case it is the same, and case folding (Go) makes `attachment\u017f` of `attachments`.
 *
 * @param key - of an object
 */
export function plainName(key: string): string {
  if (key.length > MAX_NAME_CHARACTERS) return key
  const upper = ASCII.test(key) ? key : key.replace(NOT_LATIN, '').normalize('NFKD').toUpperCase()
  return upper.toLowerCase().replace(/[^a-z0-9]/g, '')
}
