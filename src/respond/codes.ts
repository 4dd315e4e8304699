// The table of public error codes: HTTP status, title and advice. Server, console and command line read
// it, and src/docs/errors.md has a section for each code.

import type { ErrorCode, ServiceError } from '../lib/errors.ts'

export interface CodeText {
  readonly status: number
  readonly title: string
  /** Advice for a client. An error's own `detail` replaces it. */
  readonly detail: string
  /** Seconds for `Retry-After` when the error names none. */
  readonly retryAfter?: number
  /** Replaces `detail` when a self-hosted ChatKit server failed, not OpenAI. */
  readonly selfHosted?: string
  /** Replaces `detail` on a page of the console. */
  readonly console?: string
  /** Follows `detail` when the command line was refused by this service. */
  readonly command?: string
  /** Advice for an operator whose command calls the ChatKit API directly. */
  readonly direct?: string
}

const CHECK_TOKEN = 'Check CHATKIT_MINT_TOKEN, --token-file, or the account of your login.'

/** One row per code. */
export const CODES = {
  invalid_request: {
    status: 400,
    title: 'Invalid request',
    detail: 'The request is malformed. Correct it before sending it again.',
    console: 'The console cannot answer this request. Start over.',
    direct: 'the ChatKit API refused the request; check ids and cursors.',
  },
  server_refused: {
    status: 400,
    title: 'Refused by the ChatKit server',
    detail: 'The ChatKit server refused this request.',
  },
  missing_token: {
    status: 401,
    title: 'Missing token',
    detail: 'Send the user\'s token as "Authorization: Bearer <token>".',
    command: CHECK_TOKEN,
  },
  invalid_token: {
    status: 401,
    title: 'Invalid token',
    detail: 'This token is not accepted here. Sign in again.',
    command: CHECK_TOKEN,
  },
  token_expired: {
    status: 401,
    title: 'Token expired',
    detail: 'The token has expired. Get a new one and try again.',
    command: 'Run chatkit-mint login, or replace CHATKIT_MINT_TOKEN or --token-file.',
  },
  origin_not_allowed: {
    status: 403,
    title: 'Origin not allowed',
    detail:
      'Pages of this origin may not call this service. Its operator can add the origin to the config.',
    console: 'The form did not come from a page of this console. Nothing was done.',
  },
  workflow_not_allowed: {
    status: 403,
    title: 'Workflow not allowed',
    detail: 'There is no such workflow for this user.',
    console: 'The config has no workflow with this name. Choose another.',
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
    detail: 'Access was revoked. Do not try again; ask an administrator.',
    console: 'Another admin has blocked you. Nothing was done. Ask an admin to lift the block.',
    direct: "the user's access was revoked; an administrator of the service can lift the block.",
  },
  admin_required: {
    status: 403,
    title: 'Admin required',
    detail: 'This call needs the token of an administrator.',
    command: CHECK_TOKEN,
  },
  not_found: {
    status: 404,
    title: 'Not found',
    detail: 'There is nothing here.',
    console: 'There is nothing at this address, or not any more.',
    command: 'Check the id. A service without `admins` in its config has no admin calls.',
    direct: 'there is no such thing, or the key belongs to another project.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    detail: 'Use one of the methods in the Allow header.',
    console: 'This address does not accept this kind of request. Start over.',
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
    console: 'The form is longer than the console accepts. Nothing was done.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'Send the body as application/json in UTF-8.',
    console: 'This address only takes forms of this console. Nothing was done.',
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
    console: 'Too many exports or failed sign-ins at once. Wait a minute and try again.',
  },
  session_limit: {
    status: 429,
    title: 'Session limit',
    detail: 'This user has as many live sessions as are allowed. Close a chat elsewhere, or wait.',
    direct: 'the user has as many live sessions as are allowed; cancel one, or wait.',
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
    selfHosted: 'The ChatKit server refused the request. Tell the operator the request id.',
    direct: 'the ChatKit API refused the request; check the values of the options.',
  },
  upstream_auth_failed: {
    status: 502,
    title: 'Upstream authentication failed',
    detail: "OpenAI refused this service's API key. Tell the operator the request id.",
    selfHosted: 'The ChatKit server refused this service. Tell the operator the request id.',
    direct:
      'the ChatKit API does not accept the key; check OPENAI_API_KEY or --api-key, and its project.',
  },
  workflow_unavailable: {
    status: 502,
    title: 'Workflow unavailable',
    detail: 'OpenAI does not know this workflow. Tell the operator the request id.',
    direct: 'the ChatKit API has no such workflow for this key; use a key of its project.',
  },
  upstream_invalid_response: {
    status: 502,
    title: 'Upstream answer not understood',
    detail: 'OpenAI gave an answer that cannot be used. Try again later.',
    selfHosted: 'The ChatKit server gave an answer that cannot be used. Try again later.',
    direct: 'the answer is not what the reference says; check OPENAI_BASE_URL or --base-url.',
  },
  upstream_unavailable: {
    status: 503,
    title: 'Upstream unavailable',
    detail: 'OpenAI cannot be reached. Wait for the seconds in Retry-After.',
    retryAfter: 2,
    selfHosted: 'The ChatKit server cannot be reached, or failed. Try again later.',
    console: 'OpenAI cannot be reached, or fails. Try again in a moment.',
    direct:
      'the ChatKit API cannot be reached or fails; check OPENAI_BASE_URL, or try again later.',
  },
  upstream_rate_limited: {
    status: 503,
    title: 'Upstream rate limited',
    detail: 'OpenAI is limiting this service. Wait for the seconds in Retry-After.',
    retryAfter: 5,
    selfHosted: 'The ChatKit server has too much to do. Wait for the seconds in Retry-After.',
    console: 'OpenAI takes no more calls from this service now. Try again in a moment.',
    direct: 'the ChatKit API takes no more calls at the moment; try again later.',
  },
  idp_unavailable: {
    status: 503,
    title: 'Identity provider unavailable',
    detail:
      'The keys of the identity provider cannot be fetched. Wait for the seconds in Retry-After.',
    retryAfter: 5,
    console:
      'The identity provider cannot be reached, or refuses this service. Chats go on; try to sign in again in a moment.',
  },
  store_unavailable: {
    status: 503,
    title: 'Store unavailable',
    detail: 'The session store cannot be used. Wait for the seconds in Retry-After.',
    command: 'Where the service runs, `chatkit-mint doctor` says why.',
    retryAfter: 2,
    console:
      'The session store does not answer: try again in a moment. A form that you sent may have taken effect; to send it again does no harm.',
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    detail: 'This service has too much to do. Wait for the seconds in Retry-After.',
    console: 'This service has too much to do. Try again in a moment.',
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
    selfHosted: 'The ChatKit server did not answer in time. Try again.',
    direct: 'the ChatKit API did not answer in time; try again later.',
  },
} as const satisfies Record<ErrorCode, CodeText>

const TEXTS: ReadonlyMap<string, CodeText> = new Map(Object.entries(CODES))

/** The row of a code that may come from another version of this service; undefined when this one does not know it. */
export function textOfCode(code: string): CodeText | undefined {
  return TEXTS.get(code)
}

/** Advice for the client: the error's own `detail`, or else the text of its code. */
export function detailOf(error: Pick<ServiceError, 'code' | 'detail' | 'upstream'>): string {
  const { detail, selfHosted }: CodeText = CODES[error.code]
  return error.detail ?? (error.upstream && selfHosted) ?? detail
}
