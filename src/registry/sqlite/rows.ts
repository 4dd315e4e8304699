// Reads rows of SQLite as records, and checks that they are what they should be.
import { z } from 'zod'
import type { AuditEntry, Block, Ownership, SessionRecord } from '../records.ts'
import type { ResultRow } from './database.ts'

const optionalText = z.string().nullable()

/** A user whom the store was given. */
export const userId = z.string().brand<'UserId'>()

const sessionRow = z.object({
  id: z.string().brand<'SessionId'>(),
  user: userId,
  workflow: z.string().brand<'WorkflowName'>(),
  issuer: z.string(),
  subject: z.string(),
  sid: optionalText,
  secret_hash: z.string(),
  status: z.enum(['active', 'cancelling', 'cancelled']),
  end_reason: z
    .enum(['cancelled', 'evicted', 'replaced', 'revoked', 'signed_out', 'logged_out'])
    .nullable(),
  created_at: z.number(),
  expires_at: z.number(),
  state: optionalText,
})

/** What `state` holds as JSON. */
const sessionState = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))

const ownedRow = z.object({
  workflow: z.string().brand<'WorkflowName'>(),
  kind: z.enum(['thread', 'attachment']),
  id: z.string(),
  user: userId,
  created_at: z.number(),
})

const blockRow = z.object({
  user: userId,
  until: z.number(),
  reason: optionalText,
  by: z.string(),
  created_at: z.number(),
})

const auditRow = z.object({
  id: z.string(),
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  user: optionalText,
  outcome: z.enum(['ok', 'refused', 'failed']),
  reason: optionalText,
  request_id: optionalText,
})

/**
 * @param row - of `sessions`
 */
export function toSession(row: ResultRow): SessionRecord {
  const { sid, secret_hash, end_reason, state, ...rest } = sessionRow.parse(row)
  const { created_at, expires_at, ...same } = rest
  return {
    ...same,
    sid: sid ?? undefined,
    secretHash: secret_hash,
    endReason: end_reason ?? undefined,
    createdAt: created_at,
    expiresAt: expires_at,
    state: state === null ? undefined : sessionState.parse(JSON.parse(state)),
  }
}

/**
 * @param row - of `owned`
 */
export function toOwnership(row: ResultRow): Ownership {
  const { created_at, ...same } = ownedRow.parse(row)
  return { ...same, createdAt: created_at }
}

/**
 * @param row - of `blocks`
 */
export function toBlock(row: ResultRow): Block {
  const { reason, created_at, ...same } = blockRow.parse(row)
  return { ...same, reason: reason ?? undefined, createdAt: created_at }
}

/**
 * @param row - of `audit`
 */
export function toAuditEntry(row: ResultRow): AuditEntry {
  const { user, reason, request_id, ...same } = auditRow.parse(row)
  return {
    ...same,
    user: user ?? undefined,
    reason: reason ?? undefined,
    requestId: request_id ?? undefined,
  }
}
