import type { Handler } from 'hono'
import { z } from 'zod'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { Audit } from '../../registry/audit.ts'
import type { Registry } from '../../registry/port.ts'
import { presentList, presentSession, type SessionView } from '../../respond/views.ts'
import type { Revoke } from '../../revoke/revoke.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { jsonBody } from '../json-body.ts'
import { listParameters, pageOrRefusal, pathId, query, refuseQuery, validQuery } from '../query.ts'

/** What the admin routes need. */
export interface AdminOptions {
  readonly registry: Registry
  readonly revoke: Revoke
  readonly audit: Audit
  readonly now: Clock
}

const filter = z.string().min(1).max(2048).optional()

/** Query of `GET /v1/admin/sessions`. */
export const sessionListQuery = z.strictObject({
  ...listParameters,
  user: filter,
  subject: filter,
  issuer: filter,
  workflow: filter,
  status: z.enum(['active', 'expired', 'cancelling', 'cancelled']).optional(),
})

/** `GET /v1/admin/sessions` */
export function listSessions(options: AdminOptions): Handler<AppEnv>[] {
  const { registry, audit, now } = options
  const list = async (c: AppContext) => {
    const asked = validQuery(c, sessionListQuery)
    const seconds = unixSeconds(now)
    await auditRead(c, audit, asked.user)
    const page = pageOrRefusal(await registry.listSessions({ ...asked, now: seconds }))
    const present = (session: (typeof page.data)[number]) => presentSession(session, seconds)
    return c.json(presentList(page, present, ({ id }) => id))
  }
  return [query(sessionListQuery), list]
}

/** `GET /v1/admin/sessions/{id}` */
export function readSession({ registry, audit, now }: AdminOptions): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    const session = await registry.getSession(pathId(c))
    await auditRead(c, audit, session?.user)
    if (session === undefined) throw noSuchSession()
    return c.json(presentSession(session, unixSeconds(now)))
  }
}

/** `POST /v1/admin/sessions/{id}/cancel`: 200 when OpenAI confirmed, 202 while it has not. */
export function cancelSession(options: AdminOptions): Handler<AppEnv>[] {
  const cancel = async (c: AppContext) => {
    refuseQuery(c)
    const view = await carryOutCancel(c, options)
    return c.json(view, view.status === 'cancelling' ? 202 : 200)
  }
  return [jsonBody(z.strictObject({})), cancel]
}

/**
 * Cancels the session in the path, with its line in the trail.
 *
 * @param c - of the admin's request
 * @param options - step 3, trail, time
 * @throws `invalid_request`, `not_found`
 */
export async function carryOutCancel(
  c: AppContext,
  { revoke, audit, now }: Pick<AdminOptions, 'revoke' | 'audit' | 'now'>,
): Promise<SessionView> {
  const session = await revoke.cancelSession(pathId(c))
  if (session === undefined) throw noSuchSession()
  const { admin: actor, requestId } = c.var
  const { user, id: reason } = session
  await audit.write({ actor, action: 'cancel', user, outcome: 'ok', reason, requestId })
  return presentSession(session, unixSeconds(now))
}

/**
 * Reads are in the trail before they are answered: what cannot be written down is not shown.
 *
 * @param user - whose data it is, when it is one user's
 */
export async function auditRead(c: AppContext, audit: Audit, user?: string): Promise<void> {
  const { admin: actor, requestId } = c.var
  const reason = `${c.req.method} ${c.req.routePath}`
  await audit.write({ actor, action: 'admin_read', user, outcome: 'ok', reason, requestId })
}

/** For an id that is of no session. */
export function noSuchSession(): ServiceError {
  return new ServiceError('not_found', { reason: 'no session with this id' })
}
