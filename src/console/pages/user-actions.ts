import { type RevokedUser, revokeTerms } from '../../administer/revokes.ts'
import { adminRequest } from '../../http/authentication.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { Action } from '../guard.ts'
import { goOn, type PageOptions } from '../page-answers.ts'
import { knownUser } from './user.ts'

/** `POST /admin/user/revoke` */
export function revokeAction(options: PageOptions): Action {
  const { administer, addresses } = options
  return async (c, { form }) => {
    const user = knownUser(form.value('user'))
    const terms = revokeTerms.safeParse({
      blockSeconds: Number(form.value('block_seconds') || Number.NaN),
      reason: form.value('reason').trim() || undefined,
    })
    if (!terms.success) {
      throw new ServiceError('invalid_request', { reason: 'a block or a reason out of bounds' })
    }
    const revoked = await administer.revokeUser(adminRequest(c), { ...terms.data, user })
    return goOn(c, options, { to: addresses.userPage(user), notice: describe(revoked) })
  }
}

/** `POST /admin/user/unblock` */
export function unblockAction(options: PageOptions): Action {
  const { administer, addresses } = options
  return async (c, { form }) => {
    const user = knownUser(form.value('user'))
    const stood = await administer.liftBlock(adminRequest(c), user)
    const notice = stood
      ? 'Unblocked. Sessions that were cancelled stay so; new ones can be minted.'
      : 'There was no block.'
    return goOn(c, options, { to: addresses.userPage(user), notice })
  }
}

function describe({ cancelled, cancelling, blockedUntil: until }: RevokedUser): string {
  const parts = [`Revoked: ${count(cancelled.length, 'session')} cancelled`]
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
