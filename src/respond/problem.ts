import type { ErrorCode, ServiceError } from '../lib/errors.ts'

/** RFC 9457 §3.1, with the two members that our clients match on and quote. */
export interface ProblemDetails {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly request_id: string
}

interface CodeDescription {
  readonly status: number
  readonly title: string
  /** What the caller can do about it; the whole answer unless the error brings a better one. */
  readonly detail: string
  /** Seconds for `Retry-After` when the error names none. */
  readonly retryAfter?: number
}

/** Status, title and advice of every code: the only place that knows them. */
export const CODES = {
  invalid_request: {
    status: 400,
    title: 'Invalid request',
    detail: 'The request is malformed. Correct it before sending it again.',
  },
  missing_token: {
    status: 401,
    title: 'Missing token',
    detail: 'Send the user\'s token as "Authorization: Bearer <token>".',
  },
  invalid_token: {
    status: 401,
    title: 'Invalid token',
    detail: 'This token is not accepted here. Sign in again.',
  },
  token_expired: {
    status: 401,
    title: 'Token expired',
    detail: 'The token has expired. Get a new one and try again.',
  },
  origin_not_allowed: {
    status: 403,
    title: 'Origin not allowed',
    detail:
      'Pages of this origin may not call this service. Its operator can add the origin to the config.',
  },
  workflow_not_allowed: {
    status: 403,
    title: 'Workflow not allowed',
    detail: 'There is no such workflow for this user.',
  },
  claims_not_mapped: {
    status: 403,
    title: 'Claims not mapped',
    detail:
      'The token lacks what this service needs to know about the user. Tell the operator the request id.',
  },
  user_blocked: {
    status: 403,
    title: 'User blocked',
    detail: 'Access was taken back. Do not try again; ask an administrator.',
  },
  admin_required: {
    status: 403,
    title: 'Admin required',
    detail: 'This call needs the token of an administrator.',
  },
  not_found: { status: 404, title: 'Not found', detail: 'There is nothing here.' },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    detail: 'Use one of the methods in the Allow header.',
  },
  request_timeout: {
    status: 408,
    title: 'Request timeout',
    detail: 'The request did not arrive in time. Send it again.',
  },
  body_too_large: {
    status: 413,
    title: 'Body too large',
    detail: 'The body is longer than this call accepts.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'Send the body as application/json in UTF-8.',
  },
  expectation_failed: {
    status: 417,
    title: 'Expectation failed',
    detail: 'Leave out the Expect header, or use 100-continue.',
  },
  rate_limited: {
    status: 429,
    title: 'Rate limited',
    detail: 'Too many requests. Wait for the seconds in Retry-After.',
    retryAfter: 60,
  },
  session_limit: {
    status: 429,
    title: 'Session limit',
    detail: 'This user has as many live sessions as are allowed. Close a chat elsewhere, or wait.',
    retryAfter: 60,
  },
  headers_too_large: {
    status: 431,
    title: 'Headers too large',
    detail: 'The header fields are longer than 16 KiB.',
  },
  internal_error: {
    status: 500,
    title: 'Internal error',
    detail: 'Something went wrong here. Tell the operator the request id.',
  },
  upstream_rejected: {
    status: 502,
    title: 'Upstream rejected',
    detail: 'OpenAI refused the request this service made. Tell the operator the request id.',
  },
  upstream_auth_failed: {
    status: 502,
    title: 'Upstream authentication failed',
    detail: "OpenAI refused this service's API key. Tell the operator the request id.",
  },
  workflow_unavailable: {
    status: 502,
    title: 'Workflow unavailable',
    detail: 'OpenAI does not know this workflow. Tell the operator the request id.',
  },
  upstream_invalid_response: {
    status: 502,
    title: 'Upstream answer not understood',
    detail: 'OpenAI gave an answer that cannot be used. Try again later.',
  },
  upstream_unavailable: {
    status: 503,
    title: 'Upstream unavailable',
    detail: 'OpenAI cannot be reached. Wait for the seconds in Retry-After.',
    retryAfter: 2,
  },
  upstream_rate_limited: {
    status: 503,
    title: 'Upstream rate limited',
    detail: 'OpenAI is limiting this service. Wait for the seconds in Retry-After.',
    retryAfter: 5,
  },
  idp_unavailable: {
    status: 503,
    title: 'Identity provider unavailable',
    detail: 'The keys to check this token cannot be fetched. Wait for the seconds in Retry-After.',
    retryAfter: 5,
  },
  store_unavailable: {
    status: 503,
    title: 'Store unavailable',
    detail: 'The session store cannot be used. Wait for the seconds in Retry-After.',
    retryAfter: 2,
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    detail: 'This service has too much to do. Wait for the seconds in Retry-After.',
    retryAfter: 2,
  },
  shutting_down: {
    status: 503,
    title: 'Shutting down',
    detail: 'This instance is stopping. Send the request again.',
    retryAfter: 1,
  },
  upstream_timeout: {
    status: 504,
    title: 'Upstream timeout',
    detail: 'OpenAI did not answer in time. Try again.',
  },
} as const satisfies Record<ErrorCode, CodeDescription>

/** RFC 6750 §3: no `error` when the request lacks a token, `invalid_token` otherwise. */
const CHALLENGES: Partial<Record<ErrorCode, string>> = {
  missing_token: 'Bearer',
  invalid_token: 'Bearer error="invalid_token", error_description="the token is not accepted"',
  token_expired: 'Bearer error="invalid_token", error_description="the token has expired"',
}

/** A whole problem answer, ready for whatever writes it to the wire. */
export interface ProblemAnswer {
  readonly status: (typeof CODES)[ErrorCode]['status']
  readonly headers: Record<string, string>
  readonly body: string
}

/**
 * The answer for an error: RFC 9457 problem details with the headers that belong to the code
 * (`WWW-Authenticate`, `Retry-After`). Never holds the error's reason or cause.
 *
 * @param error - code, and optionally detail and seconds to wait
 * @param requestId - ours, for the user to quote
 */
export function problemAnswer(
  error: Pick<ServiceError, 'code' | 'detail' | 'retryAfterSeconds'>,
  requestId: string,
): ProblemAnswer {
  const described: CodeDescription = CODES[error.code]
  const problem: ProblemDetails = {
    type: `urn:chatkit-mint:problem:${error.code}`,
    title: described.title,
    status: described.status,
    detail: error.detail ?? described.detail,
    code: error.code,
    request_id: requestId,
  }
  return {
    status: CODES[error.code].status,
    headers: problemHeaders(error, described.retryAfter),
    body: JSON.stringify(problem),
  }
}

function problemHeaders(
  error: Pick<ServiceError, 'code' | 'retryAfterSeconds'>,
  fallback: number | undefined,
): Record<string, string> {
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' }
  const challenge = CHALLENGES[error.code]
  if (challenge !== undefined) headers['WWW-Authenticate'] = challenge
  const wait = fallback === undefined ? undefined : (error.retryAfterSeconds ?? fallback)
  if (wait !== undefined) headers['Retry-After'] = String(Math.max(1, Math.ceil(wait)))
  return headers
}
