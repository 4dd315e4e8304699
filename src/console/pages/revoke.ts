// Revokes a user, after a page that says what will happen; lifts a block.

import { html } from 'hono/html'
import { type RevokedUser, revokeTerms } from '../../administer/revokes.ts'
import type { FoundUser } from '../../administer/users.ts'
import { adminRequest } from '../../http/authentication.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { UserId } from '../../lib/ids.ts'
import { count, printable } from '../../lib/printable.ts'
import type { RevokeCommand } from '../../revoke/revoke.ts'
import type { Action, View } from '../access.ts'
import { orUnknown, PageError } from '../error-page.ts'
import type { PageParts } from '../page-answers.ts'
import type { SignIn } from '../sign-in/sign-in-cookie.ts'
import { confirmation } from '../view/confirmation.ts'
import { instant, utc } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'
import { knownUser } from './user.ts'

type Asked = Omit<RevokeCommand, 'by'>

/** `GET /admin/user/revoke?user=…&block_seconds=…&reason=…`: the consequences that the revoke would have now. */
export function revokePage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const asked = termsOf((name) => c.req.query(name) ?? '', signIn)
    const { user, blockSeconds, reason } = asked
    const found = await administer.findUser(adminRequest(c), user)
    const content = confirmation({
      says: consequences(asked, found, unixSeconds(now)),
      action: `${addresses.root}/user/revoke`,
      fields: { user, block_seconds: String(blockSeconds), reason: reason ?? '' },
      button: blockSeconds > 0 ? 'Revoke and block' : 'Revoke',
      back: addresses.userPage(user),
      signIn,
    })
    return answers.page(
      c,
      { title: `Revoke ${printable(user)}?`, signIn, section: 'users' },
      content,
    )
  }
}

function consequences(
  { user, blockSeconds, reason }: Asked,
  { known, liveSessions, block, erased }: FoundUser,
  now: number,
): readonly (Html | string)[] {
  const name = html`<bdi class="user">${printable(user)}</bdi>`
  const until = html`Until ${instant(now + blockSeconds)} UTC`
  const sessions = known
    ? endsNow(liveSessions)
    : html`<strong>${erased === undefined ? 'Never seen' : 'Erased'}:</strong> ${name} has no session on record. Look at the id twice.`
  const blocked =
    blockSeconds > 0
      ? html`${until} ${name} cannot get a new one.`
      : html`There will be no new block: ${name} can ask for a new one at once.`
  const earlier =
    block === undefined
      ? []
      : [html`A block until ${instant(block.until)} UTC holds already; the longer one stays.`]
  return [sessions, blocked, ...earlier, ...(reason ? [html`Reason: ${reason}`] : [])]
}

/** Tells how a revoke ends sessions and answers. */
export function endsNow(liveSessions: number): string {
  if (liveSessions === 0) return 'No session is live. Answers that still run end now.'
  const sessions = `${count(liveSessions, 'session')} ${liveSessions === 1 ? 'ends' : 'end'}`
  return `${sessions} now, with all running answers. What has ended does not come back.`
}

/** `POST /admin/user/revoke`. Sent again, it ends nothing more, and the longer of two blocks stays. */
export function revokeAction({ answers, administer, addresses, now }: PageParts): Action {
  return async (c, { form, signIn }) => {
    const asked = termsOf(form.value, signIn)
    const { user, blockSeconds, reason } = asked
    const again = new URLSearchParams({ user, block_seconds: String(blockSeconds) })
    if (reason !== undefined) again.set('reason', reason)
    const revoked = await orUnknown(administer.revokeUser(adminRequest(c), asked), {
      known: 'A revoke is recorded whole or not at all, and here its answer is missing.',
      again: `${addresses.root}/user/revoke?${again}`,
    })
    const notice = describe(revoked, unixSeconds(now) + blockSeconds)
    return answers.redirectWithNotice(c, { to: addresses.userPage(user), notice })
  }
}

/** `POST /admin/user/unblock` */
export function unblockAction({ answers, administer, addresses }: PageParts): Action {
  return async (c, { form }) => {
    const user = knownUser(form.value('user'))
    const stood = await orUnknown(administer.liftBlock(adminRequest(c), user), {
      known: 'The block is lifted or still holds: the page of the user says which.',
      again: addresses.userPage(user),
    })
    const notice = stood
      ? 'Unblocked. New sessions can be minted from now on; those that were cancelled stay cancelled.'
      : 'There was no block any more: it had ended, or somebody else had lifted it.'
    return answers.redirectWithNotice(c, { to: addresses.userPage(user), notice })
  }
}

/** @throws `invalid_request` */
function termsOf(value: (name: string) => string, signIn: SignIn): Asked {
  const user = knownUser(value('user'))
  const terms = revokeTerms.safeParse({
    blockSeconds: Number(value('block_seconds') || Number.NaN),
    reason: value('reason').trim() || undefined,
  })
  if (!terms.success) {
    throw new ServiceError('invalid_request', { reason: 'a block or a reason out of bounds' })
  }
  if (terms.data.blockSeconds > 0) refuseOwnBlock(user, signIn)
  return { user, blockSeconds: terms.data.blockSeconds, reason: terms.data.reason }
}

/** `administer` refuses this too, with a text for the API. */
export function refuseOwnBlock(user: UserId, { user: own, actor }: SignIn): void {
  if (user !== own && user !== actor) return
  throw new PageError('invalid_request', {
    reason: 'an admin who blocks themselves',
    heading: 'You cannot block or erase yourself',
    advice: 'Nothing was done: a block would shut you out of this console. Ask another admin.',
  })
}

/** @param asked - the latest end that the requested block can have, in Unix seconds */
function describe(
  { known, cancelled, cancelling, blockedUntil }: RevokedUser,
  asked: number,
): string {
  const parts: string[] = []
  if (!known) parts.push('Never seen or erased: no session')
  else if (cancelled.length > 0) parts.push(`${count(cancelled.length, 'session')} cancelled`)
  else if (cancelling.length === 0) parts.push('no session was live any more')
  if (cancelling.length > 0) {
    const size = count(cancelling.length, 'session')
    parts.push(`${size} not confirmed by OpenAI yet, which is asked until it does`)
  }
  const longer =
    blockedUntil !== undefined && blockedUntil > asked ? ' by an earlier, longer block' : ''
  parts.push(
    blockedUntil === undefined ? 'no block' : `blocked until ${utc(blockedUntil)} UTC${longer}`,
  )
  return `${known ? 'Revoked: ' : ''}${parts.join('; ')}.`
}
