// Makes the two answers of the console: a page, and after a form a redirect to a page that shows the result.

import { z } from 'zod'
import type { Administer } from '../administer/administer.ts'
import type { AppContext } from '../http/context.ts'
import type { ConsoleFigures } from '../http/telemetry/figures.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Addresses } from './addresses.ts'
import type { Cookies } from './sign-in/cookies.ts'
import type { SignIn } from './sign-in/sign-in-cookie.ts'
import { type Html, type PageFrame, renderPage } from './view/layout.ts'

/** The parts of all pages and forms; each destructures those that it uses. */
export interface PageParts {
  readonly administer: Administer
  readonly answers: ReturnType<typeof createPageAnswers>
  readonly addresses: Addresses
  /** All workflows of the config. */
  readonly workflows: readonly { readonly name: string }[]
  readonly figures: ConsoleFigures
  readonly now: Clock
  readonly log: Log
}

const noticeSchema = z.object({ text: z.string(), on: z.string() })
const NOTICE_SECONDS = 60

/** The end of an address, which tells pages apart. A browser would drop a cookie with the whole address of a long user. */
const endOf = (address: string): string => address.slice(-1000)

/** Makes the functions that write these answers. */
export function createPageAnswers({
  addresses,
  cookies,
}: {
  readonly addresses: Addresses
  readonly cookies: Cookies
}) {
  return {
    /**
     * Answers with a page, which shows the notice of the last form once. A page in another tab leaves it alone: under
     * another user it would be untrue, and the page that it is for would say nothing.
     */
    async page(
      c: AppContext,
      frame: PageFrame & { readonly signIn: SignIn },
      content: Html,
    ): Promise<Response> {
      const last = await cookies.read(c, 'notice', noticeSchema)
      const { pathname, search } = new URL(c.req.url)
      // `on` may begin with the path of `PUBLIC_URL`, which a proxy may have removed here.
      const notice = last?.on.endsWith(endOf(pathname + search)) ? last.text : undefined
      if (notice !== undefined) cookies.clear(c, 'notice')
      return c.html(renderPage(addresses, { ...frame, notice }, content))
    },

    /** Redirects after a form, so that a reload does not send the form again. */
    async redirectWithNotice(
      c: AppContext,
      { to, notice }: { readonly to: string; readonly notice: string },
    ): Promise<Response> {
      const value = { text: notice, on: endOf(to) }
      await cookies.write(c, 'notice', { value, seconds: NOTICE_SECONDS })
      return c.redirect(to, 303)
    },
  }
}
