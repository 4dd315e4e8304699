// The closed set of public error codes, the errors that are thrown on purpose, and what a log may say of others' errors.

import type { z } from 'zod'

/**
 * The public error codes of the service, a closed set. Clients match on them, so a code is never
 * renamed; `respond/codes.ts` gives each its HTTP status, title and advice.
 */
export type ErrorCode =
  | 'invalid_request'
  | 'missing_token'
  | 'invalid_token'
  | 'token_expired'
  | 'origin_not_allowed'
  | 'workflow_not_allowed'
  | 'claims_not_mapped'
  | 'user_blocked'
  | 'admin_required'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'expectation_failed'
  | 'headers_too_large'
  | 'rate_limited'
  | 'session_limit'
  | 'internal_error'
  | 'server_refused'
  | 'upstream_rejected'
  | 'upstream_auth_failed'
  | 'workflow_unavailable'
  | 'upstream_invalid_response'
  | 'upstream_unavailable'
  | 'upstream_rate_limited'
  | 'idp_unavailable'
  | 'store_unavailable'
  | 'overloaded'
  | 'shutting_down'
  | 'upstream_timeout'

/** Everything about a {@link ServiceError} except its code. */
export interface ServiceErrorOptions {
  /** For the log only: what exactly happened. Never a key, a client secret or a token. */
  readonly reason: string
  /** For the log only: the error underneath. */
  readonly cause?: unknown
  /** For the client: a more helpful sentence than the code's own. Never repeats untrusted text that was not checked. */
  readonly detail?: string
  /** Set when a self-hosted ChatKit server failed: title and advice of the code then speak of that server. */
  readonly upstream?: 'self-hosted'
  /** Replaces the code's own status, for `server_refused`, which passes on a server's 4xx. */
  readonly status?: number
  /** OpenAI's refusal: its 4xx, its code, and the parameter that it named. */
  readonly refused?:
    | {
        readonly status: number
        readonly param?: string | undefined
        /** Empty for an error without a name; undefined when a proxy on the way sent what is not in the API's format. */
        readonly code?: string | undefined
      }
    | undefined
  /** Whole seconds for `Retry-After`, for codes that have this header. */
  readonly retryAfterSeconds?: number
}

/** The one error that is thrown on purpose. `code` is public; `reason` and `cause` go to the log. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  readonly code: ErrorCode
  readonly reason: string
  readonly detail: string | undefined
  readonly upstream: 'self-hosted' | undefined
  readonly status: number | undefined
  readonly refused: ServiceErrorOptions['refused']
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, options: ServiceErrorOptions) {
    super(`${code}: ${options.reason}`, { cause: options.cause })
    this.code = code
    this.reason = options.reason
    this.detail = options.detail
    this.upstream = options.upstream
    this.status = options.status
    this.refused = options.refused
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** Whether an error is a {@link ServiceError} with one of these codes. */
export function isCode(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof ServiceError && codes.includes(error.code)
}

/** The first issue; an error of zod's has one at least. */
export function issueIn({ issues: [issue] }: Pick<z.ZodError, 'issues'>): z.core.$ZodIssue {
  if (issue === undefined) throw new TypeError('no issue')
  return issue
}

/** The first member that does not fit, and why. Zod's messages name types and bounds, never the value. */
export function firstIssue(error: z.ZodError): string {
  const issue = issueIn(error)
  return issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`
}

/** The members that do not fit, for a reason in the log: `data.0.id, has_more`. */
export function issuePaths({ issues }: z.ZodError): string {
  return issues.map(({ path }) => path.join('.') || 'the whole').join(', ')
}

/**
 * A fault in the configuration that shows only while the service is being built, such as an inline key
 * set with a weak key. The process must not start.
 */
export class UnusableSettingError extends Error {
  override readonly name = 'UnusableSettingError'
}

/** The operating system's code (`ECONNREFUSED`, `ENOTFOUND`) of an error, or of the first cause that has one. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = error instanceof ServiceError ? undefined : codeIn(error)
  return code ?? systemCode(error.cause)
}

/** An error's own code, if it is text. */
export function codeIn(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
