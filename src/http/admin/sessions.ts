// Admin endpoints for sessions: list, read, cancel.

import type { Handler } from 'hono'
import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import type { SessionRecord } from '../../registry/records.ts'
import { presentList, presentSession } from '../../respond/views.ts'
import { adminRequest } from '../authentication.ts'
import { noFields, readJson } from '../body.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { listParameters, pageOrRefusal, pathId, query, refuseQuery, validQuery } from '../query.ts'

interface Parts<Name extends keyof Administer> {
  readonly administer: Pick<Administer, Name>
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
export function listSessions({ administer, now }: Parts<'listSessions'>): Handler<AppEnv>[] {
  const list = async (c: AppContext) => {
    const asked = { ...validQuery(c, sessionListQuery), now: unixSeconds(now) }
    const page = pageOrRefusal(await administer.listSessions(adminRequest(c), asked))
    const present = (session: SessionRecord) => presentSession(session, asked.now)
    return c.json(presentList(page, present, ({ id }) => id))
  }
  return [query(sessionListQuery), list]
}

/** `GET /v1/admin/sessions/{id}` */
export function readSession({ administer, now }: Parts<'readSession'>): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    const session = await administer.readSession(adminRequest(c), pathId(c))
    return c.json(presentSession(session, unixSeconds(now)))
  }
}

/** `POST /v1/admin/sessions/{id}/cancel`: 200 when the upstream confirmed, 202 while it has not. */
export function cancelSession({ administer, now }: Parts<'cancelSession'>): Handler<AppEnv> {
  return async (c) => {
    await readJson(c, noFields)
    refuseQuery(c)
    const session = await administer.cancelSession(adminRequest(c), pathId(c))
    const status = session.status === 'cancelling' ? 202 : 200
    return c.json(presentSession(session, unixSeconds(now)), status)
  }
}
