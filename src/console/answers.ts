import { html } from 'hono/html'
import type { AppContext } from '../http/context.ts'
import { answerError } from '../http/request-frame.ts'
import { ServiceError } from '../lib/errors.ts'
import { CODES, detailOf, textOfCode } from '../respond/codes.ts'
import { problemAnswer } from '../respond/problem.ts'
import type { Addresses } from './addresses.ts'
import { PageError } from './page-error.ts'
import { code } from './view/fragments.ts'
import { type Html, renderPage } from './view/layout.ts'

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
 * Headers of all that the console answers: nothing but its own assets, in nobody's frame, and no
 * address of a page told to another site.
 */
export function setConsoleHeaders(c: AppContext): void {
  c.header('Content-Security-Policy', POLICY)
  c.header('Referrer-Policy', 'same-origin')
  c.header('Cross-Origin-Opener-Policy', 'same-origin')
  c.header('Cross-Origin-Resource-Policy', 'same-origin')
}

/**
 * A page for an error, or problem details for whoever asks for JSON alone. Keeps the error for the
 * access log.
 *
 * @param addresses - where the console is
 * @param error - whatever was thrown
 * @param c - the request
 */
export function explain(addresses: Addresses, error: Error, c: AppContext): Response {
  setConsoleHeaders(c)
  // Makes internal_error of what nobody threw on purpose, and keeps it for the access log.
  const problem = answerError(error, c)
  const known = c.error
  if (wantsJson(c) || !(known instanceof ServiceError)) return problem
  const { status, headers } = problemAnswer(known, c.var.requestId)
  const { 'Content-Type': _, ...others } = headers
  return c.html(String(errorPage(addresses, known, c)), status, others)
}

function errorPage(addresses: Addresses, error: ServiceError, c: AppContext): Html {
  const own = error instanceof PageError ? error : undefined
  const title = own?.heading ?? CODES[error.code].title
  const advice = own?.advice ?? textOfCode(error.code)?.console ?? detailOf(error)
  const action = own?.action ?? { href: addresses.root, label: 'To the console' }
  return renderPage(
    addresses,
    { title },
    html`<div class="panel message">
<p>${advice}</p>
<p><a class="button" href="${action.href}">${action.label}</a></p>
<p class="fine">Request ${code(c.var.requestId)} · ${error.code}</p>
</div>`,
  )
}

/** Whether a page would be of no use to whoever asks. */
function wantsJson(c: AppContext): boolean {
  const accept = c.req.header('Accept') ?? ''
  return accept.includes('json') && !accept.includes('text/html')
}
