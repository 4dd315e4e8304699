// Finds the ids that a request to a ChatKit server names, so that the gateway can check their owners.

import { ServiceError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json.ts'
import { ASCII, type ParsedRequest, plainName } from './request.ts'

/** Most characters of all different names that are normalised for one request: megabytes would block the process. */
const MOST_NORMALISED = 200_000

/** The ids that a request names. Each list is without repetitions. */
export interface RequestIds {
  /** Threads that the server may read or change: each has to belong to the caller. */
  readonly threads: readonly string[]
  /** Attachments, likewise. */
  readonly attachments: readonly string[]
  /** Items: they belong to the owner of their thread. */
  readonly items: readonly string[]
  /**
   * Ids in the application's own data (an action, a tool's result, a tag's data, answers to a form, `metadata` of a
   * request or, where pages add it, of a message) and in the cursor of `threads.list`. They may be ids of something
   * else, so an unknown id passes, but one that belongs to another user is refused.
   */
  readonly mentioned: {
    readonly threads: readonly string[]
    readonly attachments: readonly string[]
  }
  /**
   * A name in a message, outside the application's own data, that a lenient server takes for one of the fields in
   * which a message can name a file: `URL`, `imageUrl`.
   */
  readonly otherSpelling: string | undefined
}

/** Stands for an id that cannot be determined. No store holds it, so nobody owns it. */
const ROUNDED = '\0'
/** The strings and numbers of JSON. */
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g
/** Longest number whose digits are judged, because the time to convert one grows with the square of its length. */
const LONGEST_INTEGER = /^-?\d{1,40}$/
/** Most ids that are kept for one rounded number. */
const MOST_ALIKE = 16
/** Most rounded numbers of a body that are judged. No request may name so many ids anyway. */
const MOST_ROUNDED = 10_000

type Kind = 'threads' | 'attachments' | 'items'
type Found = Readonly<Record<Kind, Set<string>>>

/** Names of fields with ids, spelt as `plainName` gives them. */
const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['thread', 'threads'],
  ['threads', 'threads'],
  ['threadid', 'threads'],
  ['threadids', 'threads'],
  ['attachment', 'attachments'],
  ['attachments', 'attachments'],
  ['attachmentid', 'attachments'],
  ['attachmentids', 'attachments'],
  ['itemid', 'items'],
  ['itemids', 'items'],
])

/** The param that holds a user's message. */
const MESSAGE = 'input'

/** The exact names of the fields of a message in which it can name a file, by their plain names. */
const FILE_NAMES: ReadonlyMap<string, string> = new Map(
  [
    ...['content', 'type', 'image', 'url', 'image_url', 'preview_url', 'src', 'favicon'],
    ...['annotation', 'annotations', 'source', 'sources', 'widget', 'component', 'task', 'tasks'],
    ...['workflow', 'items', 'upload_url', 'upload_descriptor', 'attachments'],
  ].map((name) => [plainName(name), name]),
)

/** @param name - of a field, however it is spelt */
export function isIdName(name: string): boolean {
  return KINDS.has(plainName(name))
}

/**
 * Finds every id in a request, at any depth and however its name is spelt. An id is dangerous even where the
 * protocol has none (`thread_id` beside the `input` of `threads.create`), because a server may look there. A server
 * that ignores case takes `Thread_Id` for `thread_id`.
 *
 * @param parsed - of a body whose depth and number of values are bounded
 * @param bytes - the body, in which the digits of rounded numbers are found
 * @throws `invalid_request` for too many different names that are not ASCII
 */
