import { html } from 'hono/html'
import { isUser } from '../../administer/revokes.ts'
import type { ThreadPage } from '../../chatkit/wire/thread.ts'
import { adminRequest } from '../../http/authentication.ts'
import { callOptions } from '../../http/upstream-call-options.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { CODES } from '../../respond/codes.ts'
import type { View } from '../guard.ts'
import { answerPage, type PageOptions } from '../page-answers.ts'
import { PageError } from '../page-error.ts'
import { auditTable } from '../view/audit-table.ts'
import { badge, moment, panel } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'
import { sessionTable } from '../view/session-table.ts'
import { threadTable } from '../view/thread-table.ts'
import { actionPanels, unblockForm } from './user-forms.ts'

/** Rows of each table; all of them are one click away. */
const ROWS = 10

/**
 * A user, as the claims' mapping makes them.
 *
 * @param given - from a query or a form
 * @throws `invalid_request`
 */
export function knownUser(given: string | undefined): string {
  if (given !== undefined && isUser(given)) return given
  throw new PageError('invalid_request', {
    reason: 'a user that cannot exist',
    heading: 'No such user',
    advice: 'A user has 1 to 512 characters, none of them a control character.',
  })
}

/** `GET /admin/user?user=…`: everything about one user, also about one who was never here. */
export function userPage(options: PageOptions): View {
  const { administer, addresses, now } = options
  return async (c, session) => {
    const user = knownUser(c.req.query('user'))
    const seconds = unixSeconds(now)
    const request = adminRequest(c, callOptions(c))
    const found = await administer.readUser(request, user, ROWS)
    const { standing, sessions, entries, threads } = found
    const all = (path: string, what: string) =>
      html`<a href="${addresses.root}${path}${new URLSearchParams({ user })}">All ${what}</a>`
    const sessionRows = sessionTable(sessions, {
      ...{ addresses, session, now: seconds, users: false },
      caption: 'Sessions, newest first',
      empty: 'No session on the books.',
    })
    const parts = { options, session, user }
    const content = html`<div class="lead">${stateOf(standing, seconds)} ${standing.blockedUntil === undefined ? '' : unblockForm(parts)}</div>
${actionPanels(parts)}
${panel({ id: 'sessions', title: 'Sessions', content: sessionRows, aside: all('?status=all&', 'sessions') })}
${panel({ id: 'threads', title: 'Threads', content: threadSection(threads, { options, user, seconds }) })}
${panel({
  id: 'trail',
  title: 'Audit',
  content: auditTable(entries, { addresses, now: seconds, users: false }),
  aside: all('/audit?', 'entries'),
})}`
    return answerPage(c, options, {
      frame: { title: `User ${user}`, session, section: 'sessions' },
      content,
    })
  }
}

function stateOf(
  guard: { readonly blockedUntil: number | undefined; readonly liveSessions: number },
  now: number,
): Html {
  const live = `${guard.liveSessions} live session${guard.liveSessions === 1 ? '' : 's'}`
  if (guard.blockedUntil === undefined)
    return html`${badge('not blocked', 'good')} <span>${live}</span>`
  return html`${badge('blocked', 'bad')} <span>until ${moment(guard.blockedUntil, now)} · ${live}</span>`
}

interface ThreadSectionContext {
  readonly options: PageOptions
  readonly user: string
  readonly seconds: number
}

function threadSection(
  threads: ThreadPage | ServiceError,
  { options: { addresses }, user, seconds }: ThreadSectionContext,
): Html {
  if (threads instanceof ServiceError) {
    return html`<p class="empty">Threads cannot be shown now: ${CODES[threads.code].detail}</p>`
  }
  const rows = threadTable(threads.data, { addresses, now: seconds })
  if (!threads.has_more) return rows
  const query = new URLSearchParams({ user })
  return html`${rows}<p><a href="${addresses.root}/threads?${query}">All threads</a></p>`
}
