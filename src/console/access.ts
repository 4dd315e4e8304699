// Checks of the console's routes: only admins who are signed in reach its pages and forms.

import { timingSafeEqual } from 'node:crypto'
import type { Handler } from 'hono'
import { html } from 'hono/html'
import { isOfType, readText } from '../http/body.ts'
import type { AppContext, AppEnv } from '../http/context.ts'
import { isCode, ServiceError } from '../lib/errors.ts'
import { FORM_TYPE } from '../lib/header-patterns.ts'
import type { Addresses } from './addresses.ts'
import { explain, PageError, setConsoleHeaders } from './error-page.ts'
import type { SignIn, SignInCookie } from './sign-in/sign-in-cookie.ts'
import { renderPage } from './view/layout.ts'

/** Header of a request with which a page refreshes itself: it must not keep an unused sign-in alive. */
const REFRESH_HEADER = 'X-Page-Refresh'

/** Answers with a page for a signed-in admin. */
export type View = (c: AppContext, signIn: SignIn) => Promise<Response>

/** Carries out a submitted form. */
export type Action = (c: AppContext, submitted: Submitted) => Promise<Response>

/** A form of a page of ours, and the admin who sent it. */
export interface Submitted {
  readonly signIn: SignIn
  readonly form: Form
}

interface Form {
  /** A field's text; empty when the field was not sent. */
  value(name: string): string
}

export type ConsoleAccess = ReturnType<typeof createConsoleAccess>

/** Makes the wrappers of the console's routes. Errors become pages. */
export function createConsoleAccess({
  addresses,
  signIns,
}: {
  readonly addresses: Addresses
  readonly signIns: Pick<SignInCookie, 'read'>
}) {
  /** A page for an error; for a signed-in admin, it has the navigation. */
  async function explainTo(error: Error, c: AppContext): Promise<Response> {
    // While the store is down no sign-in can be read, but the error must be shown anyway.
    const signIn = await signIns.read(c, false).catch(() => undefined)
    return explain({ addresses, signIn }, error, c)
  }

  function withErrorPage(
    answer: (c: AppContext) => Promise<Response> | Response,
    onError = explainTo,
  ): Handler<AppEnv> {
    return async (c) => {
      setConsoleHeaders(c)
      try {
        return await answer(c)
      } catch (error) {
        return await onError(error instanceof Error ? error : new Error(String(error)), c)
      }
    }
  }

  async function signedIn(c: AppContext, isUse = true): Promise<SignIn | undefined> {
    const signIn = await signIns.read(c, isUse)
    if (signIn !== undefined) {
      c.set('admin', signIn.actor)
      c.set('user', signIn.user)
    }
    return signIn
  }

  return {
    explain: explainTo,
    /** For everyone: sign-in, assets. */
    open: (answer: (c: AppContext) => Promise<Response> | Response): Handler<AppEnv> =>
      withErrorPage(answer, async (error, c) =>
        explain({ addresses, signIn: undefined }, error, c),
      ),
    /** For admins. Anybody else is sent to sign in and then back to this page, also after a search. */
    view: (view: View): Handler<AppEnv> =>
      withErrorPage(async (c) => {
        const signIn = await signedIn(c, c.req.header(REFRESH_HEADER) === undefined)
        if (signIn !== undefined) return view(c, signIn)
        const { pathname, search } = new URL(c.req.url)
        const address = signInAddress(addresses, ownPath(addresses, pathname) + search)
        return isFromOwnPage(c, addresses)
          ? signInPage(c, addresses, address)
          : c.redirect(address, 303)
      }),
    /** For admins, at addresses that a script requests: anybody else gets 401. */
    data: (view: View): Handler<AppEnv> =>
      withErrorPage(async (c) => {
        const signIn = await signedIn(c, false)
        if (signIn === undefined) throw signedOut(addresses, c)
        return view(c, signIn)
      }),
    /** For admins who send a form. The sign-out has `whenEnded`: sent after the end of the sign-in, it leads there. */
    action: (action: Action, whenEnded?: `/${string}`): Handler<AppEnv> =>
      withErrorPage(
        async (c) => {
          checkOrigin(c, addresses)
          const signIn = await signedIn(c)
          if (signIn === undefined && whenEnded !== undefined) {
            return c.redirect(addresses.root + whenEnded, 303)
          }
          if (signIn === undefined) throw signedOut(addresses, c)
          const form = await readForm(c)
          checkToken(form, signIn, addresses.back(c.req.header('Referer')))
          return action(c, { signIn, form })
        },
        (error, c) => explainTo(whenEnded === undefined ? error : ofSignOut(error), c),
      ),
  }
}

