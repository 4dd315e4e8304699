// Admin endpoints for users: revoke, list blocks, lift a block.

import type { Handler } from 'hono'
import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { isUser, revokeTerms } from '../../administer/revokes.ts'
import { MAX_USER_CHARACTERS, text } from '../../chatkit/wire/wire.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { presentBlock, presentList, presentRevoked } from '../../respond/views.ts'
import { adminRequest } from '../authentication.ts'
import { readJson } from '../body.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { listParameters, pageOrRefusal, query, refuseQuery, validQuery } from '../query.ts'

const { blockSeconds, reason } = revokeTerms.shape
const terms = { block_seconds: blockSeconds.optional(), reason }

/** Body of `POST /v1/admin/users/{user}/revoke`. */
export const revokeBody = z.strictObject(terms)

/** Body of `POST /v1/admin/revoke`: names a ChatKit user, or a token's issuer and subject. */
export const revokeAnyBody = z.union([
  z.strictObject({
    user: text(MAX_USER_CHARACTERS).refine(isUser, 'must be a possible user'),
    ...terms,
  }),
  z.strictObject({
    issuer: z.string().min(1),
    subject: z
      .string()
      .min(1)
      .max(255)
      .refine((value) => value.isWellFormed(), 'must be well-formed'),
    ...terms,
  }),
])

/** Query of `GET /v1/admin/blocks`. */
export const blockListQuery = z.strictObject(listParameters)

/** `POST /v1/admin/users/{user}/revoke` */
export function revokeUser(administer: Pick<Administer, 'revokeUser'>): Handler<AppEnv> {
  return async (c) => {
    const { block_seconds: seconds = 0, ...body } = await readJson(c, revokeBody)
    refuseQuery(c)
    const command = { user: pathUser(c), blockSeconds: seconds, ...body }
    return c.json(presentRevoked(await administer.revokeUser(adminRequest(c), command)))
  }
}

/** `POST /v1/admin/revoke` */
export function revokeAny(
  administer: Pick<Administer, 'revokeUser' | 'revokeSubject'>,
): Handler<AppEnv> {
  return async (c) => {
    const { block_seconds: seconds = 0, ...body } = await readJson(c, revokeAnyBody)
    refuseQuery(c)
    const command = { blockSeconds: seconds, ...body }
    const revoked =
      'user' in command
        ? await administer.revokeUser(adminRequest(c), command)
        : await administer.revokeSubject(adminRequest(c), command)
    return c.json(presentRevoked(revoked))
  }
}

/** `GET /v1/admin/blocks` */
export function listBlocks({
  administer,
  now,
}: {
  readonly administer: Pick<Administer, 'listBlocks'>
  readonly now: Clock
}): Handler<AppEnv>[] {
  const list = async (c: AppContext) => {
    const asked = { ...validQuery(c, blockListQuery), now: unixSeconds(now) }
    const page = pageOrRefusal(await administer.listBlocks(adminRequest(c), asked))
    return c.json(presentList(page, presentBlock, ({ user }) => user))
  }
  return [query(blockListQuery), list]
}

/** `DELETE /v1/admin/users/{user}/block`: also when there was none. */
export function liftBlock(administer: Pick<Administer, 'liftBlock'>): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    await administer.liftBlock(adminRequest(c), pathUser(c))
    return c.body(null, 204)
  }
}

/**
 * The user in the path, percent-decoded by the router.
 *
 * @throws `invalid_request`
 */
export function pathUser(c: AppContext): string {
  const user = c.req.param('user')
  if (user !== undefined && isUser(user)) return user
  throw new ServiceError('invalid_request', {
    reason: 'a user that cannot exist',
    detail: 'The user in the path must have 1 to 512 characters, none of them a control character.',
  })
}
