// One HTTP exchange with a self-hosted ChatKit server: sends a request, judges the status, and reads a
// JSON answer. Streams are read by the gateway.

import { finished } from 'node:stream/promises'
import type { Dispatcher } from 'undici'
import type { Deadline } from '../../lib/deadline.ts'
import { ServiceError } from '../../lib/errors.ts'
import { readBounded, TooLargeError } from '../../lib/read-bounded.ts'
import { show } from '../../lib/show.ts'
import { ignore, LONG_BYTES, sendInPieces, sendOnce } from './in-pieces.ts'
import {
  badAnswer,
  callFailed,
  type NamedRequest,
  refusalOf,
  type ServerFaultCode,
  serverFault,
} from './server-fault.ts'

export interface AnswerBounds {
  readonly maxBytes: number
  /** Called with the bytes held in all, before more are held; throws to refuse them. */
  readonly hold?: (bytes: number) => void
  /**
   * Whether an answer without a body, or with `OK`, counts as `{}`, because the protocol's answer to this request is
   * always `{}`.
   */
  readonly mayBeEmpty?: boolean
}

/** Pages of items can hold whole conversations, with photos. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024

/** One request to a self-hosted ChatKit server, as it is sent. */
export interface ServerCall extends NamedRequest {
  readonly headers: Record<string, string>
  readonly body?: string | Uint8Array
  /** Milliseconds of silence within the body after which the call fails; no bound when absent. */
  readonly silenceMs?: number
  /** Bounds the whole answer; the reader of a stream stops it after the head. */
  readonly deadline: Deadline
}

/** The head of a server's answer, with its body still unread. */
export interface ServerReply {
  /** The call that was answered. */
  readonly call: ServerCall
  readonly status: number
  /** Media type in lower case, without parameters. */
  readonly mediaType: string
  readonly requestId: string | undefined
  /** Unchanged, as the server sent them. */
  readonly headers: Dispatcher.ResponseData['headers']
  readonly body: Dispatcher.ResponseData['body']
}

/** The target of a redirect, if its path differs in a slash at the end and in nothing else. */
function slashRedirect(asked: string, location = ''): string | undefined {
  if (!URL.canParse(location, asked)) return undefined
  const from = new URL(asked)
  const to = new URL(location, asked)
  const differsInSlash = to.pathname === `${from.pathname}/` || `${to.pathname}/` === from.pathname
  const isSame =
    to.origin === from.origin && to.search === from.search && !to.username && !to.password
  return isSame && differsInSlash ? to.href : undefined
}

/**
 * Encodings that change the bytes. Browsers ignore any other, such as `none`, with which servers keep a proxy from
 * compressing a stream, or `utf-8`, which some write by mistake.
 */
const CHANGES_BYTES =
  /(?:^|[\s,])(?:(?:x-)?(?:gzip|compress)|deflate|br|zstd|dcb|dcz|exi|pack200-gzip|aes128gcm)(?:$|[\s,;])/i

/** Redirects after which method and body may stay (RFC 9110 §15.4). nginx and Django add a slash by 301. */
const SAME_REQUEST: ReadonlySet<number> = new Set([301, 302, 307, 308])

/**
 * Sends a request and waits for the head of the answer. A redirect to the same path with a slash more or
 * less, as FastAPI makes it, is followed once; other redirects are not. The deadline goes on for the body; the
 * reader of a stream stops it.
 *
 * @param url - another one than the call's only for a redirect
 * @throws `ServiceError` `upstream_unavailable`, `upstream_timeout`, `request_timeout` (the caller left)
 */
export async function openServerCall(
  dispatcher: Dispatcher,
  call: ServerCall,
  url = call.url,
): Promise<ServerReply> {
  const { method, headers, body = null, deadline, silenceMs = 0 } = call
  const { origin, pathname, search } = new URL(url)
  const request = {
    origin,
    path: pathname + search,
    method,
    headers,
    body,
    signal: deadline.signal(),
    // The deadline bounds the head. `bodyTimeout` does not run while a slow client makes the body wait.
    headersTimeout: 0,
    bodyTimeout: silenceMs,
  }
  let response: Dispatcher.ResponseData
  try {
    const isLong = body !== null && body.length > LONG_BYTES
    const sent = isLong ? sendOnce(dispatcher, { ...request, body }) : dispatcher.request(request)
    response = await sent.catch((failure) => sendInPieces(dispatcher, request, failure))
  } catch (error) {
    throw callFailed(error, call, deadline)
  }
  const { statusCode: status, headers: answered } = response
  // A destroyed body emits `error`, which would be thrown here; its reader gets the error anyway.
  response.body.on('error', ignore)
  if (SAME_REQUEST.has(status) && url === call.url) {
    const target = slashRedirect(url, single(answered['location']))
    if (target !== undefined) {
      response.body.destroy()
      return openServerCall(dispatcher, call, target)
    }
  }
  const encoding = [answered['content-encoding'] ?? []].flat().join(', ').toLowerCase()
  const [type = ''] = (single(answered['content-type']) ?? '').split(';', 1)
  return {
    call,
    status,
    mediaType: CHANGES_BYTES.test(encoding) ? `encoded/${encoding}` : type.trim().toLowerCase(),
    requestId: single(answered['x-request-id']),
    headers: answered,
    body: response.body,
  }
}

