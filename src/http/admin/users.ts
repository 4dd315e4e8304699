import type { Handler } from 'hono'
import { z } from 'zod'
import { text } from '../../chatkit/wire/wire.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { RevokeView } from '../../respond/views.ts'
import { presentBlock, presentList } from '../../respond/views.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { jsonBody, validBody } from '../json-body.ts'
import { listParameters, pageOrRefusal, query, refuseQuery, validQuery } from '../query.ts'
import { type AdminOptions, auditRead } from './sessions.ts'

const wellFormed = (value: string) => value.isWellFormed()

/** A user as the mapping of claims makes them: of another there is nothing to revoke. */
export const userSchema = text(512)
  .refine(wellFormed, 'must be well-formed')
  .refine((value) => !/\p{Cc}/u.test(value), 'has no control characters')

const order = {
  block_seconds: z.int().min(0).max(31_536_000).optional(),
  reason: z.string().max(500).refine(wellFormed, 'must be well-formed').optional(),
}

/** Body of `POST /v1/admin/users/{user}/revoke`. */
export const revokeBody = z.strictObject(order)

/** Body of `POST /v1/admin/revoke`: whom, by the ChatKit user or by the token's subject. */
export const revokeAnyBody = z.union([
  z.strictObject({ user: userSchema, ...order }),
  z.strictObject({
    issuer: z.string().min(1),
    subject: z.string().min(1).max(255).refine(wellFormed, 'must be well-formed'),
    ...order,
  }),
])

/** Query of `GET /v1/admin/blocks`. */
export const blockListQuery = z.strictObject(listParameters)

/** What the user routes need besides. */
export interface AdminUserOptions extends AdminOptions {
  /** The ChatKit user of a subject, when the issuer's rule needs no other claim. */
  readonly userOfSubject: (issuer: string, subject: string) => string | undefined
}

/** `POST /v1/admin/users/{user}/revoke` */
export function revokeUser(options: AdminUserOptions): Handler<AppEnv>[] {
  return [
    jsonBody(revokeBody),
    async (c) => {
      refuseQuery(c)
      const asked = validBody(c, revokeBody)
      return c.json(await carryOutRevoke(c, options, { ...asked, user: pathUser(c) }))
    },
  ]
}

/** `POST /v1/admin/revoke` */
export function revokeAny(options: AdminUserOptions): Handler<AppEnv>[] {
  const handle = async (c: AppContext) => {
    refuseQuery(c)
    const body = validBody(c, revokeAnyBody)
    if ('user' in body) return c.json(await carryOutRevoke(c, options, body))
    const views: RevokeView[] = []
    for (const one of await usersOf(body, options)) {
      views.push(await carryOutRevoke(c, options, { ...body, user: one }))
    }
    return c.json(merge(views))
  }
  return [jsonBody(revokeAnyBody), handle]
}

/** `GET /v1/admin/blocks` */
export function listBlocks({ registry, audit, now }: AdminUserOptions): Handler<AppEnv>[] {
  const list = async (c: AppContext) => {
    const asked = validQuery(c, blockListQuery)
    await auditRead(c, audit)
    const page = pageOrRefusal(await registry.listBlocks({ ...asked, now: unixSeconds(now) }))
    return c.json(presentList(page, presentBlock, (block) => block.user))
  }
  return [query(blockListQuery), list]
}

/** `DELETE /v1/admin/users/{user}/block`: also when there was none. */
export function liftBlock(options: AdminUserOptions): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    await carryOutUnblock(c, options, pathUser(c))
    return c.body(null, 204)
  }
}

/**
 * Lifts a user's block, with its line in the trail.
 *
 * @param c - of the admin's request
 * @param options - store, trail, time
 * @param user - whose
 * @returns whether there was one
 */
export async function carryOutUnblock(
  c: AppContext,
  { registry, audit, now }: Pick<AdminOptions, 'registry' | 'audit' | 'now'>,
  user: string,
): Promise<boolean> {
  const { admin: actor, requestId } = c.var
  const stood = await registry.liftBlock(user, unixSeconds(now))
  const reason = stood ? undefined : 'there was no block'
  await audit.write({ actor, action: 'unblock', user, outcome: 'ok', reason, requestId })
  return stood
}

/** Whom, for how long, and why. */
export interface RevokeOrder {
  readonly user: string
  readonly block_seconds?: number | undefined
  readonly reason?: string | undefined
}

/**
 * Takes back a user's sessions, with its line in the trail.
 *
 * @param c - of the admin's request
 * @param options - step 3, the trail
 * @param asked - the order
 */
export async function carryOutRevoke(
  c: AppContext,
  { revoke, audit }: Pick<AdminOptions, 'revoke' | 'audit'>,
  asked: RevokeOrder,
): Promise<RevokeView> {
  const { admin: by, requestId } = c.var
  const { user: whom, block_seconds: blockSeconds = 0, reason } = asked
  const event = {
    actor: by,
    action: 'revoke',
    user: whom,
    outcome: 'ok',
    reason,
    requestId,
  } as const
  const order = { user: whom, blockSeconds, reason, by }
  const result = await revoke.revokeUser(order, () => audit.write(event))
  const { cancelled, cancelling, blockedUntil } = result
  return { user: whom, cancelled, cancelling, blocked_until: blockedUntil ?? null }
}

/** Users that sessions were minted for, and the one the rule gives, who may have none so far. */
async function usersOf(
  { issuer, subject }: { readonly issuer: string; readonly subject: string },
  { registry, userOfSubject }: AdminUserOptions,
): Promise<readonly string[]> {
  const known = await registry.usersOf({ issuer, subject })
  const mapped = userOfSubject(issuer, subject)
  const all = [...new Set(mapped === undefined ? known : [mapped, ...known])]
  if (all.length > 0) return all
  throw new ServiceError('not_found', {
    reason: 'no user of this subject is known',
    detail: 'No user of this subject is known. Revoke by "user" instead.',
  })
}

function merge(views: readonly RevokeView[]): RevokeView {
  const [first] = views
  if (first === undefined) throw new ServiceError('internal_error', { reason: 'nobody revoked' })
  return {
    user: first.user,
    cancelled: views.flatMap(({ cancelled }) => cancelled),
    cancelling: views.flatMap(({ cancelling }) => cancelling),
    blocked_until: first.blocked_until,
  }
}

/**
 * The user in the path, percent-decoded by the router.
 *
 * @throws `invalid_request`
 */
export function pathUser(c: AppContext): string {
  const parsed = userSchema.safeParse(c.req.param('user'))
  if (parsed.success) return parsed.data
  throw new ServiceError('invalid_request', {
    reason: 'a user that cannot exist',
    detail: 'The user in the path must have 1 to 512 characters, none of them a control character.',
  })
}
