// The page of one user: state, identities, forms, sessions, threads and audit.

import { html } from 'hono/html'
import type { FoundUser } from '../../administer/users.ts'
import type { ThreadPage } from '../../chatkit/wire/thread.ts'
import { adminRequest } from '../../http/authentication.ts'
import { readOptions } from '../../http/upstream-call-options.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { parseUserId, type UserId } from '../../lib/ids.ts'
import { count, printable } from '../../lib/printable.ts'
import type { AuditEntry } from '../../registry/audit-entry.ts'
import type { SessionRecord } from '../../registry/records.ts'
import type { View } from '../access.ts'
import type { Addresses } from '../addresses.ts'
import { noThreads, PageError } from '../error-page.ts'
import type { PageParts } from '../page-answers.ts'
import { actorName, badge, facts, longId, moment, panel } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'
import { sessionTable } from '../view/session-table.ts'
import { auditTable, threadTable } from '../view/tables.ts'
import { actionPanels, unblockForm } from './user-forms.ts'

/** Rows of each table; each links to the whole list. */
const ROWS = 10

/** @throws `invalid_request` when the mapping of claims could not yield this user */
export function knownUser(given: string | undefined): UserId {
  const user = parseUserId(given)
  if (user !== undefined) return user
  throw new PageError('invalid_request', {
    reason: 'a user that cannot exist',
    heading: 'No such user',
    advice: 'A user has 1 to 512 characters, none of them a control character.',
  })
}

/** `GET /admin/user?user=…`; it also answers for a user who was never seen. */
export function userPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const user = knownUser(c.req.query('user'))
    const seconds = unixSeconds(now)
    const request = adminRequest(c, readOptions(c))
    const found = await administer.readUser(request, user, ROWS)
    const { block, sessions, entries, threads } = found
    const all = (path: string, what: string) =>
      html`<a href="${addresses.root}${path}${new URLSearchParams({ user })}">All ${what}</a>`
    const sessionRows = sessionTable(sessions, {
      addresses,
      now: seconds,
      users: false,
      caption: 'Sessions, newest first',
      empty: 'No session is known.',
    })
    const receipts = administer.issueReceipt !== undefined
    const parts = { root: addresses.root, signIn, user, receipts }
    const content = html`<div class="lead">${stateOf(found, seconds)} ${block === undefined ? '' : unblockForm(parts)}</div>
${identitiesOf(sessions)}
${actionPanels(parts)}
${panel({ id: 'sessions', title: 'Sessions', content: sessionPart(sessions, { table: sessionRows, path: addresses.userPage(user) }), aside: all('/sessions?status=all&', 'sessions') })}
${panel({ id: 'threads', title: 'Threads', content: threads instanceof ServiceError ? noThreads(threads, c) : threadSection(threads, { addresses, user, seconds }) })}
${panel({
  id: 'audit',
  title: 'Audit',
  content: auditTable(entries, { addresses, now: seconds, users: false }),
  aside: all('/audit?', 'entries'),
})}`
    return answers.page(c, { title: `User ${printable(user)}`, signIn, section: 'users' }, content)
  }
}

function stateOf({ known, liveSessions, block, erased }: FoundUser, now: number): Html {
  const state = known
    ? html`<span class="soft">${count(liveSessions, 'live session')}</span>`
    : unknown(erased, now)
  if (block === undefined) {
    return html`${known ? badge('not blocked', 'good') : badge(erased ? 'erased' : 'never seen', 'warn')} ${state}`
  }
  const reason = block.reason === undefined ? '' : html`: ${block.reason}`
  return html`${badge('blocked', 'bad')} <span>until ${moment(block.until, now)}, by ${actorName(block.by)}${reason}</span> ${state}`
}

function unknown(erased: AuditEntry | undefined, now: number): Html {
  if (erased === undefined) {
    return html`<span>This user never had a session. Check the id before you do anything: it is compared exactly.</span>`
  }
  const by = erased.actor === undefined ? '' : html` by ${actorName(erased.actor)}`
  return erased.reason === 'begun'
    ? html`<span>An erase began ${moment(erased.at, now)}${by}; it has not ended yet.</span>`
    : html`<span>This user was erased ${moment(erased.at, now)}${by} (${erased.reason ?? erased.outcome}).</span>`
}

/** Each subject and issuer of the latest sessions; users of a backend have its key as issuer. */
function identitiesOf(sessions: readonly SessionRecord[]): Html {
  if (sessions.length === 0) return html``
  const named = sessions.map((one) => [`${one.issuer}|${one.subject}`, one] as const)
  const lists = [...new Map(named).values()].map(({ subject, issuer }) =>
    facts([
      ['Subject', longId(subject)],
      ['Issuer', longId(issuer)],
    ]),
  )
  return html`<div class="panel">${lists}</div>`
}

/** The sessions; this part refreshes itself while a cancel is not confirmed. */
function sessionPart(
  sessions: readonly SessionRecord[],
  { table, path }: { readonly table: Html; readonly path: string },
): Html {
  const waits = sessions.some(({ status }) => status === 'cancelling')
  const note = html`<p class="fine">OpenAI has not confirmed every cancel yet. It is asked again until it does, or the session ends by itself. <a href="${path}">Reload</a></p>`
  return html`<div id="user-sessions" data-part${waits ? html` data-refresh` : ''}>${waits ? note : ''}${table}</div>`
}

function threadSection(
  threads: ThreadPage,
  {
    addresses,
    user,
    seconds,
  }: { readonly addresses: Addresses; readonly user: UserId; readonly seconds: number },
): Html {
  const rows = threadTable(threads.data, { addresses, now: seconds, users: false })
  if (!threads.has_more) return rows
  const query = new URLSearchParams({ user })
  return html`${rows}<p><a href="${addresses.root}/threads?${query}">All threads</a></p>`
}
