import { openServerCall, refuseFailed, type ServerReply } from '../chatkit/protocol/server-call.ts'
import type { AppContext } from '../http/context.ts'
import type { Deadline } from '../lib/deadline.ts'
import type { GatewayCall } from './gateway-options.ts'

/** The only headers of the client that a server gets to see. Everything else could pretend something. */
const PASSED_ON = ['content-type', 'accept', 'accept-language'] as const

/** What is sent to a server. */
export interface Forwarded {
  readonly method: 'POST' | 'PUT'
  /** Of the workflow's server, or below its origin. */
  readonly url: string
  readonly body: string | Uint8Array
  readonly deadline: Deadline
}

/**
 * Sends a request on as the caller, and waits for the head of a successful answer.
 *
 * @param c - the client's request
 * @param call - whose
 * @param request - what to send
 * @throws what {@link openServerCall} and {@link refuseFailed} throw
 */
export async function forward(
  c: AppContext,
  call: GatewayCall,
  request: Forwarded,
): Promise<ServerReply> {
  const { id, user, state } = call.session
  const identity = await call.identity(call.workflow.server, { user, session: id, state })
  const given = PASSED_ON.flatMap((name) => {
    const value = c.req.header(name)
    return value === undefined ? [] : [[name, value] as const]
  })
  const headers = {
    ...Object.fromEntries(given),
    ...identity,
    'x-request-id': c.var.requestId,
  }
  const reply = await openServerCall(call.dispatcher, { ...request, headers })
  refuseFailed(reply)
  return reply
}
