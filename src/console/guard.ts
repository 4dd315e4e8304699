import { timingSafeEqual } from 'node:crypto'
import type { Handler } from 'hono'
import { html } from 'hono/html'
import type { AppContext, AppEnv } from '../http/context.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Addresses } from './addresses.ts'
import { explain, setConsoleHeaders } from './answers.ts'
import { type Form, readForm } from './form.ts'
import { PageError } from './page-error.ts'
import type { AdminSession, AdminSessions } from './sign-in/admin-session.ts'
import { renderPage } from './view/layout.ts'

/** Shows something to an admin. */
export type View = (c: AppContext, session: AdminSession) => Promise<Response>

/** Does what a form asks for. */
export type Action = (c: AppContext, submitted: Submitted) => Promise<Response>

/** A form of a page of ours, and who sent it. */
export interface Submitted {
  readonly session: AdminSession
  readonly form: Form
}

/** Who gets through to the console's pages. */
export interface Guard {
  /** Anyone: sign-in, assets. Errors become pages. */
  open(answer: (c: AppContext) => Promise<Response> | Response): Handler<AppEnv>
  /** Admins; others are sent to sign in and come back, also from a form that searches. */
  view(view: View): Handler<AppEnv>
  /** Admins, for what no link leads to: others get 401. */
  data(view: View): Handler<AppEnv>
  /** Admins who filled in a form of ours. */
  action(action: Action): Handler<AppEnv>
}

/**
 * @param addresses - where the console is
 * @param sessions - who is signed in
 */
export function createGuard(addresses: Addresses, sessions: AdminSessions): Guard {
  const open: Guard['open'] = (answer) => async (c) => {
    setConsoleHeaders(c)
    try {
      return await answer(c)
    } catch (error) {
      return explain(addresses, error instanceof Error ? error : new Error(String(error)), c)
    }
  }

  async function admin(c: AppContext): Promise<AdminSession | undefined> {
    const session = await sessions.read(c)
    if (session !== undefined) c.set('admin', session.actor)
    return session
  }

  return {
    open,
    view: (view) =>
      open(async (c) => {
        const session = await admin(c)
        if (session !== undefined) return view(c, session)
        const { pathname, search } = new URL(c.req.url)
        const address = signInAddress(addresses, ownPath(addresses, pathname) + search)
        return isFromOwnPage(c, addresses)
          ? answerOnTheWay(c, addresses, address)
          : c.redirect(address, 303)
      }),
    data: (view) =>
      open(async (c) => {
        const session = await admin(c)
        if (session === undefined) throw signedOut(addresses, c)
        return view(c, session)
      }),
    action: (action) =>
      open(async (c) => {
        checkOrigin(c, addresses)
        const session = await admin(c)
        if (session === undefined) throw signedOut(addresses, c)
        const form = await readForm(c)
        checkToken(form, session)
        return action(c, { session, form })
      }),
  }
}

/** With a proxy that takes off PUBLIC_URL's path, the path that browsers know is longer than ours. */
function ownPath({ root }: Addresses, pathname: string): string {
  return root + pathname.replace(/^\/admin/, '')
}

/** At the origin that the provider sends back to: cookies of another name of ours would not be there. */
function signInAddress({ origin, root }: Addresses, to: string): string {
  return `${origin}${root}/sign-in?${new URLSearchParams({ return_to: to })}`
}

/** The policy of our pages makes browsers send a Referer within the console. */
function isFromOwnPage(c: AppContext, { origin, root }: Addresses): boolean {
  const from = URL.parse(c.req.header('Referer') ?? '')
  return from?.origin === origin && from.pathname.startsWith(root)
}

/**
 * A page that goes on to the sign-in by itself. A redirect would do for links, but what a form of ours
 * asks for may not be redirected to the provider: `form-action` counts for redirects too (CSP 3 §6.4.2).
 */
function answerOnTheWay(c: AppContext, addresses: Addresses, address: string): Response {
  c.header('Refresh', `0; url=${address}`)
  const content = html`<div class="panel message">
<p>You are on the way to sign in again, and back to what you asked for.</p>
<p><a class="button" href="${address}">Sign in</a></p>
</div>`
  return c.html(String(renderPage(addresses, { title: 'Your sign-in has ended' }, content)))
}

/** The page that the form was on is where the admin goes on: what was typed there is gone. */
function signedOut(addresses: Addresses, c: AppContext): PageError {
  const to = addresses.back(c.req.header('Referer'))
  return new PageError('token_expired', {
    reason: 'no console sign-in, or not any more',
    heading: 'Your sign-in has ended',
    advice:
      'Nothing was done: the form came after the end of your sign-in. Sign in again, and send it once more.',
    action: { href: signInAddress(addresses, to), label: 'Sign in again and go back' },
  })
}

/** Browsers send `Origin` with every POST, so a request without one is not from a page of ours. */
function checkOrigin(c: AppContext, { origin }: Addresses): void {
  if (c.req.header('Origin') === origin) return
  throw new ServiceError('origin_not_allowed', { reason: 'a form without our Origin' })
}

function checkToken(form: Form, { csrf }: AdminSession): void {
  const sent = Buffer.from(form.value('csrf'))
  const expected = Buffer.from(csrf)
  if (sent.length === expected.length && timingSafeEqual(sent, expected)) return
  throw new PageError('origin_not_allowed', {
    reason: 'a form with another CSRF token',
    heading: 'This form is not from your sign-in',
    advice:
      'Nothing was done. The form is from an earlier sign-in, or another site made it up. Open the page again and send it from there.',
  })
}
