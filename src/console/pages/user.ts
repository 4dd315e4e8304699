// Shows everything about one user, and revokes and unblocks them.

import { html } from 'hono/html'
import { type RevokedUser, revokeTerms } from '../../administer/revokes.ts'
import type { ThreadPage } from '../../chatkit/wire/thread.ts'
import { adminRequest } from '../../http/authentication.ts'
import { readOptions } from '../../http/upstream-call-options.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { parseUserId, type UserId } from '../../lib/ids.ts'
import { CODES } from '../../respond/codes.ts'
import type { Action, View } from '../access.ts'
import type { Addresses } from '../addresses.ts'
import { PageError } from '../error-page.ts'
import type { PageParts } from '../page-answers.ts'
import { badge, moment, panel } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'
import { auditTable, sessionTable, threadTable } from '../view/tables.ts'
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

/** `GET /admin/user?user=…`: everything about one user, also about one who was never here. */
export function userPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const user = knownUser(c.req.query('user'))
    const seconds = unixSeconds(now)
    const request = adminRequest(c, readOptions(c))
    const found = await administer.readUser(request, user, ROWS)
    const { standing, sessions, entries, threads } = found
    const all = (path: string, what: string) =>
      html`<a href="${addresses.root}${path}${new URLSearchParams({ user })}">All ${what}</a>`
    const sessionRows = sessionTable(sessions, {
      ...{ addresses, signIn, now: seconds, users: false },
      caption: 'Sessions, newest first',
      empty: 'No session is known.',
    })
    const parts = { root: addresses.root, signIn, user }
    const content = html`<div class="lead">${stateOf(found, seconds)} ${standing.blockedUntil === undefined ? '' : unblockForm(parts)}</div>
${actionPanels(parts)}
${panel({ id: 'sessions', title: 'Sessions', content: sessionRows, aside: all('/sessions?status=all&', 'sessions') })}
${panel({ id: 'threads', title: 'Threads', content: threadSection(threads, { addresses, user, seconds }) })}
${panel({
  id: 'trail',
  title: 'Audit',
  content: auditTable(entries, { addresses, now: seconds, users: false }),
  aside: all('/audit?', 'entries'),
})}`
    return answers.page(c, { title: `User ${user}`, signIn, section: 'sessions' }, content)
  }
}

/** `POST /admin/user/revoke` */
export function revokeAction({ answers, administer, addresses }: PageParts): Action {
  return async (c, { form, signIn }) => {
    const user = knownUser(form.value('user'))
    const terms = revokeTerms.safeParse({
      blockSeconds: Number(form.value('block_seconds') || Number.NaN),
      reason: form.value('reason').trim() || undefined,
    })
    if (!terms.success) {
      throw new ServiceError('invalid_request', { reason: 'a block or a reason out of bounds' })
    }
    if (user === signIn.user && terms.data.blockSeconds > 0) throw ownBlock()
    const revoked = await administer.revokeUser(adminRequest(c), { ...terms.data, user })
    return answers.redirectWithNotice(c, {
      to: addresses.userPage(user),
      notice: describe(revoked),
    })
  }
}

/** `administer` refuses it too, in words for the API. */
function ownBlock(): PageError {
  return new PageError('invalid_request', {
    reason: 'an admin who blocks themselves',
    heading: 'You cannot block yourself',
    advice: 'Nothing was done. Ask another admin.',
  })
}

/** `POST /admin/user/unblock` */
export function unblockAction({ answers, administer, addresses }: PageParts): Action {
  return async (c, { form }) => {
    const user = knownUser(form.value('user'))
    const stood = await administer.liftBlock(adminRequest(c), user)
    const notice = stood
      ? 'Unblocked. Sessions that were cancelled stay so; new ones can be minted.'
      : 'There was no block.'
    return answers.redirectWithNotice(c, { to: addresses.userPage(user), notice })
  }
}

function stateOf(
  {
    known,
    standing: { blockedUntil, liveSessions },
  }: {
    readonly known: boolean
    readonly standing: { readonly blockedUntil: number | undefined; readonly liveSessions: number }
  },
  now: number,
): Html {
  const live = known ? count(liveSessions, 'live session') : 'This user never had a session.'
  if (blockedUntil !== undefined) {
    return html`${badge('blocked', 'bad')} <span>until ${moment(blockedUntil, now)} · ${live}</span>`
  }
  return html`${known ? badge('not blocked', 'good') : badge('never seen', 'warn')} <span>${live}</span>`
}

function threadSection(
  threads: ThreadPage | ServiceError,
  {
    addresses,
    user,
    seconds,
  }: { readonly addresses: Addresses; readonly user: UserId; readonly seconds: number },
): Html {
  if (threads instanceof ServiceError) {
    return html`<p class="empty">Threads cannot be shown now: ${CODES[threads.code].detail}</p>`
  }
  const rows = threadTable(threads.data, { addresses, now: seconds, users: false })
  if (!threads.has_more) return rows
  const query = new URLSearchParams({ user })
  return html`${rows}<p><a href="${addresses.root}/threads?${query}">All threads</a></p>`
}

function describe({ known, cancelled, cancelling, blockedUntil: until }: RevokedUser): string {
  const parts = [
    known ? `Revoked: ${count(cancelled.length, 'session')} cancelled` : 'Never seen: no session',
  ]
  if (cancelling.length > 0) {
    parts.push(`${count(cancelling.length, 'session')} not confirmed by OpenAI yet, tried again`)
  }
  const block =
    until === undefined
      ? 'no block'
      : `blocked until ${new Date(until * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`
  return `${[...parts, block].join('; ')}.`
}

function count(size: number, what: string): string {
  return `${size} ${what}${size === 1 ? '' : 's'}`
}
