import { z } from 'zod'
import type { AppContext } from '../http/context.ts'
import type { Addresses } from './addresses.ts'
import type { ConsoleOptions } from './options.ts'
import type { AdminSession } from './sign-in/admin-session.ts'
import type { Cookies } from './sign-in/cookies.ts'
import { type Frame, type Html, renderPage } from './view/layout.ts'

/** What every page leans on. */
export interface PageOptions extends ConsoleOptions {
  readonly addresses: Addresses
  readonly cookies: Cookies
}

const noticeSchema = z.object({ text: z.string() })
const NOTICE_SECONDS = 60

/**
 * Answers with a page, and with what the form before it did.
 *
 * @param c - the request
 * @param options - where the console is
 * @param page - frame and content
 */
export async function answerPage(
  c: AppContext,
  { addresses, cookies }: PageOptions,
  page: { readonly frame: Frame & { readonly session: AdminSession }; readonly content: Html },
): Promise<Response> {
  const notice = (await cookies.read(c, 'notice', noticeSchema))?.text
  if (notice !== undefined) cookies.clear(c, 'notice')
  return c.html(renderPage(addresses, { ...page.frame, notice }, page.content))
}

/**
 * Sends the browser on after a form, so that a reload does not send it again; the next page says what
 * was done.
 *
 * @param c - the request
 * @param options - where the console is
 * @param next - where to, and what to say there
 */
export async function goOn(
  c: AppContext,
  { cookies }: PageOptions,
  next: { readonly to: string; readonly notice: string },
): Promise<Response> {
  await cookies.write(c, 'notice', { value: { text: next.notice }, seconds: NOTICE_SECONDS })
  return c.redirect(next.to, 303)
}