/**
 * The error for an answer with any status but a 2xx; destroys the body.
 *
 * @returns `not_found` (404, 410), `upstream_rate_limited` (429), `upstream_rejected` (another 4xx),
 * `upstream_unavailable` (5xx), `upstream_invalid_response` (a redirect)
 */
export function statusFault(reply: ServerReply): ServiceError {
  reply.body.destroy()
  return serverFault(codeOf(reply.status), refusalOf(reply))
}

/** A JSON answer that has arrived: the bytes as they came, unparsed because that can take long. */
export interface JsonAnswer {
  readonly bytes: Buffer<ArrayBuffer>
  /** @throws `upstream_invalid_response` when the bytes are not JSON */
  readonly parse: () => unknown
}

const COMPRESSED = 'is compressed, although it was asked for with Accept-Encoding: identity'

/** The error for an answer whose media type differs from the one asked for; destroys the body. */
export function wrongType({ body, call, mediaType }: ServerReply): ServiceError {
  body.destroy()
  const isEncoded = mediaType.startsWith('encoded/')
  return badAnswer(call, isEncoded ? COMPRESSED : `is ${show(mediaType)}`)
}

/** Decodes as `Response.json()` does: a byte order mark, which some servers write, is left out. */
const utf8 = new TextDecoder()

/** No body, or only a name of the status, as Express sends it with `sendStatus(200)`. */
const SAYS_NOTHING = /^(?:(?:ok|created|accepted)\s*)?$/i

const EMPTY: JsonAnswer = { bytes: Buffer.from('{}'), parse: () => ({}) }

/**
 * Reads the whole body of a JSON answer. 204 counts as `{}`, the protocol's answer to a delete. The media type may be
 * any but a stream's: servers in Go call JSON `text/plain` unless told otherwise, and those in PHP `text/html`.
 *
 * @param reply - a success
 * @throws `upstream_invalid_response` when it is a stream or compressed, too long, or breaks off; `upstream_timeout`;
 * `request_timeout`
 */
export async function readJsonAnswer(
  reply: ServerReply,
  deadline: Deadline,
  bounds: AnswerBounds,
): Promise<JsonAnswer> {
  if (reply.status === 204 || (bounds.mayBeEmpty && isEmpty(reply))) {
    reply.body.destroy()
    return EMPTY
  }
  if (/^encoded\/|^text\/event-stream$/.test(reply.mediaType)) throw wrongType(reply)
  const bytes = await readAll(reply, deadline, bounds)
  // Sent in chunks, a body does not say before its end that it is empty.
  if (bounds.mayBeEmpty && bytes.length <= 16 && SAYS_NOTHING.test(bytes.toString())) return EMPTY
  return { bytes, parse: () => parseJson(bytes, reply) }
}

/** 205 has no body (RFC 9110 §15.3.6); frameworks send one of length 0 with 200 and 202. */
function isEmpty({ status, headers }: ServerReply): boolean {
  return status === 205 || single(headers['content-length']) === '0'
}

function parseJson(bytes: Buffer, reply: ServerReply): unknown {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    if (reply.mediaType !== 'application/json') throw wrongType(reply)
    throw badAnswer(reply.call, 'is not JSON')
  }
}

async function readAll(
  reply: ServerReply,
  deadline: Deadline,
  { maxBytes, hold }: AnswerBounds,
): Promise<Buffer<ArrayBuffer>> {
  try {
    return await readBounded(reply.body, maxBytes, hold)
  } catch (error) {
    throw unread(error, reply, deadline)
  }
}

/**
 * Reads the body of an answer to its end, and keeps nothing of it. A server may begin its answer before it has
 * read the request; if the body were destroyed then, the rest of the request would not be sent.
 *
 * @param reply - a success
 * @throws `upstream_invalid_response` when it breaks off; `upstream_timeout`; `request_timeout`
 */
export async function dropBody(reply: ServerReply, deadline: Deadline): Promise<void> {
  try {
    await finished(reply.body.resume())
  } catch (error) {
    throw unread(error, reply, deadline)
  }
}

function unread(error: unknown, { call }: ServerReply, deadline: Deadline): ServiceError {
  if (error instanceof ServiceError) return error
  if (deadline.ended() !== undefined) return callFailed(error, call, deadline)
  return badAnswer(call, error instanceof TooLargeError ? 'is too long' : 'broke off', error)
}

function codeOf(status: number): ServerFaultCode {
  if (status === 404 || status === 410) return 'not_found'
  if (status === 429) return 'upstream_rate_limited'
  if (status >= 500) return 'upstream_unavailable'
  return status >= 400 ? 'upstream_rejected' : 'upstream_invalid_response'
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
