// Turns an error into an RFC 9457 answer: status, headers and body. The texts come from codes.ts.

import type { ErrorCode, ServiceError } from '../lib/errors.ts'
import { CODES, type CodeText, detailOf } from './codes.ts'

/** RFC 9457 §3.1, and two more members: clients match on `code`, and users quote `request_id`. */
export interface ProblemDetails {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly request_id: string
}

/** RFC 6750 §3: no `error` when the request lacks a token, `invalid_token` otherwise. */
const CHALLENGES: Partial<Record<ErrorCode, string>> = {
  missing_token: 'Bearer',
  invalid_token: 'Bearer error="invalid_token", error_description="the token is not accepted"',
  token_expired: 'Bearer error="invalid_token", error_description="the token has expired"',
}

/** A whole problem answer: status, headers and JSON text. */
export interface ProblemAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/**
 * The answer for an error: RFC 9457 problem details with the headers that belong to the code
 * (`WWW-Authenticate`, `Retry-After`). It never holds the error's reason or cause.
 *
 * @param requestId - shown, so that users can quote it
 */
export function problemAnswer(
  error: Pick<ServiceError, 'code' | 'detail' | 'upstream' | 'retryAfterSeconds'> &
    Partial<Pick<ServiceError, 'status'>>,
  requestId: string,
): ProblemAnswer {
  const described: CodeText = CODES[error.code]
  const { status = described.status } = error
  const problem: ProblemDetails = {
    type: `urn:chatkit-mint:problem:${error.code}`,
    title: described.title,
    status,
    detail: detailOf(error),
    code: error.code,
    request_id: requestId,
  }
  return {
    status,
    headers: problemHeaders(error, described.retryAfter),
    body: JSON.stringify(problem),
  }
}

function problemHeaders(
  error: Pick<ServiceError, 'code' | 'retryAfterSeconds'> & Partial<Pick<ServiceError, 'status'>>,
  fallback: number | undefined,
): Record<string, string> {
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' }
  const challenge = CHALLENGES[error.code]
  if (challenge !== undefined) headers['WWW-Authenticate'] = challenge
  // A 405 needs the header (RFC 9110 §15.5.6). Where the server refuses POST, only preflights are left, which we answer.
  if (error.status === 405) headers['Allow'] = 'OPTIONS'
  const hasWait = fallback !== undefined || error.code === 'server_refused'
  const wait = hasWait ? (error.retryAfterSeconds ?? fallback) : undefined
  if (wait !== undefined) headers['Retry-After'] = String(Math.max(1, Math.ceil(wait)))
  return headers
}
