// Parts of the config schema that several of its files share: whole numbers with bounds, and checks of texts
// (patterns, URLs, origins, address ranges). Each message tells the operator what to write instead.

import { isIP } from 'node:net'
import { z } from 'zod'
import { WORKFLOW_NAME } from '../../lib/ids.ts'
import { WITHOUT_HOST } from '../urls.ts'

/**
 * A text with a check whose message says what to do.
 *
 * @param problemOf - returns the problem of a value; undefined when there is none
 */
export function checkedText(problemOf: (value: string) => string | undefined): z.ZodString {
  return z.string().superRefine((value, context) => {
    const message = problemOf(value)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })
}

/**
 * A text that matches a pattern.
 *
 * @param pattern - of the whole text
 * @param message - the end of a sentence that says what the text must be
 */
export function patternText(pattern: RegExp, message: string): z.ZodString {
  return z.string().regex(pattern, { error: message })
}

/** A whole number; both bounds are allowed. */
export const between = (least: number, most: number) => z.int().min(least).max(most)

/** The name of an issuer. Further rules depend on where its keys come from. */
export const issuerName = patternText(
  /^(?=.*\S)[^\p{Cc}\u2028\u2029]{1,512}$/u,
  'must be a text of 1 to 512 characters, exactly as in the iss of its tokens',
)

/**
 * A text that is compared or sent exactly as it is written. A block of YAML (`|`) ends with a newline, which no token
 * and no workflow has.
 */
export const exactText = patternText(
  /^(?!\s)[^\p{Cc}]+(?<!\s)$/u,
  'must be a text on one line, without white space around it',
)

/** A CEL expression. It is compiled elsewhere, with the types that its key of the file requires. */
export const expression = z.string().min(1)

/** The name of an environment variable. */
export const environmentName = patternText(
  /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
  'must be the name of an environment variable, not its value',
)

/** The name by which clients ask for a workflow. */
export const workflowName = patternText(
  WORKFLOW_NAME,
  'must be a name of at most 64 lower-case letters, digits and "-" that starts with a letter',
)

// Each function below returns the problem of a text; undefined when there is none.

/** Schemes whose `Origin` a browser sends as `null`, or never. */
const WITHOUT_ORIGIN = new Set(['file', 'data', 'blob', 'about', 'javascript', 'ws', 'wss', 'ftp'])

/**
 * Why a text cannot be an issuer identifier: RFC 8414 §2 and OpenID Connect Discovery 1.0 §3 want an
 * `https` URL without query and fragment.
 */
export function issuerProblem(value: string): string | undefined {
  const problem = urlProblem(value)
  if (problem !== undefined) return problem
  if (value.includes('?')) return 'must not have a query'
  const isDocument = value.includes('/.well-known/')
  return isDocument ? 'must end before /.well-known/, which discovery adds' : undefined
}

/** Why a text cannot be a URL to fetch from: it must be `https`, or `http`, which other checks restrict. */
export function urlProblem(value: string): string | undefined {
  const url = URL.parse(value)
  if (url === null || /\s/.test(value) || WITHOUT_HOST.test(value))
    return 'must be an absolute URL, as in https://login.acme.example/'
  const insecure = 'must be https; plain http is only for loopback addresses'
  return extraProblem(url, value) ?? (/^https?:$/.test(url.protocol) ? undefined : insecure)
}

/**
 * Why a text cannot be the URL of a self-hosted ChatKit server. Plain `http` is allowed, because such servers
 * run in private networks and get a signed token with each request.
 */
export function serverProblem(value: string): string | undefined {
  const url = URL.parse(value)
  const isWeb = /^https?:$/.test(url?.protocol ?? '') && !WITHOUT_HOST.test(value)
  if (url === null || /\s/.test(value) || !isWeb) {
    return 'must be an http or https URL, as in http://helpdesk.internal:8000/chatkit'
  }
  return extraProblem(url, value)
}

/**
 * The name of a server, normalised if it is an address: spellings that differ in case, the default port or a
 * final slash become one name.
 */
export function sourceName(text: string): string {
  return /^https?:/i.test(text) ? (URL.parse(text)?.href.replace(/\/+$/, '') ?? text) : text
}

function extraProblem(url: URL, value: string): string | undefined {
  if (url.username !== '' || url.password !== '') {
    return 'must not have a user name or password in it'
  }
  return value.includes('#') ? 'must not have a fragment ("#…")' : undefined
}

/**
 * Why a text can never equal an `Origin` header: browsers send the serialised origin (RFC 6454 §6.2), so any
 * other text would silently match nobody.
 */
export function originProblem(value: string): string | undefined {
  if (value.includes('*')) return 'must be an exact origin; "*" would let every website in'
  if (value === 'null') return 'must not be "null", which every sandboxed page sends'
  const url = URL.parse(value)
  const wrong = 'must be an exact origin, as in https://app.acme.example: scheme, host, port if any'
  if (url === null || /\s/.test(value)) return wrong
  if (url.protocol === 'https:' || url.protocol === 'http:') {
    return url.origin === value ? undefined : `${wrong}; use ${url.origin} instead`
  }
  const scheme = url.protocol.slice(0, -1)
  if (WITHOUT_ORIGIN.has(scheme)) return `has a scheme of which browsers send no origin: ${scheme}`
  return /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9._-]+(?::[1-9]\d{0,4})?$/.test(value) ? undefined : wrong
}

/** `https`, and a `*` in the first label of at least three. */
const ORIGIN_PATTERN = /^https:\/\/[a-z0-9-]*\*[a-z0-9-]*(?:\.[a-z0-9-]+){2,}(?::\d+)?$/

/** Why a text can be neither an origin nor a pattern of origins. */
export function originPatternProblem(value: string): string | undefined {
  if (value === '*' || !value.includes('*')) return originProblem(value)
  // With a letter in the place of the "*", the rest must be an origin.
  if (ORIGIN_PATTERN.test(value) && originProblem(value.replace('*', 'a')) === undefined)
    return undefined
  return 'must be like https://app-*.acme.example: https, one "*" in the first label, a domain of at least two labels'
}

/** Why a text is not a CIDR. */
export function cidrProblem(value: string): string | undefined {
  const wrong = 'must be an address range, as in 172.16.0.0/12 or fd00::/8'
  const [address = '', prefix, ...more] = value.split('/')
  const family = address.includes('%') ? 0 : isIP(address)
  if (family === 0 || more.length > 0) return wrong
  const longest = family === 4 ? 32 : 128
  if (prefix === undefined) return `${wrong}; use ${address}/${longest} for one address`
  return /^(?:0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= longest ? undefined : wrong
}
