// Serves the demo's page, which signs in, mints, shows each step, and revokes sessions.

import { readFileSync } from 'node:fs'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { z } from 'zod'
import { text } from '../../chatkit/wire/wire.ts'
import { MAX_USER_CHARACTERS, newId } from '../../lib/ids.ts'
import { icon, styleSheet } from '../../lib/look/look.ts'
import type { RecordedRequest } from '../chatkit-api/recorder.ts'

/** The parts of a mint that the page cannot see itself. */
export interface MintTrace {
  /** Name of the workflow whose rule matched; undefined when none matched, or the request was refused before. */
  readonly workflow: string | undefined
  /** Why it was refused, from the service's log. */
  readonly reason: string | undefined
  /** The request as the ChatKit API received it; undefined when there was none. */
  readonly sent:
    | Pick<RecordedRequest, 'method' | 'path' | 'key_hint' | 'body' | 'status'>
    | undefined
}

const ASSETS = new URL('./assets/', import.meta.url)

const TYPES: Readonly<Record<string, string>> = {
  'demo.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
  'page.js': 'text/javascript; charset=utf-8',
  'sign-in.js': 'text/javascript; charset=utf-8',
  'view.js': 'text/javascript; charset=utf-8',
  'steps.js': 'text/javascript; charset=utf-8',
  'chat.js': 'text/javascript; charset=utf-8',
  'widget.js': 'text/javascript; charset=utf-8',
}

/** The host of ChatKit's script, which is called only when the button is pressed. */
const CHATKIT_HOST = 'https://cdn.platform.openai.com'

const BLOCK_SECONDS = 3600
const userBody = z.strictObject({ user: text(MAX_USER_CHARACTERS) })

/**
 * The routes under `/demo`.
 *
 * @param parts - addresses of the demo, and calls that the page may make
 */
export function createDemoPage({
  url,
  issuer,
  clientId,
  workflows,
  traceOf,
  callAsAdmin,
}: {
  /** Address of the service and of the page: `http://localhost:8787`. */
  readonly url: string
  readonly issuer: string
  readonly clientId: string
  /** As in the config file. */
  readonly workflows: Readonly<Record<string, unknown>>
  /** @param requestId - from the service's answer */
  traceOf(requestId: string): MintTrace | undefined
  /** Calls the service below `/v1/admin` as an admin. */
  callAsAdmin(method: string, path: string, body?: object): Promise<Response>
}): Hono {
  const app = new Hono().basePath('/demo')
  app.use(securityHeaders(issuer), sameHost(url))
  app.get('/', (c) =>
    c.body(asset('demo.html'), 200, { 'Content-Type': 'text/html; charset=utf-8' }),
  )
  app.get('/assets/:name', (c) => {
    const type = TYPES[c.req.param('name')]
    if (type === undefined) return c.notFound()
    return c.body(asset(c.req.param('name')), 200, { 'Content-Type': type })
  })
  app.get('/settings.json', (c) => c.json({ issuer, client_id: clientId, workflows }))
  app.get('/mints/:id', (c) => {
    const trace = traceOf(c.req.param('id'))
    return trace === undefined ? c.notFound() : c.json(trace)
  })
  app.post('/as-ada/revoke', sameOrigin(url), async (c) => {
    const path = `/users/${await userOf(c)}/revoke`
    return relay(await callAsAdmin('POST', path, { block_seconds: BLOCK_SECONDS }))
  })
  app.post('/as-ada/unblock', sameOrigin(url), async (c) => {
    return relay(await callAsAdmin('DELETE', `/users/${await userOf(c)}/block`))
  })
  return app
}

/** Files are read at each request, so that a change shows at the next reload. */
function asset(name: string): string {
  const file = new URL(name, ASSETS)
  if (name === 'demo.css') return styleSheet(file)
  return name === 'icon.svg' ? icon() : readFileSync(file, 'utf8')
}

function securityHeaders(issuer: string): MiddlewareHandler {
  const policy = [
    "default-src 'none'",
    `script-src 'self' ${CHATKIT_HOST}`,
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${issuer}`,
    `frame-src ${CHATKIT_HOST}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
  return async (c, next) => {
    await next()
    c.header('Content-Security-Policy', policy)
    c.header('Cache-Control', 'no-store')
    c.header('Referrer-Policy', 'no-referrer')
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('X-Request-Id', newId('req_'))
  }
}

/** Redirects a browser that used another name of this machine to the service's own URL. */
function sameHost(url: string): MiddlewareHandler {
  const { host } = new URL(url)
  return async (c, next) => {
    const asked = c.req.header('Host') ?? new URL(c.req.url).host
    if (asked === host) return next()
    return c.redirect(`${url}/demo`)
  }
}

/** A page of another origin must not act as the admin (cross-site request forgery). */
function sameOrigin(url: string): MiddlewareHandler {
  return async (c, next) => {
    if (c.req.header('Origin') === new URL(url).origin) return next()
    return c.text('Only for the demo page.', 403)
  }
}

async function userOf(c: Context): Promise<string> {
  const body = userBody.safeParse(await c.req.json().catch(() => null))
  if (!body.success) throw new HTTPException(400, { message: 'Say for which user.' })
  return encodeURIComponent(body.data.user)
}

async function relay(answer: Response): Promise<Response> {
  const body = answer.status === 204 ? null : await answer.text()
  const type = answer.headers.get('Content-Type')
  const headers = type === null ? {} : { 'Content-Type': type }
  return new Response(body, { status: answer.status, headers })
}
