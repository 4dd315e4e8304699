// The admin endpoint that lists the audit.

import type { Handler } from 'hono'
import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { presentAuditEntry, presentList } from '../../respond/views.ts'
import { adminRequest } from '../authentication.ts'
import type { AppEnv } from '../context.ts'
import { listParameters, pageOrRefusal, timeInQuery, validQuery } from '../query.ts'
import { listOf, pageAnswer, type RouteDefinitions, unixTime } from '../route-definition.ts'

const { limit, after } = listParameters

/** Has no `order`: always newest first. */
const auditListQuery = z.strictObject({
  limit,
  after,
  user: z.string().min(1).max(2048).optional().describe('Entries about this ChatKit user.'),
  actor: z
    .string()
    .min(1)
    .max(2560)
    .optional()
    .describe('Entries of this actor, as issuer|subject.'),
  action: z.string().min(1).max(64).optional().describe('Entries of this kind.'),
  not_action: z.string().min(1).max(64).optional().describe('Entries of every other kind.'),
  since: timeInQuery.optional().describe('Entries from this second on. Unix seconds.'),
  until: timeInQuery.optional().describe('Entries before this second. Unix seconds.'),
})

const hash = z.string().length(43).nullable()

const erased = z
  .object({
    actor: hash.describe('Digest of the actor; null where the actor was not erased.'),
    user: hash.describe('Digest of the user.'),
    reason: hash.describe('Digest of the reason; null where there was none.'),
  })
  .meta({ id: 'ErasedDigests', description: 'Salted digests, so that the hash can be computed.' })

export const auditEntry = z
  .object({
    id: z.string().describe('The entry, aud_…'),
    at: unixTime('When it happened.'),
    actor: z
      .string()
      .nullable()
      .describe(
        'The actor, as issuer|subject; a backend is key:<id>. Null where a user was erased.',
      ),
    action: z.string().describe('The kind of action: mint, revoke, admin_read, …'),
    user: z
      .string()
      .nullable()
      .describe('The ChatKit user it was about; null where there is none, or was erased.'),
    outcome: z
      .enum(['ok', 'refused', 'failed'])
      .describe('The outcome. An action that failed may have been done all the same, or in part.'),
    reason: z
      .string()
      .nullable()
      .describe(
        'Why, or on what: the workflow of a mint, the code of a refusal, the route of a read, the id of what was cancelled or deleted; null when there is nothing to add.',
      ),
    request_id: z.string().nullable().describe('The request that did it; null for none.'),
    instance: z
      .string()
      .nullable()
      .describe(
        'The process that wrote it, ins_…; null in entries of older versions, as are all fields below.',
      ),
    seq: z
      .int()
      .min(1)
      .nullable()
      .describe('Its number in the chain of that instance, without gaps.'),
    prev: hash.describe('The `hash` of the entry before; null in the first of an instance.'),
    hash: hash.describe('SHA-256 of this entry; the next entry has it as `prev`.'),
    salt: z
      .string()
      .nullable()
      .describe(
        'The salt of the digests that stand for user and reason in the hash; null after an erase.',
      ),
    by_user: z
      .boolean()
      .nullable()
      .describe('Whether the actor is the user: then a digest stands for the actor, too.'),
    erased: erased
      .nullable()
      .describe('The digests of the values that an erase removed; null where nothing was erased.'),
  })
  .meta({ id: 'AuditEntry', description: 'An entry of the audit: who did what.' })

const example = {
  id: 'aud_01k5ZQ',
  at: 1_790_000_000,
  actor: 'https://login.acme.example/|ada',
  action: 'revoke',
  user: 'https://login.acme.example/|alice',
  outcome: 'ok',
  reason: 'left',
  request_id: 'req_5mVqOa8hTDQkqTPVqgbNfw',
  instance: 'ins_0104100f5f7ec086',
  seq: 4711,
  prev: 'LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE',
  hash: 'PGmTKmDbuJkjYTRHVcvH5Dd8rSBcTx2Dk3wPzUj3QmE',
  salt: '3e51e44b87fb969697c22f9f9814b774',
  by_user: false,
  erased: null,
}

export const AUDIT_ROUTES = {
  listAudit: {
    method: 'GET',
    path: '/v1/admin/audit',
    checks: ['admin'],
    summary: 'List the audit',
    description:
      'Newest first. The audit records what admins read. Filters can be combined; a page looks at 5,000 ' +
      'entries at most, and may then hold fewer than `limit`, even none, with `has_more` and a `last_id` to ' +
      'go on from. Each instance chains its entries: `npx chatkit-mint audit verify` finds what was changed.',
    tag: 'admin',
    query: auditListQuery,
    answers: [pageAnswer(listOf(auditEntry, 'AuditEntryList'), example, example.id)],
  },
} satisfies RouteDefinitions

export function listAudit({ readAudit }: Pick<Administer, 'readAudit'>): Handler<AppEnv> {
  return async (c) => {
    const { not_action: notAction, ...asked } = validQuery(c, auditListQuery)
    const page = pageOrRefusal(await readAudit(adminRequest(c), { ...asked, notAction }))
    return c.json(presentList(page, presentAuditEntry, ({ id }) => id))
  }
}
