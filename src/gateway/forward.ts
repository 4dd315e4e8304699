// Sends a request to a self-hosted server on behalf of its caller.

import type { Dispatcher } from 'undici'
import {
  openServerCall,
  refuseFailed,
  type ServerCall,
  type ServerReply,
} from '../chatkit/protocol/server-call.ts'
import type { ServerIdentityHeaders } from '../chatkit/signing/server-token.ts'
import { setHeader } from '../http/answer.ts'
import type { AppContext } from '../http/context.ts'
import type { Clock } from '../lib/clock.ts'
import type { Deadline } from '../lib/deadline.ts'
import type { Call } from './open-call.ts'
import { refuseForUser } from './refusal.ts'

/**
 * Only these headers of the client and the config's `forward_headers` reach the server. Otherwise a client
 * could send headers that look like ours.
 */
const PASSED_ON = ['content-type', 'accept', 'accept-language'] as const

const EXPOSED = 'Access-Control-Expose-Headers'

export interface ForwardedRequest {
  readonly method: ServerCall['method']
  /** The endpoint of the workflow's server, or another URL at its origin or at that of `upload_url`. */
  readonly url: string
  /** Added to the client's headers; they replace headers of the same name. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Milliseconds of silence after which the call ends; when absent, only the deadline ends it. */
  readonly silenceMs?: number
  readonly deadline: Deadline
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
   * @throws what {@link openServerCall}, {@link refuseForUser} and {@link refuseFailed} throw
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
    expose(c, workflow, reply)
    await refuseForUser(reply, now())
    refuseFailed(reply)
    return reply
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
  if (shown.length === 0) return
  for (const name of shown) setHeader(c, name, [headers[name]].flat().join(', '))
  if (readable === undefined) return
  setHeader(c, EXPOSED, [...new Set([...readable.split(', '), ...shown])].join(', '))
}
