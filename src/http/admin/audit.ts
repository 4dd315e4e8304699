// The admin endpoint that lists the audit log.

import type { Handler } from 'hono'
import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { presentAuditEntry, presentList } from '../../respond/views.ts'
import { adminRequest } from '../authentication.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { listParameters, pageOrRefusal, query, validQuery } from '../query.ts'

const { limit, after } = listParameters

/** Query of `GET /v1/admin/audit`; always newest first. */
export const auditListQuery = z.strictObject({
  limit,
  after,
  user: z.string().min(1).max(2048).optional(),
  action: z.string().min(1).max(64).optional(),
})

/** `GET /v1/admin/audit` */
export function listAudit({ readAudit }: Pick<Administer, 'readAudit'>): Handler<AppEnv>[] {
  const list = async (c: AppContext) => {
    const page = pageOrRefusal(await readAudit(adminRequest(c), validQuery(c, auditListQuery)))
    return c.json(presentList(page, presentAuditEntry, ({ id }) => id))
  }
  return [query(auditListQuery), list]
}
