// Finds the token of a request: in the header of a configured name, else in Authorization, else in a cookie of a
// configured name.

import { ServiceError } from '../lib/errors.ts'
import { BEARER } from '../lib/header-patterns.ts'
import type { AppContext } from './context.ts'
import type { Origins } from './origins.ts'
import { countHeader } from './server/unusable-requests.ts'

/** A token and where it was found; neither cookie nor header for `Authorization: Bearer`. */
export interface Credential {
  readonly token: string
  /** Name of the cookie that held it. */
  readonly cookie?: string
  /** Name of the token header that held it. */
  readonly header?: string
}

/** The config's settings for credentials. */
interface Accepted {
  readonly origins: Pick<Origins, 'app'>
  /** Headers in which a proxy puts the token; in lower case. */
  readonly headerNames: readonly string[]
  readonly cookieNames: ReadonlySet<string>
}

/** Why a token that a browser may have sent by itself does not count. */
const UNPROVEN = 'without an exactly allowed Origin or Sec-Fetch-Site: same-origin'

/**
 * Finds the token in a token header, else in `Authorization: Bearer` (RFC 6750 §2.1, the scheme in any
 * case), else in a cookie. A token in the query or in a form does not count (§2.2, §2.3).
 *
 * @param userCall - whether the call is a user's own: admin calls read `Authorization` alone
 * @throws ServiceError `missing_token` when there is none; `invalid_request` when several could be
 * meant: repeated `Authorization`, a repeated token header or cookie, two of them of different names
 */
export function readCredential(c: AppContext, accepted: Accepted, userCall: boolean): Credential {
  const { incoming } = c.env
  // Node joins repeated headers, so the value does not tell their number.
  if (countHeader(incoming, 'authorization') > 1) throw ambiguous('several Authorization headers')
  const names = userCall ? accepted.headerNames : []
  const present = names.filter((name) => c.req.header(name) !== undefined)
  if (present.length > 0) return readTokenHeader(c, present, accepted.origins)
  const { authorization } = incoming.headers
  if (authorization === undefined) return readCookie(c, accepted, userCall)
  const scheme = BEARER.exec(authorization)?.[0]
  if (scheme === undefined) throw missing('an Authorization header that does not begin with Bearer')
  const token = authorization.slice(scheme.length)
  if (token === '') throw missing('an Authorization header without a token')
  return { token }
}

/**
 * A token header counts before `Authorization`, which some proxies overwrite. A proxy may have made it
 * from a cookie, so a browser's request needs a proven origin, as with a cookie.
 */
function readTokenHeader(
  c: AppContext,
  [header = '', ...others]: readonly string[],
  origins: Accepted['origins'],
): Credential {
  if (countHeader(c.env.incoming, header) > 1 || others.length > 0) {
    throw ambiguous('several headers that may carry a token')
  }
  const fromBrowser =
    c.req.header('Origin') !== undefined || c.req.header('Sec-Fetch-Site') !== undefined
  if (fromBrowser && !isOriginProven(c, origins)) throw missing(`header ${header} ${UNPROVEN}`)
  const token = c.req.header(header)
  if (!token) throw missing(`${header} is empty`)
  return { token, header }
}

/** Browsers send cookies with requests that other sites cause: without a proven origin none counts. */
function readCookie(
  c: AppContext,
  { origins, cookieNames }: Accepted,
  userCall: boolean,
): Credential {
  const header = userCall ? c.req.header('Cookie') : undefined
  const found = parseCookies(header ?? '').filter(({ name }) => cookieNames.has(name))
  const [cookie] = found
  if (cookie !== undefined && !isOriginProven(c, origins)) {
    throw missing(`cookie ${cookie.name} ${UNPROVEN}`)
  }
  // Another subdomain can plant a cookie of the same name (RFC 6265 §8.6): never guess which is ours.
  if (found.length > 1) throw ambiguous('several cookies that may carry a token')
  if (!cookie?.value) throw missing('no Authorization header and no cookie that counts')
  return { token: cookie.value, cookie: cookie.name }
}

/**
 * Whether the request provably comes from an exactly allowed origin, so that no other site sent it. A pattern proves
 * nothing: a preview deployment is less trusted than the app whose cookie it could use.
 */
function isOriginProven(c: AppContext, origins: Accepted['origins']): boolean {
  const origin = c.req.header('Origin')
  if (origin !== undefined) return origins.app.has(origin)
  return c.req.header('Sec-Fetch-Site') === 'same-origin'
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
