import { carryOutRevoke, carryOutUnblock, revokeBody } from '../../http/admin/users.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { RevokeView } from '../../respond/views.ts'
import type { Action } from '../guard.ts'
import { goOn, type PageOptions } from '../page-answers.ts'
import { knownUser } from './user.ts'

/** `POST /admin/user/revoke` */
export function revokeAction(options: PageOptions): Action {
  const { addresses } = options
  return async (c, { form }) => {
    const user = knownUser(form.value('user'))
    const order = revokeBody.safeParse({
      block_seconds: Number(form.value('block_seconds') || Number.NaN),
      reason: form.value('reason').trim() || undefined,
    })
    if (!order.success) {
      throw new ServiceError('invalid_request', { reason: 'a block or a reason out of bounds' })
    }
    const view = await carryOutRevoke(c, options, { ...order.data, user })
    return goOn(c, options, { to: addresses.userPage(user), notice: describe(view) })
  }
}

/** `POST /admin/user/unblock` */
export function unblockAction(options: PageOptions): Action {
  const { addresses } = options
  return async (c, { form }) => {
    const user = knownUser(form.value('user'))
    const stood = await carryOutUnblock(c, options, user)
    const notice = stood
      ? 'Unblocked. Sessions that were cancelled stay so; new ones can be minted.'
      : 'There was no block.'
    return goOn(c, options, { to: addresses.userPage(user), notice })
  }
}

function describe({ cancelled, cancelling, blocked_until: until }: RevokeView): string {
  const parts = [`Revoked: ${count(cancelled.length, 'session')} cancelled`]
  if (cancelling.length > 0) {
    parts.push(`${count(cancelling.length, 'session')} not confirmed by OpenAI yet, tried again`)
  }
  const block =
    until === null
      ? 'no block'
      : `blocked until ${new Date(until * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`
  return `${[...parts, block].join('; ')}.`
}

function count(size: number, what: string): string {
  return `${size} ${what}${size === 1 ? '' : 's'}`
}
