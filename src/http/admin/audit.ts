// The admin endpoint that lists the audit.

import type { Handler } from 'hono'
import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { presentAuditEntry, presentList } from '../../respond/views.ts'
import { adminRequest } from '../authentication.ts'
import type { AppEnv } from '../context.ts'
import { listParameters, pageOrRefusal, validQuery } from '../query.ts'
import { listOf, pageAnswer, type RouteDefinitions, unixTime } from '../route-definition.ts'

const { limit, after } = listParameters

/** Has no `order`: always newest first. */
const auditListQuery = z.strictObject({
  limit,
  after,
  user: z.string().min(1).max(2048).optional().describe('Entries about this ChatKit user.'),
  action: z.string().min(1).max(64).optional().describe('Entries of this kind.'),
})

export const auditEntry = z
  .object({
    id: z.string().describe('The entry, aud_…'),
    at: unixTime('When.'),
    actor: z.string().describe('Who, as issuer|subject; a backend is key:<id>.'),
    action: z.string().describe('What: mint, revoke, admin_read, …'),
    user: z
      .string()
      .nullable()
      .describe('The ChatKit user it was about; null where there is none.'),
    outcome: z.enum(['ok', 'refused', 'failed']).describe('How it ended.'),
    reason: z.string().nullable().describe('Why, or on what; null when nothing is told.'),
    request_id: z.string().nullable().describe('The request that did it; null for none.'),
  })
  .meta({ id: 'AuditEntry', description: 'Who did what.' })

const example = {
  id: 'aud_01k5ZQ',
  at: 1_790_000_000,
  actor: 'https://login.acme.example/|ada',
  action: 'revoke',
  user: 'https://login.acme.example/|alice',
  outcome: 'ok',
  reason: 'left',
  request_id: 'req_5mVqOa8hTDQkqTPVqgbNfw',
}

export const AUDIT_ROUTES = {
  listAudit: {
    method: 'GET',
    path: '/v1/admin/audit',
    checks: ['admin'],
    summary: 'List the audit',
    description: 'Newest first. What admins read is in the audit.',
    tag: 'admin',
    query: auditListQuery,
    answers: [pageAnswer(listOf(auditEntry, 'AuditEntryList'), example, example.id)],
  },
} satisfies RouteDefinitions

export function listAudit({ readAudit }: Pick<Administer, 'readAudit'>): Handler<AppEnv> {
  return async (c) => {
    const page = pageOrRefusal(await readAudit(adminRequest(c), validQuery(c, auditListQuery)))
    return c.json(presentList(page, presentAuditEntry, ({ id }) => id))
  }
}
