// Reads the body of a request within bounds on size and time: JSON, form, text or bytes.

import { z } from 'zod'
import { ServiceError } from '../lib/errors.ts'
import { FORM_TYPE, JSON_TYPE } from '../lib/header-patterns.ts'
import { parseStrictJson, StrictJsonError } from '../lib/json.ts'
import { TooLargeError } from '../lib/read-bounded.ts'
import { bodyProblem } from './body-problem.ts'
import type { AppContext } from './context.ts'
import { readIncoming } from './incoming-body.ts'

/** Longest body, in bytes. */
const MAX_BYTES = 16 * 1024
/** A body that declares at most so many bytes is held as a whole from the start. */
const WHOLE_BYTES = 64 * 1024
/** Milliseconds for the body to arrive. */
const BODY_MS = 10_000
/** Deepest nesting of a JSON body. */
const MAX_DEPTH = 32

/** Schema of a body that must have no fields. */
export const noFields = z
  .strictObject({})
  .meta({ id: 'NoFields', description: 'Has no fields. It may be left out.' })

/** Bytes that are not UTF-8 must not become U+FFFD, which a user's id may hold: another user would be meant. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads and checks a JSON body in the documented order: 415, 413, 400. A body of length
 * 0 counts as `{}`, whatever its type, and `null` in a field that the schema knows counts as absence.
 *
 * @param schema - a strict object, so that unknown fields are refused
 * @throws `unsupported_media_type`, `body_too_large`, `invalid_request`, `request_timeout`
 */
export async function readJson<S extends z.ZodType<object>>(
  c: AppContext,
  schema: S,
): Promise<z.output<S>> {
  const length = bodyLength(c)
  let text = ''
  // A form or text body needs no preflight, so another site could send it: only JSON is read. `curl -d ''` and axios
  // name a form type for a body that is none.
  if (isOfType(c, JSON_TYPE)) text = await readText(c, length)
  else if (!(await hasNoBody(c, length))) {
    const isJson = JSON_TYPE.test(c.req.header('Content-Type') ?? '')
    const reason = isJson ? 'a Content-Encoding' : 'not application/json in UTF-8'
    throw new ServiceError('unsupported_media_type', { reason })
  }
  let body: unknown = {}
  try {
    if (text !== '') body = parseStrictJson(text, MAX_DEPTH)
  } catch (error) {
    throw error instanceof StrictJsonError ? unreadable(error.message) : error
  }
  // A text without `null` spares the search for its fields.
  if (text.includes('null')) body = withoutNulls(body, schema)
  const { success, data, error } = schema.safeParse(body)
  if (success) return data
  throw bodyProblem(error, body, knownFields(schema))
}

/**
 * The one value of a field in a form body. A body of length 0 has no field, whatever its type. A repeated field is
 * refused: two readers may not agree on which value counts.
 *
 * @throws what {@link readText} throws; `unsupported_media_type`, `invalid_request`
 */
export async function readFormField(c: AppContext, field: string): Promise<string> {
  const length = bodyLength(c)
  const isForm = isOfType(c, FORM_TYPE)
  if (!isForm && !(await hasNoBody(c, length))) {
    const detail = `Send ${field} as application/x-www-form-urlencoded, without Content-Encoding.`
    throw new ServiceError('unsupported_media_type', { reason: 'not a plain form', detail })
  }
  const text = isForm ? await readText(c, length) : ''
  const [value, ...more] = new URLSearchParams(text).getAll(field)
  if (value !== undefined && more.length === 0) return value
  throw new ServiceError('invalid_request', { reason: `not exactly one ${field}` })
}

/** Whether the body is said to be of this type, in no content coding: nothing is decompressed here. */
export function isOfType({ req }: AppContext, type: RegExp): boolean {
  const coding = req.header('Content-Encoding') ?? 'identity'
  return type.test(req.header('Content-Type') ?? '') && coding.toLowerCase() === 'identity'
}

/**
 * The whole body as text, `''` when there is none.
 *
 * @throws `body_too_large`, `invalid_request`; `request_timeout` when it does not arrive
 */
export async function readText(c: AppContext, length = bodyLength(c)): Promise<string> {
  if (length === 0) return ''
  if (length !== undefined && length > MAX_BYTES) throw tooLarge()
  const limits = { maxBytes: MAX_BYTES, milliseconds: BODY_MS }
  const bytes =
    length === undefined
      ? await readBytes(c, limits, () => {})
      : await within(BODY_MS, c.req.arrayBuffer())
  try {
    return utf8.decode(bytes)
  } catch {
    throw unreadable('not UTF-8')
  }
}

