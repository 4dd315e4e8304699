import type { Handler } from 'hono'
import { z } from 'zod'
import { presentAuditEntry, presentList } from '../../respond/views.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { listParameters, pageOrRefusal, query, validQuery } from '../query.ts'
import { type AdminOptions, auditRead } from './sessions.ts'

const { limit, after } = listParameters

/** Query of `GET /v1/admin/audit`; always newest first. */
export const auditListQuery = z.strictObject({
  limit,
  after,
  user: z.string().min(1).max(2048).optional(),
  action: z.string().min(1).max(64).optional(),
})

/** `GET /v1/admin/audit` */
export function listAudit({ registry, audit }: AdminOptions): Handler<AppEnv>[] {
  const list = async (c: AppContext) => {
    const asked = validQuery(c, auditListQuery)
    await auditRead(c, audit, asked.user)
    // What waits for its batch belongs to what the admin wants to see.
    await audit.flush()
    const page = pageOrRefusal(await registry.listAudit(asked))
    return c.json(presentList(page, presentAuditEntry, ({ id }) => id))
  }
  return [query(auditListQuery), list]
}
