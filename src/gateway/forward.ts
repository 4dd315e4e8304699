// Sends a request to a self-hosted server in the name of its caller.

import type { Dispatcher } from 'undici'
import {
  openServerCall,
  refuseFailed,
  type ServerCall,
  type ServerReply,
} from '../chatkit/protocol/server-call.ts'
import type { ServerIdentityHeaders } from '../chatkit/signing/server-token.ts'
import type { AppContext } from '../http/context.ts'
import type { Deadline } from '../lib/deadline.ts'
import type { Call } from './open-call.ts'
import { refuseForUser } from './refusal.ts'

/** The only headers of the client that a server sees: any other could claim to come from us. */
const PASSED_ON = ['content-type', 'accept', 'accept-language'] as const

/** A request to the workflow's server. */
export interface ForwardedRequest {
  readonly method: ServerCall['method']
  /** The endpoint of the workflow's server, or another URL of its origin or of `upload_url`'s. */
  readonly url: string
  /** Instead of the client's, or besides them. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly silenceMs?: number
  readonly deadline: Deadline
}

/** {@link createForward} */
export type Forward = ReturnType<typeof createForward>

/** @param parts - connections, and the headers that tell a server who is asking */
export function createForward({
  dispatcher,
  identity,
}: {
  readonly dispatcher: Dispatcher
  readonly identity: ServerIdentityHeaders
}) {
  /**
   * Waits for the head of a successful answer.
   *
   * @throws what {@link openServerCall}, {@link refuseForUser} and {@link refuseFailed} throw
   */
  return async function forward(
    c: AppContext,
    { workflow, session: { id, user, state } }: Call,
    request: ForwardedRequest,
  ): Promise<ServerReply> {
    const headers = await identity(workflow.server, { user, session: id, state })
    headers['x-request-id'] = c.var.requestId
    for (const name of PASSED_ON) {
      const value = c.req.header(name)
      if (value !== undefined) headers[name] = value
    }
    Object.assign(headers, request.headers)
    const reply = await openServerCall(dispatcher, { ...request, headers })
    await refuseForUser(reply)
    refuseFailed(reply)
    return reply
  }
}