export interface BodyLimits {
  readonly maxBytes: number
  /** Milliseconds for the body to arrive. */
  readonly milliseconds: number
}

/** Called with the number of bytes before they are held; may refuse. */
export type Hold = (bytes: number) => void

/**
 * Reads the whole body unchanged.
 *
 * @param c - a request whose body nobody has read
 * @throws `body_too_large`, `request_timeout`; what `hold` throws
 */
export async function readBytes(
  c: AppContext,
  limits: BodyLimits,
  hold: Hold,
): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes, milliseconds } = limits
  const length = bodyLength(c)
  if (length !== undefined && length > maxBytes) throw tooLarge(maxBytes)
  if (length !== undefined && length <= WHOLE_BYTES) {
    hold(length)
    // Without a web stream, which costs more than all else that is done with a small body.
    return new Uint8Array(await within(milliseconds, c.req.arrayBuffer()))
  }
  try {
    return await readIncoming(c.env.incoming, { maxBytes: length ?? maxBytes, milliseconds }, hold)
  } catch (error) {
    throw refusalOf(error, maxBytes)
  }
}

/** Length of the body in bytes; undefined when the client did not declare it (chunked). */
export function bodyLength(c: AppContext): number | undefined {
  const { headers } = c.env.incoming
  const declared = headers['content-length']
  if (declared !== undefined) return Number(declared)
  // Without either an HTTP/1.1 request has no body (RFC 9112 §6.3).
  return headers['transfer-encoding'] === undefined ? 0 : undefined
}

/** Bounds the time for a body. The server's own bound is longer for a small one, because it must allow uploads. */
async function within<T>(milliseconds: number, body: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  // If the process stood still, bytes that came meanwhile are read between the timer and `setImmediate`.
  const refuse = () => late.reject(new Error('too slow'))
  const timer = setTimeout(() => setImmediate(refuse), milliseconds)
  try {
    return await Promise.race([body, late.promise])
  } catch (error) {
    throw refusalOf(error)
  } finally {
    clearTimeout(timer)
  }
}

function refusalOf(error: unknown, maxBytes?: number): ServiceError {
  if (error instanceof TooLargeError) return tooLarge(maxBytes)
  if (error instanceof ServiceError) return error
  return new ServiceError('request_timeout', { reason: 'the body did not arrive', cause: error })
}

/** Whether there is no body, or a chunked one that turns out empty. */
async function hasNoBody(c: AppContext, length: number | undefined): Promise<boolean> {
  return length === 0 || (length === undefined && (await within(BODY_MS, isEmpty(c))))
}

/** Reads a chunked body to its first byte only. */
async function isEmpty(c: AppContext): Promise<boolean> {
  for await (const chunk of c.req.raw.body ?? []) if (chunk.length > 0) return false
  return true
}

function unreadable(why: string): ServiceError {
  const detail = `The body cannot be read: ${why}.`
  return new ServiceError('invalid_request', { reason: `body: ${why}`, detail })
}

/**
 * Many languages write an absent value as `null`. A field that is required is then missing, and one that
 * the schema does not know is refused as before.
 */
export function withoutNulls(body: unknown, schema: z.ZodType | undefined): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const known = knownFields(schema)
  if (known.size === 0) return body
  const fields = Object.entries(body).filter(([name, value]) => value !== null || !known.has(name))
  return Object.fromEntries(
    fields.map(([name, value]) => [name, withoutNulls(value, known.get(name))]),
  )
}

/** The fields that a schema of an object, or of one of several, has. */
function knownFields(schema: z.ZodType | undefined): ReadonlyMap<string, z.ZodType> {
  const inner: unknown = schema instanceof z.ZodOptional ? schema.unwrap() : schema
  const forms: readonly unknown[] = inner instanceof z.ZodUnion ? inner.options : [inner]
  return new Map(
    forms.flatMap((form) => (form instanceof z.ZodObject ? Object.entries(form.shape) : [])),
  )
}

function tooLarge(maxBytes = MAX_BYTES): ServiceError {
  return new ServiceError('body_too_large', { reason: `more than ${maxBytes} bytes` })
}
