// Shows one session and how it ended; cancels it after a page that asks for confirmation.

import { html } from 'hono/html'
import { adminRequest } from '../../http/authentication.ts'
import { pathId } from '../../http/query.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { parseSessionId } from '../../lib/ids.ts'
import { printable } from '../../lib/printable.ts'
import type { SessionRecord } from '../../registry/records.ts'
import { presentSession } from '../../respond/views.ts'
import type { Action, View } from '../access.ts'
import { orGone, orUnknown } from '../error-page.ts'
import type { PageParts } from '../page-answers.ts'
import { confirmation } from '../view/confirmation.ts'
import { badge, code, facts, longId, moment, utc } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'
import { cancelLink } from '../view/session-table.ts'
import { userLink } from '../view/tables.ts'

const NO_SESSION = {
  heading: 'No such session',
  advice:
    'No session with this id is on record: it was never here, it was erased with its user, or it ended so long ago that it is forgotten. There is nothing to cancel.',
}

/** `GET /admin/sessions/{id}` */
export function sessionPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const asked = administer.readSession(adminRequest(c), pathId(c, parseSessionId))
    const record = await orGone(asked, NO_SESSION)
    const reason = await administer.reasonOfEnd(record)
    const seconds = unixSeconds(now)
    const view = presentSession(record, seconds)
    const content = html`<div id="session" class="panel" data-part${view.status === 'cancelling' ? html` data-refresh` : ''}>${facts(
      [
        ['User', userLink(addresses, view.user)],
        ['Status', badge(view.status)],
        ['Workflow', view.workflow],
        ['Began', moment(view.created_at, seconds)],
        [view.status === 'active' ? 'Ends' : 'Would have ended', moment(view.expires_at, seconds)],
        ['Subject', longId(view.subject)],
        ['Issuer', longId(view.issuer)],
        ['Session', longId(view.id)],
        ...endOf(record, { reason, now: seconds }),
      ],
    )}
${view.status === 'active' ? cancelLink(addresses, view.id, 'button danger quiet') : statusAdvice(view.status, c.req.path)}
</div>`
    return answers.page(c, { title: `Session ${view.id}`, signIn, section: 'sessions' }, content)
  }
}

const WHY: Readonly<Record<NonNullable<SessionRecord['endReason']>, string>> = {
  cancelled: 'It was cancelled',
  evicted: 'A newer session of the user took its place',
  replaced: 'A refresh replaced it',
  revoked: 'The user was revoked',
  signed_out: 'The user signed out',
  logged_out: 'The identity provider logged the user out',
}

function endOf(
  { endReason, endedAt, endedBy, confirmedAt, status }: SessionRecord,
  { reason, now }: { readonly reason: string | undefined; readonly now: number },
): readonly (readonly [string, Html | string])[] {
  if (endReason === undefined) return []
  const why = reason === undefined ? WHY[endReason] : `${WHY[endReason]}: ${reason}`
  const unconfirmed = status === 'cancelling' ? 'not yet' : 'never: it expired first'
  return [
    ['Why it ended', why],
    ['Ended by', endedBy === undefined ? 'this service' : longId(endedBy)],
    ...(endedAt === undefined ? [] : [['Ended', moment(endedAt, now)] as const]),
    ...(status === 'cancelling' || status === 'cancelled'
      ? [['Confirmed', confirmedAt === undefined ? unconfirmed : moment(confirmedAt, now)] as const]
      : []),
  ]
}

function statusAdvice(status: string, path: string): Html {
  if (status !== 'cancelling') return html`<p class="fine">Its client secret no longer works.</p>`
  return html`<p class="fine">OpenAI has not confirmed yet. It is asked again until it does, or the session ends by itself. <a href="${path}">Reload</a></p>`
}

/** `GET /admin/sessions/{id}/cancel`: the consequences that the cancel would have now. */
export function cancelPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const asked = administer.readSession(adminRequest(c), pathId(c, parseSessionId))
    const record = await orGone(asked, NO_SESSION)
    const { id, status, user } = presentSession(record, unixSeconds(now))
    const back = addresses.sessionPage(id)
    const name = html`<bdi class="user">${printable(user)}</bdi>`
    const says =
      status === 'active'
        ? [
            html`The session ${code(id)} of ${name} ends now, and the answers that run in it. It does not come back.`,
            html`There will be no block: ${name} can ask for a new one at once.`,
          ]
        : [
            html`The session ${code(id)} of ${name} is ${status} already. Answers that still run in it end.`,
          ]
    const ask = { says, action: `${back}/cancel`, button: 'Cancel the session', back, signIn }
    const frame = { title: 'Cancel this session?', signIn, section: 'sessions' } as const
    return answers.page(c, frame, confirmation(ask))
  }
}

/** `POST /admin/sessions/{id}/cancel`. Sent again, it tells who ended the session and when. */
export function cancelAction({ answers, administer, addresses, now }: PageParts): Action {
  return async (c) => {
    const id = pathId(c, parseSessionId)
    const to = addresses.sessionPage(id)
    const since = unixSeconds(now)
    const cancelled = administer.cancelSession(adminRequest(c), id)
    const record = await orUnknown(orGone(cancelled, NO_SESSION), {
      known: 'The session has ended or is as it was: its page says which.',
      again: `${to}/cancel`,
    })
    return answers.redirectWithNotice(c, { to, notice: noticeOf(record, since) })
  }
}

/** @param since - start of this request in Unix seconds: it did not end a session that ended earlier */
function noticeOf(record: SessionRecord, since: number): string {
  const { status, id } = presentSession(record, since)
  const { endedAt, endedBy } = record
  if (status === 'expired' || (endedAt !== undefined && endedAt < since)) {
    const by = endedBy === undefined ? '' : ` by ${printable(endedBy)}`
    const at = endedAt === undefined ? 'by itself' : `at ${utc(endedAt)} UTC${by}`
    return `Nothing was left to cancel: the session had ended ${at}. Answers that still ran have ended.`
  }
  return status === 'cancelling'
    ? `Session ${id} is being cancelled: no request with it is accepted here, and OpenAI is asked until it confirms.`
    : `Session ${id} is ${status}.`
}
