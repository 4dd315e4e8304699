// Errors in the ChatKit API's own format: what the six operations refuse by themselves, and every other error
// of the service put into that format.

import type { ApiErrorBody } from '../../chatkit/wire/wire.ts'
import { type ErrorCode, ServiceError } from '../../lib/errors.ts'
import { scrub } from '../../lib/secret.ts'
import { detailOf } from '../../respond/codes.ts'
import { problemAnswer } from '../../respond/problem.ts'
import type { TextAnswer } from '../answer.ts'

/** Statuses that the operations answer with by themselves. */
type ApiErrorStatus = 400 | 401 | 403 | 404 | 405 | 413 | 500

/** Most characters of a message: it can quote what the caller sent. */
const MAX_MESSAGE_CHARACTERS = 500

/** Code in log and metrics for each status. */
const CODES = {
  400: 'invalid_request',
  401: 'invalid_token',
  403: 'origin_not_allowed',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'body_too_large',
  500: 'internal_error',
} as const satisfies Record<ApiErrorStatus, ErrorCode>

/** Fields of an error besides its message; absent ones are null on the wire. */
interface ApiErrorDetails {
  readonly param?: string
  readonly code?: string
  readonly allow?: string
}

/** An error that is worded as the API words it. */
export class ApiError extends ServiceError {
  readonly details: ApiErrorDetails

  /**
   * @param status - HTTP status
   * @param message - for a developer to read
   * @param details - `param` and `code` of the body, `Allow` of a 405
   */
  constructor(status: ApiErrorStatus, message: string, details: ApiErrorDetails = {}) {
    const text = message.slice(0, MAX_MESSAGE_CHARACTERS)
    super(CODES[status], { reason: text, detail: text, status })
    this.details = details
  }
}

/** Codes of the API for our own, where they differ. `null`: the API has none. */
const API_CODES: Partial<Record<ErrorCode, string | null>> = {
  missing_token: null,
  invalid_token: 'invalid_api_key',
  not_found: null,
  workflow_unavailable: null,
  rate_limited: 'rate_limit_exceeded',
  upstream_rate_limited: 'rate_limit_exceeded',
  // The key is ours: the backend can do nothing about it.
  upstream_auth_failed: 'internal_error',
}

/** Messages for our own codes, where a backend has a key instead of a user's token. */
const MESSAGES: Partial<Record<ErrorCode, string>> = {
  missing_token: `You didn't provide an API key. Send it as "Authorization: Bearer YOUR_KEY".`,
  invalid_token: 'Incorrect API key provided.',
  origin_not_allowed: 'A page must never hold an API key. Call this from a server.',
}

/**
 * The answer for any error. Status and `Retry-After` are those of the service's problem details, with two exceptions:
 * OpenAI's refusal of our key is our fault (500), and its refusal of the request keeps its own status.
 */
export function apiErrorAnswer(error: ServiceError): TextAnswer {
  const problem = problemAnswer(error, '')
  const status = statusOf(error, problem.status)
  const { param = refusedParam(error, status), code = apiCode(error), allow } = detailsOf(error)
  const headers = { ...problem.headers, 'Content-Type': 'application/json' }
  if (allow !== undefined) Object.assign(headers, { Allow: allow })
  // A credential sent in the wrong place is not quoted, neither by us nor through OpenAI's `param`.
  const message = scrub(messageOf(error))
  const body = errorBody({ message, type: typeOf(status), param: param && scrub(param), code })
  return { status, headers, body: JSON.stringify(body) }
}

/** The parameter that OpenAI refused. A refusal of our key, or of too many calls, is about none of the backend's. */
function refusedParam({ refused }: ServiceError, status: number): string | undefined {
  return status < 500 ? refused?.param : undefined
}

function detailsOf(error: ServiceError): ApiErrorDetails {
  return error instanceof ApiError ? error.details : {}
}

/** An error that the operations word themselves has the API's code, or none. */
function apiCode(error: ServiceError): string | null {
  if (error instanceof ApiError) return null
  const code = API_CODES[error.code]
  return code === undefined ? error.code : code
}

function statusOf({ code, refused }: ServiceError, status: number): number {
  if (code === 'upstream_auth_failed') return 500
  return code === 'upstream_rejected' && refused !== undefined ? refused.status : status
}

function messageOf(error: ServiceError): string {
  if (error instanceof ApiError) return detailOf(error)
  const { code, refused } = error
  if (code === 'upstream_auth_failed') return detailOf({ ...error, code: 'internal_error' })
  // OpenAI refuses a call beyond its rate too, but that says nothing of the request.
  if (refused === undefined || code === 'upstream_rate_limited')
    return MESSAGES[code] ?? detailOf(error)
  const what = refused.param === undefined ? 'the request' : `the parameter '${refused.param}'`
  return `The ChatKit API refused ${what}.`
}

function typeOf(status: number): string {
  if (status === 429) return 'requests'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

/** @param error - absent `param` and `code` become null, as the API writes them */
export function errorBody(error: {
  readonly message: string
  readonly type: string
  readonly param?: string | undefined
  readonly code?: string | null | undefined
}): ApiErrorBody {
  const { message, type, param = null, code = null } = error
  return { error: { message, type, param, code } }
}
