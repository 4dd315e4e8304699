import { ServiceError } from '../lib/errors.ts'
import { BEARER } from '../lib/header-patterns.ts'

// Where the token of a request is. Plain values in, no HTTP framework, no I/O.

/** What of a request may carry a token. */
export interface CredentialSource {
  /** Value of the `Authorization` header. */
  readonly authorization: string | undefined
  /** How many `Authorization` headers came: adapters join repeated ones into one value. */
  readonly authorizationCount: number
  /** Value of the `Cookie` header, several joined by `; `. */
  readonly cookieHeader: string | undefined
  /** Whether this call takes cookies at all; admin calls never do. */
  readonly cookiesAllowed: boolean
  /** Whether the request provably comes from an allowed origin, so that no other site sent it. */
  readonly originProven: boolean
}

/** A token and where it was found. */
export interface Credential {
  readonly token: string
  /** Name of the cookie it came in; undefined for `Authorization: Bearer`. */
  readonly cookie: string | undefined
}

/**
 * Finds the token of a request: in `Authorization: Bearer` (RFC 6750 §2.1, the scheme in any case),
 * or else in a configured cookie. A token in the query or in a form is not looked for (§2.2, §2.3).
 *
 * @param source - what the request carries
 * @param cookieNames - names of the cookies that issuers are configured with
 * @throws ServiceError `missing_token` when there is none; `invalid_request` when it is not clear
 * which one counts: repeated `Authorization`, a repeated cookie, cookies of two names
 */
export function readCredential(
  source: CredentialSource,
  cookieNames: ReadonlySet<string>,
): Credential {
  if (source.authorizationCount > 1) throw ambiguous('several Authorization headers')
  if (source.authorization !== undefined) return readBearer(source.authorization)
  const cookie = readCookie(source, cookieNames)
  if (cookie === undefined) throw missing('no Authorization header and no cookie that counts')
  return cookie
}

function readBearer(authorization: string): Credential {
  const match = BEARER.exec(authorization)
  if (match === null) throw missing('an Authorization header of another scheme')
  const token = match[1]
  if (!token) throw missing('an Authorization header without a token')
  return { token, cookie: undefined }
}

/** A cookie is sent by the browser whoever made it send: without a proven origin it is no proof. */
function readCookie(source: CredentialSource, names: ReadonlySet<string>): Credential | undefined {
  if (!source.cookiesAllowed || !source.originProven || source.cookieHeader === undefined) return
  const found = parseCookies(source.cookieHeader).filter(({ name }) => names.has(name))
  // Another subdomain can plant a cookie of the same name (RFC 6265 §8.6): never guess which is ours.
  if (found.length > 1) throw ambiguous('several cookies that may carry a token')
  const [cookie] = found
  if (cookie === undefined || cookie.value === '') return
  return { token: cookie.value, cookie: cookie.name }
}

function parseCookies(header: string): { name: string; value: string }[] {
  return header.split(';').map((pair) => {
    const equals = pair.indexOf('=')
    return { name: pair.slice(0, Math.max(equals, 0)).trim(), value: pair.slice(equals + 1).trim() }
  })
}

function missing(reason: string): ServiceError {
  return new ServiceError('missing_token', { reason })
}

function ambiguous(reason: string): ServiceError {
  return new ServiceError('invalid_request', { reason })
}
