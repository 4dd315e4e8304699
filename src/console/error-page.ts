// Explains an error on a page of the console.

import { html } from 'hono/html'
import type { AppContext } from '../http/context.ts'
import { answerError } from '../http/request-frame.ts'
import { type ErrorCode, isCode, ServiceError } from '../lib/errors.ts'
import { CODES, detailOf, textOfCode } from '../respond/codes.ts'
import { problemAnswer } from '../respond/problem.ts'
import type { Addresses } from './addresses.ts'
import type { SignIn } from './sign-in/sign-in-cookie.ts'
import { code } from './view/fragments.ts'
import { type Html, renderPage } from './view/layout.ts'

/** The texts of an error, for the log and for the page. */
export interface PageErrorOptions {
  /** For the log. */
  readonly reason: string
  readonly heading: string
  /** Whole sentences: what happened, and what to do now. */
  readonly advice: string
  /** The link below the advice; to the start page when absent. */
  readonly action?: { readonly href: string; readonly label: string } | undefined
  readonly cause?: unknown
}

/** An error with a text of its own for the console's page. */
export class PageError extends ServiceError {
  readonly heading: string
  readonly advice: string
  readonly action: PageErrorOptions['action']

  constructor(code: ErrorCode, { reason, heading, advice, action, cause }: PageErrorOptions) {
    super(code, { reason, cause, detail: advice })
    this.heading = heading
    this.advice = advice
    this.action = action
  }
}

/** Explains `not_found` with these texts, because a form that is sent twice must not look like a failure. */
export async function orGone<T>(
  found: Promise<T>,
  texts: Pick<PageErrorOptions, 'heading' | 'advice' | 'action'>,
): Promise<T> {
  try {
    return await found
  } catch (cause) {
    if (!isCode(cause, 'not_found')) throw cause
    throw new PageError('not_found', { reason: 'nothing with this id', cause, ...texts })
  }
}

/**
 * Explains a store that fails during an action, which may have been carried out.
 *
 * @param again - address from which the action can be sent again
 */
export async function orUnknown<T>(
  done: Promise<T>,
  { known, again }: { readonly known: string; readonly again: string },
): Promise<T> {
  try {
    return await done
  } catch (error) {
    if (!isCode(error, 'store_unavailable')) throw error
    throw new PageError('store_unavailable', {
      reason: 'the store went away in an action',
      cause: error,
      heading: 'It is not known whether this was done',
      advice: `The session store does not answer. ${known} To send it again is safe: try again in a moment.`,
      action: { href: again, label: 'Try again' },
    })
  }
}

const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

/**
 * Sets the headers of every answer of the console: pages load only the console's assets, cannot be framed, and
 * send no page's address to another site.
 */
export function setConsoleHeaders(c: AppContext): void {
  c.header('Content-Security-Policy', POLICY)
  c.header('Referrer-Policy', 'same-origin')
  c.header('Cross-Origin-Opener-Policy', 'same-origin')
  c.header('Cross-Origin-Resource-Policy', 'same-origin')
}

interface ErrorFrame {
  readonly addresses: Addresses
  /** Undefined when nobody is signed in. */
  readonly signIn: SignIn | undefined
}

/** Answers with a page, or with problem details where the client asks for JSON only. */
export function explain(frame: ErrorFrame, error: Error, c: AppContext): Response {
  setConsoleHeaders(c)
  // `answerError` turns an unexpected error into `internal_error`, and keeps the error for the access log.
  const problem = answerError(error, c)
  const known = c.error
  if (wantsJson(c) || !(known instanceof ServiceError)) return problem
  const { headers } = problemAnswer(known, c.var.requestId)
  const { 'Content-Type': _, ...others } = headers
  return c.html(String(errorPage(frame, known, c)), CODES[known.code].status, others)
}

function errorPage({ addresses, signIn }: ErrorFrame, error: ServiceError, c: AppContext): Html {
  const own = error instanceof PageError ? error : undefined
  const title = own?.heading ?? CODES[error.code].title
  // Every page can be loaded again but the end of a sign-in: its code and state work only once. A form is sent from its page.
  const mayPass = CODES[error.code].status >= 500 && !c.req.path.endsWith('/callback')
  const page = c.req.method === 'POST' ? addresses.back(c.req.header('Referer')) : ''
  const start = { href: addresses.root, label: 'To the console' }
  const action = own?.action ?? (mayPass ? { href: page, label: 'Try again' } : start)
  return renderPage(
    addresses,
    { title, signIn },
    html`<div class="panel message">
<p>${adviceOf(error)}</p>
<p><a class="button" href="${action.href}">${action.label}</a></p>
<p class="fine">${requestOf(error, c)}</p>
</div>`,
  )
}

/** Stands in a page for threads that an error keeps away. */
export function noThreads(error: ServiceError, c: AppContext, more = ''): Html {
  return html`<p class="empty" role="alert">Threads cannot be shown now: ${adviceOf(error)}${more}
<small>${requestOf(error, c)}</small></p>`
}

/** Advice may ask for the request's id. */
function requestOf({ code: name }: ServiceError, c: AppContext): Html {
  return html`Request ${code(c.var.requestId)} · ${name}`
}

/** Gives a page that shows an error its status and its headers; the access log gets its reason. */
export function showAs(error: ServiceError, c: AppContext): void {
  c.error = error
  c.status(CODES[error.code].status)
  const wait = problemAnswer(error, c.var.requestId).headers['Retry-After']
  if (wait !== undefined) c.header('Retry-After', wait)
}

/** Tells somebody at a page what happened and what to do now. */
function adviceOf(error: ServiceError): string {
  if (error instanceof PageError) return error.advice
  const text = error.upstream === 'self-hosted' ? undefined : textOfCode(error.code)?.console
  return text ?? detailOf(error)
}

function wantsJson(c: AppContext): boolean {
  const accept = c.req.header('Accept') ?? ''
  return accept.includes('json') && !accept.includes('text/html')
}
