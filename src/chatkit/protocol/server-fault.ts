// Words the failures of a self-hosted ChatKit server for the log: which request, what came, what is to be checked.

import type { Deadline } from '../../lib/deadline.ts'
import { ServiceError } from '../../lib/errors.ts'

/** Whom a request goes to, as far as a reason tells it. */
export interface NamedRequest {
  /** The workflow whose server is asked. */
  readonly workflow: { readonly name: string; readonly server: string }
  readonly url: string
  readonly method: 'POST' | 'PUT' | 'GET' | 'HEAD'
}

/** Codes of failures that a self-hosted ChatKit server can cause. */
export type ServerFaultCode =
  | 'not_found'
  | 'request_timeout'
  | 'upstream_rejected'
  | 'upstream_auth_failed'
  | 'upstream_rate_limited'
  | 'upstream_unavailable'
  | 'upstream_timeout'
  | 'upstream_invalid_response'

/**
 * A failure of a self-hosted ChatKit server, which the answer then names instead of OpenAI.
 *
 * @param code - public
 * @param reason - for the log
 * @param cause - the error underneath
 */
export function serverFault(code: ServerFaultCode, reason: string, cause?: unknown): ServiceError {
  return new ServiceError(code, { reason, cause, upstream: 'self-hosted' })
}

/** The server's refusal as a reason: its status, the request, and what is to be checked. */
export function refusalOf({
  status,
  call,
  requestId,
}: {
  readonly status: number
  readonly call: NamedRequest
  readonly requestId: string | undefined
}): string {
  const id = (requestId ?? '').replace(/[^\w.-]/g, '').slice(0, 64)
  const request = `${described(call)}${id && `, its request ${id}`}`
  return `the ChatKit server answered ${status} to ${request}${adviceOn(status, call)}`
}

function adviceOn(status: number, { workflow, url }: NamedRequest): string {
  if (status === 401 || status === 403) {
    return '; it refuses the token of this service: the audience is that address to the letter (a wrong path or slash shows here, too), the issuer PUBLIC_URL, where the keys are at /.well-known/jwks.json'
  }
  if (status === 404 && url === workflow.server) {
    return '; the path is wrong, or the server no longer has the thread that was asked for'
  }
  if (status >= 300 && status < 400)
    return '; no redirect is followed: write the address that it leads to'
  return status >= 500 ? '; its own log says why' : ''
}

/** The request as a reason shows it: of the address of a file only the origin, as no log holds links. */
function described({ method, url, workflow: { name, server } }: NamedRequest): string {
  const { origin, pathname } = new URL(url)
  return url === server
    ? `${method} ${origin}${pathname} (workflows.${name}.server)`
    : `${method} of a file at ${origin} (workflows.${name})`
}

/** The failure of an answer that cannot be used. */
export function badAnswer(call: NamedRequest, what: string, cause?: unknown): ServiceError {
  const reason = `the answer of the ChatKit server to ${described(call)} ${what}`
  return serverFault('upstream_invalid_response', reason, cause)
}

/** The failure of a request without a whole answer, by how its deadline ended. */
export function callFailed(error: unknown, call: NamedRequest, deadline: Deadline): ServiceError {
  const end = deadline.ended()
  if (end === 'caller_gone') return serverFault('request_timeout', 'the client is gone', error)
  const request = described(call)
  if (end === 'timeout')
    return serverFault('upstream_timeout', `no answer in time: ${request}`, error)
  return serverFault(
    'upstream_unavailable',
    `no connection, or none that answered: ${request}`,
    error,
  )
}
