// Finds the token of a request: in the header of a configured name, else in Authorization, else in a cookie of a
// configured name.

import { ServiceError } from '../lib/errors.ts'
import { BEARER } from '../lib/header-patterns.ts'
import type { AppContext } from './context.ts'
import type { Origins } from './origins.ts'
import { countHeader } from './server/unusable-requests.ts'

/** Everything in a request that decides about its token. */
export type CredentialSource = ReturnType<typeof credentialSourceOf>

/** A header in which a proxy puts the token. */
interface TokenHeader {
  /** Lower case. */
  readonly name: string
  readonly value: string
  /** Number of headers of this name: Node joins repeated ones. */
  readonly count: number
}

/** A token and where it was found; neither cookie nor header for `Authorization: Bearer`. */
export interface Credential {
  readonly token: string
  /** Name of the cookie that held it. */
  readonly cookie?: string
  /** Name of the token header that held it. */
  readonly header?: string
}

/**
 * Collects from a request everything that {@link readCredential} needs.
 *
 * @param accepted - the allowed origins, and the names of the configured token headers
 * @param userCall - whether the call is a user's own: admin calls read `Authorization` alone
 */
export function credentialSourceOf(
  c: AppContext,
  accepted: { readonly origins: Origins; readonly headerNames: readonly string[] },
  userCall: boolean,
) {
  const { incoming } = c.env
  const authorization = incoming?.headers.authorization ?? c.req.header('Authorization')
  const { headerNames } = accepted
  const tokenHeaders = userCall && headerNames.length > 0 ? tokenHeadersOf(c, headerNames) : NONE
  // The origin is asked only where the token may be one that a browser sent by itself.
  const originMatters = authorization === undefined || tokenHeaders.length > 0
  return {
    authorization,
    /** Node joins repeated headers, so the value does not tell their number. */
    authorizationCount: countHeader(incoming, 'authorization'),
    /** Several are joined by `; `. Not read beside `Authorization`, which counts before it. */
    cookieHeader: authorization === undefined ? c.req.header('Cookie') : undefined,
    /** The configured token headers that the request has; empty for admin calls. */
    tokenHeaders,
    /** Whether this call takes cookies at all; admin calls never do. */
    cookiesAllowed: userCall,
    /** Whether the request says where in a browser it comes from. */
    fromBrowser: originMatters && isFromBrowser(c),
    /** Whether the request provably comes from an exactly allowed origin, so that no other site sent it. */
    originProven: originMatters && isOriginProven(c, accepted.origins),
  }
}

const NONE: readonly TokenHeader[] = []
/** Why a token that a browser may have sent by itself does not count. */
const UNPROVEN = 'without an exactly allowed Origin or Sec-Fetch-Site: same-origin'

function tokenHeadersOf(c: AppContext, names: readonly string[]): TokenHeader[] {
  return names.flatMap((name) => {
    const value = c.req.header(name)
    return value === undefined ? [] : [{ name, value, count: countHeader(c.env.incoming, name) }]
  })
}

function isFromBrowser(c: AppContext): boolean {
  return c.req.header('Origin') !== undefined || c.req.header('Sec-Fetch-Site') !== undefined
}

/** A pattern proves nothing: a preview deployment is less trusted than the app whose cookie it could use. */
function isOriginProven(c: AppContext, origins: Origins): boolean {
  const origin = c.req.header('Origin')
  if (origin !== undefined) return origins.app.has(origin)
  return c.req.header('Sec-Fetch-Site') === 'same-origin'
}

/**
 * Finds the token in a token header, else in `Authorization: Bearer` (RFC 6750 §2.1, the scheme in any
 * case), else in a cookie. A token in the query or in a form does not count (§2.2, §2.3).
 *
 * @param cookieNames - from the settings of the issuers
 * @throws ServiceError `missing_token` when there is none; `invalid_request` when several could be
 * meant: repeated `Authorization`, a repeated token header or cookie, two of them of different names
 */
export function readCredential(
  source: CredentialSource,
  cookieNames: ReadonlySet<string>,
): Credential {
  if (source.authorizationCount > 1) throw ambiguous('several Authorization headers')
  if (source.tokenHeaders.length > 0) return readTokenHeader(source)
  if (source.authorization === undefined) return readCookie(source, cookieNames)
  const scheme = BEARER.exec(source.authorization)?.[0]
  if (scheme === undefined) throw missing('an Authorization header of another scheme')
  const token = source.authorization.slice(scheme.length)
  if (token === '') throw missing('an Authorization header without a token')
  return { token }
}

/**
 * A token header counts before `Authorization`, which some proxies overwrite. A proxy may have made it
 * from a cookie, so a browser's request needs a proven origin, as with a cookie.
 */
function readTokenHeader(source: CredentialSource): Credential {
  const [header, ...others] = source.tokenHeaders
  if (header === undefined || header.count > 1 || others.length > 0) {
    throw ambiguous('several headers that may carry a token')
  }
  if (source.fromBrowser && !source.originProven) {
    throw missing(`header ${header.name} ${UNPROVEN}`)
  }
  if (header.value === '') throw missing(`${header.name} is empty`)
  return { token: header.value, header: header.name }
}

/** Browsers send cookies with requests that other sites cause: without a proven origin none counts. */
function readCookie(source: CredentialSource, names: ReadonlySet<string>): Credential {
  const header = source.cookiesAllowed ? source.cookieHeader : undefined
  const found = parseCookies(header ?? '').filter(({ name }) => names.has(name))
  const [cookie] = found
  if (cookie !== undefined && !source.originProven)
    throw missing(`cookie ${cookie.name} ${UNPROVEN}`)
  // Another subdomain can plant a cookie of the same name (RFC 6265 §8.6): never guess which is ours.
  if (found.length > 1) throw ambiguous('several cookies that may carry a token')
  if (!cookie?.value) throw missing('no Authorization header and no cookie that counts')
  return { token: cookie.value, cookie: cookie.name }
}

function parseCookies(header: string): { name: string; value: string }[] {
  return header.split(';').map((pair) => {
    const equals = pair.indexOf('=')
    return {
      name: trimmed(pair.slice(0, Math.max(equals, 0))),
      value: trimmed(pair.slice(equals + 1)),
    }
  })
}

/**
 * Removes SP and HTAB at both ends, as browsers do (RFC 6265 §5.2). `trim()` removes more: a sibling
 * domain could set a cookie named U+00A0 and `__Host-…`, and it would count as ours. A loop, because a
 * regular expression needs quadratic time for many spaces in the middle.
 */
function trimmed(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text, start)) start++
  while (start < end && isBlank(text, end - 1)) end--
  return text.slice(start, end)
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t'
}

function missing(reason: string): ServiceError {
  return new ServiceError('missing_token', { reason })
}

function ambiguous(reason: string): ServiceError {
  return new ServiceError('invalid_request', { reason })
}
