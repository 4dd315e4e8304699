// Sends a request to a self-hosted server on behalf of its caller. A refusal reaches the caller with the server's status
// and message.

import type { Dispatcher } from 'undici'
import {
  openServerCall,
  type ServerCall,
  type ServerReply,
  statusFault,
} from '../chatkit/protocol/server-call.ts'
import { refusalOf, serverFault } from '../chatkit/protocol/server-fault.ts'
import type { ServerIdentityHeaders } from '../chatkit/signing/server-token.ts'
import { handedOnSeconds } from '../chatkit/wire/retry-after.ts'
import { setHeader } from '../http/answer.ts'
import type { AppContext } from '../http/context.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { fieldOf } from '../lib/json.ts'
import { readBounded } from '../lib/read-bounded.ts'
import { scrub } from '../lib/secret.ts'
import type { Call } from './open-call.ts'

/**
 * Only these headers of the client and the config's `forward_headers` reach the server. Otherwise a client
 * could send headers that look like ours.
 */
const PASSED_ON = ['content-type', 'accept', 'accept-language'] as const

const EXPOSED = 'Access-Control-Expose-Headers'

/** `url`: the endpoint of the workflow's server, or another URL at its origin or at that of `upload_url`. */
export interface ForwardedRequest extends Omit<ServerCall, 'workflow' | 'headers'> {
  /** Added to the client's headers; they replace headers of the same name. */
  readonly headers?: Readonly<Record<string, string>>
}

export type Forward = ReturnType<typeof createForward>

/** @param parts - `identity`: makes the headers that tell a server who is asking */
export function createForward({
  dispatcher,
  identity,
  now,
}: {
  readonly dispatcher: Dispatcher
  readonly identity: ServerIdentityHeaders
  readonly now: Clock
}) {
  /**
   * Sends the request and waits for the head of a successful answer.
   *
   * @throws what {@link openServerCall} throws; {@link userRefusal}; {@link statusFault}
   */
  return async function forward(
    c: AppContext,
    { workflow, session: { id, user, state } }: Call,
    request: ForwardedRequest,
  ): Promise<ServerReply> {
    const headers = identity(workflow.server, { user, session: id, state })
    headers['x-request-id'] = c.var.requestId
    for (const name of [...PASSED_ON, ...workflow.forwardHeaders]) {
      const value = c.req.header(name)
      if (value !== undefined) headers[name] = value
    }
    Object.assign(headers, request.headers)
    const reply = await openServerCall(dispatcher, { ...request, workflow, headers })
    if (workflow.exposeHeaders.length > 0) expose(c, workflow, reply)
    const { status } = reply
    if (status < 300) return reply
    throw status >= 400 && status < 500 ? await userRefusal(reply, now()) : statusFault(reply)
  }
}

/**
 * Copies the headers in `expose_headers` from the server's answer, so that a page of another origin can read
 * them.
 */
function expose(
  c: AppContext,
  { exposeHeaders }: Call['workflow'],
  { headers }: ServerReply,
): void {
  const answer = c.get('headers')
  const readable = answer[EXPOSED]
  const shown = exposeHeaders.filter((name) => headers[name] !== undefined)
  for (const name of shown) setHeader(c, name, [headers[name]].flat().join(', '))
  if (shown.some((name) => /[\x80-\xff]/.test(`${headers[name]}`))) sendHeadAlone(c.env.outgoing)
  if (readable === undefined) return
  setHeader(c, EXPOSED, [...new Set([...readable.split(', '), ...shown])].join(', '))
}

/**
 * Keeps bytes beyond ASCII in a header as they are. Node writes a head together with the text behind it, both as UTF-8;
 * before bytes, even none, it writes the head alone.
 */
function sendHeadAlone(outgoing: AppContext['env']['outgoing']): void {
  const { writeHead } = outgoing
  outgoing.writeHead = (...head: unknown[]) => {
    Reflect.apply(writeHead, outgoing, head)
    outgoing.write(NO_BYTES)
    return outgoing
  }
}

const NO_BYTES = new Uint8Array()

/** Longest body in which a message is searched, in bytes. */
const MAX_REFUSAL_BYTES = 64 * 1024
/** Most characters of a server's message that are passed on. */
const MAX_MESSAGE_CHARACTERS = 500

/**
 * @param reply - with a 4xx
 * @returns `upstream_auth_failed` for 401 and 403, with which the server refuses our token, and for 407, which comes
 * from a proxy before the server; `server_refused` for every other 4xx
 */
async function userRefusal(reply: ServerReply, nowMs: number): Promise<ServiceError> {
  const { status } = reply
  if (status === 401 || status === 403 || status === 407) {
    reply.body.destroy()
    return serverFault('upstream_auth_failed', refusalOf(reply))
  }
  const message = await messageOf(reply)
  const [retryAfter] = [reply.headers['retry-after']].flat()
  return new ServiceError('server_refused', {
    reason: refusalOf(reply),
    upstream: 'self-hosted',
    status,
    ...(message && { detail: message }),
    ...(status === 429 && { retryAfterSeconds: handedOnSeconds(retryAfter, nowMs) }),
  })
}

/** @returns the server's message; undefined when there is none that can be shown */
async function messageOf({ mediaType, body }: ServerReply): Promise<string | undefined> {
  const isJson = mediaType === 'application/json' || mediaType === 'application/problem+json'
  if (!isJson && mediaType !== 'text/plain') {
    body.destroy()
    return undefined
  }
  try {
    const text = (await readBounded(body, MAX_REFUSAL_BYTES)).toString('utf8')
    return cleaned(isJson ? messageIn(JSON.parse(text)) : text)
  } catch {
    // The body is too long, incomplete or not JSON. The status is enough then.
    return undefined
  }
}

function messageIn(json: unknown): string | undefined {
  const error = fieldOf(json, 'error')
  const fields = [
    fieldOf(json, 'detail'),
    fieldOf(json, 'message'),
    error,
    fieldOf(error, 'message'),
  ]
  return fields.find((field) => typeof field === 'string')
}

/** Removes control characters first, because one inside a credential would hide the credential from `scrub`. */
function cleaned(message: string | undefined): string | undefined {
  const plain = message?.replace(/[\n\r\t]+/g, ' ').replace(/\p{Cc}/gu, '')
  return plain && [...scrub(plain.toWellFormed()).trim()].slice(0, MAX_MESSAGE_CHARACTERS).join('')
}