/** The path that browsers request. A proxy may remove the path of PUBLIC_URL from it before this service. */
function ownPath({ root }: Addresses, pathname: string): string {
  return root + pathname.replace(/^\/admin/, '')
}

/**
 * Uses the origin to which the provider sends the browser back: cookies set under another host name would be
 * missing there.
 */
function signInAddress({ origin, root }: Addresses, to: string): string {
  return `${origin}${root}/sign-in?${new URLSearchParams({ return_to: to })}`
}

/** Our pages have a referrer policy with which browsers send a Referer within the console. */
function isFromOwnPage(c: AppContext, { origin, root }: Addresses): boolean {
  const from = URL.parse(c.req.header('Referer') ?? '')
  return from?.origin === origin && from.pathname.startsWith(root)
}

/**
 * A page that opens the sign-in by itself. A redirect would do for links. The answer to a form must not redirect to
 * the provider, because `form-action` applies to redirects too (CSP 3 §6.4.2).
 */
function signInPage(c: AppContext, addresses: Addresses, address: string): Response {
  c.header('Refresh', `0; url=${address}`)
  const content = html`<div class="panel message">
<p>You are sent to sign in again, and then back to this page.</p>
<p><a class="button" href="${address}">Sign in</a></p>
</div>`
  return c.html(String(renderPage(addresses, { title: 'Your sign-in has ended' }, content)))
}

/** Leads back to the page with the form; the text typed into it is lost. */
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

/** A sign-out that could not be recorded must not look done. */
function ofSignOut(cause: Error): Error {
  if (!isCode(cause, 'store_unavailable')) return cause
  return new PageError('store_unavailable', {
    reason: 'the store went away in a sign-out',
    cause,
    heading: 'You may still be signed in',
    advice:
      'The session store does not answer, so the sign-out could not be recorded. Go back to the console in a moment and sign out again, before you leave this browser to somebody else.',
  })
}

/** Browsers send `Origin` with every POST, so a request without one is not from a page of ours. */
function checkOrigin(c: AppContext, { origin }: Addresses): void {
  if (c.req.header('Origin') === origin) return
  throw new ServiceError('origin_not_allowed', { reason: 'a form without our Origin' })
}

/** @param page - address of the page with the form */
function checkToken(form: Form, { csrf }: SignIn, page: string): void {
  const sent = Buffer.from(form.value('csrf'))
  const expected = Buffer.from(csrf)
  if (sent.length === expected.length && timingSafeEqual(sent, expected)) return
  throw new PageError('origin_not_allowed', {
    reason: 'a form with another CSRF token',
    heading: 'This form is not from your sign-in',
    advice:
      'Nothing was done. The form is from an earlier sign-in, or another site made it up. Open the page again and send it from there.',
    action: { href: page, label: 'Open the page again' },
  })
}

/** @throws `unsupported_media_type`, `body_too_large`, `request_timeout`; `invalid_request` for a repeated field */
async function readForm(c: AppContext): Promise<Form> {
  if (!isOfType(c, FORM_TYPE)) {
    throw new ServiceError('unsupported_media_type', { reason: 'not a plain form' })
  }
  const fields = new URLSearchParams(await readText(c))
  if (new Set(fields.keys()).size < fields.size) {
    throw new ServiceError('invalid_request', { reason: 'a form with a repeated field' })
  }
  // Browsers send line ends of texts as CRLF, whatever was typed.
  return { value: (name) => (fields.get(name) ?? '').replaceAll('\r\n', '\n') }
}
