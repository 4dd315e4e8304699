// Decides which browser origins may call which paths, and sets the CORS headers that tell browsers so.

import type { Settings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { show, showAll } from '../lib/show.ts'
import type { AnswerHeaders, AppContext } from './context.ts'

/** The browser origins that may call each part of the API, compared byte for byte with the header. */
export interface Origins {
  /** Origins of apps, for everything but the admin endpoints. */
  readonly app: ReadonlySet<string>
  /** Patterns of further origins of apps, by their text in the config. Tokens in cookies never count from these. */
  readonly appPatterns: ReadonlyMap<string, RegExp>
  /** For `/v1/admin`. */
  readonly admin: ReadonlySet<string>
  /** For `/admin`, the console: only the service's own, so that no app can read the console's pages. */
  readonly console: ReadonlySet<string>
  /** Whether browsers may send cookies along, because an issuer's token can come in one. */
  readonly credentials: boolean
}

/**
 * The origins that the config allows, and always the service's own.
 *
 * @param publicUrl - the service's own address, as clients see it
 */
export function originsOf(settings: Settings, publicUrl: string | undefined): Origins {
  const own = publicUrl === undefined ? [] : [new URL(publicUrl).origin]
  return {
    app: new Set([...own, ...settings.corsOrigins.filter((origin) => !origin.includes('*'))]),
    appPatterns: new Map(
      settings.corsOrigins
        .filter((origin) => origin.includes('*'))
        .map((text) => [text, patternOf(text)]),
    ),
    admin: new Set([...own, ...(settings.admins?.origins ?? [])]),
    console: new Set(own),
    credentials: settings.issuers.some(({ cookie }) => cookie !== undefined),
  }
}

/** @param text - an origin with one `*` */
function patternOf(text: string): RegExp {
  const [start = '', end = ''] = text.split('*').map(RegExp.escape)
  return new RegExp(`^${start}[a-z0-9-]+${end}$`)
}

const EXPOSED = 'Retry-After, RateLimit, RateLimit-Policy, X-Request-Id'
/** Headers that a page may always send. */
const ALLOWED_HEADERS = 'Authorization, Content-Type'
/** Most characters of further headers that one preflight is allowed. */
const MOST_ASKED_CHARACTERS = 1024
/** A name (RFC 9110 §5.1) that is not allowed already. `*` alone would stand for all of them. */
const FURTHER_NAME = /^(?!(?:\*|authorization|content-type)$)[!#$%&'*+.^_`|~0-9a-z-]+$/i
const MAX_AGE_SECONDS = '600'
/** The origin of the frame that ChatKit runs in, which calls the gateway itself. It never sends cookies. */
const CHATKIT_FRAME = 'https://cdn.platform.openai.com'
const GATEWAY_PATH = /^\/chatkit\//
const ADMIN_PATH = /^\/v1\/admin(?:\/|$)/
const BACKEND_PATH = /^\/v1\/chatkit(?:\/|$)/
const CONSOLE_PATH = /^\/admin(?:\/|$)/

/** Whether a path is of the ChatKit API for backends, whose errors are in the API's own format. */
export function isBackendPath(path: string): boolean {
  return BACKEND_PATH.test(path)
}

/** The request's `Origin`, if it is allowed for the path. */
export function allowedOrigin(c: AppContext, origins: Origins): string | undefined {
  // Node's own headers: the adapter takes 1,000 instructions to find one.
  const { origin } = c.env.incoming.headers
  if (origin === undefined) return undefined
  const { path } = c.req
  if (origin === CHATKIT_FRAME && GATEWAY_PATH.test(path)) return origin
  // No page may hold an API key.
  if (BACKEND_PATH.test(path)) return undefined
  const allowed = CONSOLE_PATH.test(path)
    ? origins.console.has(origin)
    : ADMIN_PATH.test(path)
      ? origins.admin.has(origin)
      : isAppOrigin(origin, origins)
  return allowed ? origin : undefined
}

/** Whether pages of an origin may call everything but the admin endpoints. */
export function isAppOrigin(
  origin: string,
  { app, appPatterns }: Pick<Origins, 'app' | 'appPatterns'>,
): boolean {
  if (app.has(origin)) return true
  for (const pattern of appPatterns.values()) if (pattern.test(origin)) return true
  return false
}

/** The CORS headers of every answer to an allowed origin (Fetch Standard, CORS protocol). */
export function corsHeaders(
  origin: string,
  { credentials, app, admin }: Pick<Origins, 'credentials' | 'app' | 'admin'>,
): AnswerHeaders {
  const headers: AnswerHeaders = {
    'Access-Control-Allow-Origin': origin,
    Vary: 'Origin',
    'Access-Control-Expose-Headers': EXPOSED,
  }
  const named = app.has(origin) || admin.has(origin)
  if (credentials && named && origin !== CHATKIT_FRAME) {
    headers['Access-Control-Allow-Credentials'] = 'true'
  }
  return headers
}

/**
 * Answers `OPTIONS`: a preflight (Fetch Standard, CORS protocol), or a request for the allowed methods
 * (RFC 9110 §9.3.7).
 *
 * @param methods - of the path, comma-separated
 */
export function answerOptions(origins: Origins, methods: string) {
  return (c: AppContext): Response => {
    refuseForeignOrigin(c, origins)
    c.header('Allow', methods)
    if (c.req.header('Origin') !== undefined) {
      c.header('Access-Control-Allow-Methods', methods)
      const asked = askedHeaders(c.req.header('Access-Control-Request-Headers'))
      c.header('Access-Control-Allow-Headers', [ALLOWED_HEADERS, ...asked].join(', '))
      c.header('Access-Control-Max-Age', MAX_AGE_SECONDS)
    }
    return c.body(null, 204)
  }
}

/**
 * The names that a preflight asks for: tracing tools add headers to a page's calls, and so does ChatKit's
 * own frame (`chatkit-frame-instance-id`). A page can send no more with them than a native app does; a token
 * in a `token_header` is verified like any other, and counts only for exactly named origins.
 */
function askedHeaders(list = ''): readonly string[] {
  const names = list.slice(0, MOST_ASKED_CHARACTERS + 1).split(',')
  // The last one may have been cut in the middle.
  if (list.length > MOST_ASKED_CHARACTERS) names.pop()
  return names.map((name) => name.trim()).filter((name) => FURTHER_NAME.test(name))
}

/**
 * Refuses a page of another origin before anything is read or done; `cors()` would only withhold headers
 * while the handler runs. Requests without `Origin` (native apps) pass.
 */
export function refuseForeignOrigin(c: AppContext, origins: Origins): void {
  // The outermost layer has judged it.
  if ('Access-Control-Allow-Origin' in c.get('headers')) return
  const origin = c.req.header('Origin')
  if (origin === undefined) return
  const { path } = c.req
  const why = BACKEND_PATH.test(path)
    ? 'came to a call for backends, which takes none'
    : `is not on the list, expected ${showAll(namesFor(path, origins))}`
  throw new ServiceError('origin_not_allowed', { reason: `Origin ${show(origin)} ${why}` })
}

function namesFor(path: string, { app, appPatterns, admin, console }: Origins): string[] {
  if (CONSOLE_PATH.test(path)) return [...console]
  return ADMIN_PATH.test(path) ? [...admin] : [...app, ...appPatterns.keys()]
}
