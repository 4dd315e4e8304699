import { ServiceError } from '../lib/errors.ts'
import { FORM_TYPE } from '../lib/header-patterns.ts'
import { readBounded, TooLargeError } from '../lib/read-bounded.ts'
import type { AppContext } from './context.ts'

/** Longest body of the JSON and form calls, in bytes. */
const MAX_BYTES = 16 * 1024
/** How long it may take to arrive. */
const BODY_MS = 10_000

/** Bytes to come; undefined when the client did not say (chunked). */
export function bodyLength(c: AppContext): number | undefined {
  const declared = c.req.header('Content-Length')
  if (declared !== undefined) return Number(declared)
  if (c.req.header('Transfer-Encoding') !== undefined) return undefined
  // Without either an HTTP/1.1 request has no body (RFC 9112 §6.3); a Request made by hand may.
  return c.env.incoming !== undefined || c.req.raw.body === null ? 0 : undefined
}

/**
 * The whole body as text, `''` when there is none.
 *
 * @throws `body_too_large`; `request_timeout` when it does not arrive
 */
export async function readText(c: AppContext): Promise<string> {
  const length = bodyLength(c)
  if (length === 0) return ''
  if (length !== undefined && length > MAX_BYTES) throw tooLarge()
  try {
    return await within(BODY_MS, readAll(c, length))
  } catch (error) {
    if (error instanceof TooLargeError) throw tooLarge()
    throw new ServiceError('request_timeout', { reason: 'the body did not arrive', cause: error })
  }
}

/**
 * The one value of a field in a form body. Which of two values counts is not for us to guess.
 *
 * @param c - a request that has not been read
 * @param field - its name
 * @throws what {@link readText} throws; `unsupported_media_type`, `invalid_request`
 */
export async function readFormField(c: AppContext, field: string): Promise<string> {
  if (!FORM_TYPE.test(c.req.header('Content-Type') ?? '')) {
    throw new ServiceError('unsupported_media_type', {
      reason: 'not a form',
      detail: `Send ${field} as application/x-www-form-urlencoded.`,
    })
  }
  const [value, ...more] = new URLSearchParams(await readText(c)).getAll(field)
  if (value !== undefined && more.length === 0) return value
  throw new ServiceError('invalid_request', { reason: `not exactly one ${field}` })
}

async function readAll(c: AppContext, length: number | undefined): Promise<string> {
  if (length === undefined) await bufferChunked(c)
  return c.req.text()
}

/** The server's own bound is for the largest bodies, uploads; these are small and come at once. */
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error('too slow')), milliseconds)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** A body of unknown length is read here, because nothing below bounds it. */
async function bufferChunked(c: AppContext): Promise<void> {
  const { url, method, headers, body, signal } = c.req.raw
  const bytes = body === null ? null : await readBounded(body, MAX_BYTES)
  c.req.raw = new Request(url, { method, headers, signal, body: bytes && new Uint8Array(bytes) })
}

function tooLarge(): ServiceError {
  return new ServiceError('body_too_large', { reason: `more than ${MAX_BYTES} bytes` })
}