export function idsOf(parsed: ParsedRequest, bytes?: Uint8Array): RequestIds {
  const names = { read: new Map<string, string>(), characters: 0 }
  const named: Found = { threads: new Set(), attachments: new Set(), items: new Set() }
  const mentioned: Found = { threads: new Set(), attachments: new Set(), items: new Set() }
  // Membership is by identity: an equal object elsewhere is not the application's own.
  const free: ReadonlySet<unknown> = new Set([parsed.request.metadata, ...freeParams(parsed)])
  let otherSpelling: string | undefined
  let rounded: ReturnType<typeof roundedNumbersIn> | undefined
  const readingsOf = (value: number): Iterable<string> => {
    rounded ??= roundedNumbersIn(bytes ?? new Uint8Array())
    const ids = rounded.get(value)
    return ids === undefined || ids.size > MOST_ALIKE ? [ROUNDED] : ids
  }
  const walk = (node: unknown, into: Found, inMessage: boolean): void => {
    if (typeof node !== 'object' || node === null) return
    const found = free.has(node) ? mentioned : into
    // Positions name nothing, and reading a hundred thousand of them as names takes long.
    if (Array.isArray(node)) {
      for (const value of node) walk(value, found, inMessage)
      return
    }
    for (const [key, value] of Object.entries(node)) {
      const name = ASCII.test(key) ? plainName(key) : normalised(key, names)
      const exact = name === MESSAGE ? MESSAGE : inMessage ? FILE_NAMES.get(name) : undefined
      if (found === named && (exact ?? key) !== key) otherSpelling ??= key
      const kind = KINDS.get(name)
      // No owner is looked up for items, so theirs may be any.
      const refused = kind === 'items' ? found.items : named.threads
      if (kind !== undefined) take(value, found[kind], { refused, readingsOf })
      walk(value, found, inMessage || name === MESSAGE)
    }
  }
  walk(parsed.request, named, false)
  const { known, request } = parsed
  if (known && request.type === 'threads.list' && request.params.after) {
    mentioned.threads.add(request.params.after)
  }
  return {
    threads: [...named.threads],
    attachments: [...named.attachments],
    items: [...named.items],
    mentioned: { threads: [...mentioned.threads], attachments: [...mentioned.attachments] },
    otherSpelling,
  }
}

/**
 * The {@link plainName} of a name that is not ASCII, which is read once.
 *
 * @param names - `read`: the plain names of one request; `characters`: the length of all of them before they were read
 */
function normalised(
  key: string,
  names: { readonly read: Map<string, string>; characters: number },
): string {
  const known = names.read.get(key)
  if (known !== undefined) return known
  names.characters += key.length
  if (names.characters > MOST_NORMALISED) {
    throw new ServiceError('invalid_request', { reason: 'too many names that are not ASCII' })
  }
  const plain = plainName(key)
  names.read.set(key, plain)
  return plain
}

/** The parts of the params that the protocol leaves to the application. */
function freeParams({ known, request }: ParsedRequest): unknown[] {
  if (!known) return []
  switch (request.type) {
    case 'threads.create':
    case 'threads.add_user_message': {
      const { content, metadata } = request.params.input
      const free = [metadata]
      for (const part of content ?? []) free.push(part['data'])
      return free
    }
    case 'threads.add_client_tool_output':
      return [request.params.result]
    case 'threads.add_structured_input':
      return [request.params.input.answers]
    case 'threads.custom_action':
    case 'threads.sync_custom_action':
      return [request.params.action]
    default:
      return []
  }
}

/**
 * Numbers and lists count, too: many servers would read `["thr_1"]` as `thr_1`, and PHP reads `{"0": "thr_1"}` as that
 * list. A number beyond 2^53 was rounded when it was parsed: servers may read it as any number of the body that is
 * rounded to the same value, so all of these count.
 *
 * @param judged - `refused`: ids that no request may name; `readingsOf`: the possible ids of a rounded number
 */
function take(
  value: unknown,
  found: Set<string>,
  judged: {
    readonly refused: Set<string>
    readonly readingsOf: (value: number) => Iterable<string>
  },
): void {
  if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    for (const id of judged.readingsOf(value)) (id === ROUNDED ? judged.refused : found).add(id)
  } else if (typeof value === 'string' || typeof value === 'number') found.add(String(value))
  else if (Array.isArray(value)) for (const entry of value) take(entry, found, judged)
  else if (isObject(value)) {
    for (const [key, entry] of Object.entries(value))
      if (/^(?:id|\d+)$/.test(plainName(key))) take(entry, found, judged)
  }
}

/**
 * Maps each rounded number to the ids that servers may read in it. An integer beyond 2^53 gives three: with all its
 * digits, and as JavaScript and C write the rounded value. One with a fraction or an exponent gives {@link ROUNDED}.
 */
function roundedNumbersIn(bytes: Uint8Array): ReadonlyMap<number, ReadonlySet<string>> {
  const found = new Map<number, Set<string>>()
  const json = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  for (const [written] of json.matchAll(STRING_OR_NUMBER)) {
    if (written.startsWith('"')) continue
    const value = Number(written)
    if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) continue
    const ids = found.get(value) ?? new Set()
    if (ids.size > MOST_ALIKE || ids.has(written)) continue
    found.set(value, ids)
    if (!LONGEST_INTEGER.test(written)) ids.add(ROUNDED)
    else
      ids
        .add(written)
        .add(String(value))
        .add(String(BigInt(value)))
    if (found.size > MOST_ROUNDED) return new Map()
  }
  return found
}
