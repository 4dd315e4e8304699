// Describes failures of a self-hosted ChatKit server for the log: the request, the answer, and what to check.

import type { Deadline } from '../../lib/deadline.ts'
import { ServiceError } from '../../lib/errors.ts'

/** The parts of a request that the log names. */
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
 * An error caused by a self-hosted ChatKit server. Our answer then blames that server instead of OpenAI.
 *
 * @param reason - for the log
 */
export function serverFault(code: ServerFaultCode, reason: string, cause?: unknown): ServiceError {
  return new ServiceError(code, { reason, cause, upstream: 'self-hosted' })
}

/** The reason for a status that is not a 2xx: the status, the request, and what to check. */
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
  const forged = 'its protection against forged forms (CSRF) must leave this path out'
  if (status === 419) return `; ${forged}`
  if (status === 401 || status === 403) {
    const refused =
      '; it refuses the token of this service, which has exactly this address as its audience (path and slash included), PUBLIC_URL as its issuer, and a key of PUBLIC_URL/.well-known/jwks.json'
    return status === 401 ? refused : `${refused}; or ${forged}, as in Django`
  }
  if (status === 404 && url === workflow.server) {
    return '; the path is wrong, or the server no longer has the thread that was asked for'
  }
  if (status === 431) {
    return '; its limit of header bytes is too low for our token, which has the state variables: raise the limit, or shorten them'
  }
  if (status >= 300 && status < 400)
    return '; no redirect is followed: write the address that it leads to'
  return status >= 500 ? '; its own log says why' : ''
}

/** The request, as the log shows it. A file's address is cut to its origin, because no log may hold links. */
function described({ method, url, workflow: { name, server } }: NamedRequest): string {
  const { origin, pathname } = new URL(url)
  return url === server
    ? `${method} ${origin}${pathname} (workflows.${name}.server)`
    : `${method} of a file at ${origin} (workflows.${name})`
}

/** The error for an answer that cannot be used. */
export function badAnswer(call: NamedRequest, what: string, cause?: unknown): ServiceError {
  const reason = `the answer of the ChatKit server to ${described(call)} ${what}`
  return serverFault('upstream_invalid_response', reason, cause)
}

/** The error for a request that got no whole answer; its code depends on how the deadline ended. */
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
