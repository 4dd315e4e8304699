// Converts sessions, blocks, audit entries and ownership to the text kept in Redis and back.
import { z } from 'zod'
import type { AuditEntry, Block, Ownership, SessionRecord } from '../records.ts'
import { hashOf } from './keys.ts'

/** A session and its place in the order of creation. */
export interface PlacedSession {
  readonly place: number
  readonly endsAt: number
  readonly record: SessionRecord
}

/** A user whom the store was given. */
export const userId = z.string().brand<'UserId'>()

const sessionJson = z.object({
  id: z.string().brand<'SessionId'>(),
  user: userId,
  workflow: z.string().brand<'WorkflowName'>(),
  issuer: z.string(),
  subject: z.string(),
  sid: z.string().optional(),
  secretHash: z.string(),
  createdAt: z.number(),
  expiresAt: z.number(),
  state: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
})

const ROW = /^([a-z]+)\n([a-z_]*)\n(\d+)\n(\d+)\n(\d+)\n(?:[^\n]*\n){4}(.*)$/s

const head = z.object({
  status: z.enum(['active', 'cancelling', 'cancelled']),
  endReason: z
    .enum(['cancelled', 'evicted', 'replaced', 'revoked', 'signed_out', 'logged_out'])
    .optional(),
  endsAt: z.number(),
  place: z.number(),
})

/**
 * The hashes of an identity, as the scripts compare them.
 *
 * @param of - identity or session
 */
export function identityHashes(of: {
  readonly issuer: string
  readonly subject?: string | undefined
  readonly sid?: string | undefined
}) {
  return {
    issuer: hashOf(of.issuer),
    pair: of.subject === undefined ? '' : hashOf(of.issuer, of.subject),
    sid: of.sid === undefined ? '' : hashOf(of.issuer, of.sid),
  }
}

/**
 * The row of a new session, as the scripts read it: what comes before its place in the order of
 * creation, and what comes after.
 *
 * @param record - the session
 * @param hashes - of its identity
 */
export function toRow(
  record: SessionRecord,
  { issuer, pair, sid }: ReturnType<typeof identityHashes>,
): readonly [string, string] {
  const { status, endReason, ...fixed } = record
  const { expiresAt, secretHash } = fixed
  return [
    `${status}\n${endReason ?? ''}\n${expiresAt}\n${expiresAt}\n`,
    `\n${secretHash}\n${issuer}\n${pair}\n${sid}\n${JSON.stringify(fixed)}`,
  ]
}

/**
 * @param row - as a script returns it
 * @throws `ZodError` when it is not what it should be
 */
export function fromRow(row: unknown): PlacedSession {
  const [, status, reason, , ends, place, json] = ROW.exec(z.string().parse(row)) ?? []
  const parsed = head.parse({
    status,
    endReason: reason === '' ? undefined : reason,
    endsAt: Number(ends),
    place: Number(place),
  })
  const fixed = sessionJson.parse(JSON.parse(json ?? ''))
  const record = {
    ...fixed,
    sid: fixed.sid,
    status: parsed.status,
    endReason: parsed.endReason,
  }
  return { place: parsed.place, endsAt: parsed.endsAt, record }
}

const blockJson = z.object({
  user: userId,
  until: z.number(),
  reason: z.string().optional(),
  by: z.string(),
  createdAt: z.number(),
})

/**
 * @param json - as {@link JSON.stringify} made it of a block
 */
export function toBlock(json: string): Block {
  const block = blockJson.parse(JSON.parse(json))
  return { ...block, reason: block.reason }
}

const ownedJson = z.object({
  place: z.number(),
  ownership: z.object({
    workflow: z.string().brand<'WorkflowName'>(),
    kind: z.enum(['thread', 'attachment']),
    id: z.string(),
    user: userId,
    createdAt: z.number(),
  }),
})

/** An ownership and its place in the order of creation. */
export interface PlacedOwnership {
  readonly place: number
  readonly ownership: Ownership
}

/**
 * @param json - as {@link JSON.stringify} made it of a {@link PlacedOwnership}
 */
export function toOwned(json: string): PlacedOwnership {
  return ownedJson.parse(JSON.parse(json))
}

const auditJson = z.object({
  id: z.string(),
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  user: z.string().optional(),
  outcome: z.enum(['ok', 'refused', 'failed']),
  reason: z.string().optional(),
  requestId: z.string().optional(),
})

/**
 * @param json - as {@link JSON.stringify} made it of an entry
 */
export function toAuditEntry(json: string): AuditEntry {
  const entry = auditJson.parse(JSON.parse(json))
  return { ...entry, user: entry.user, reason: entry.reason, requestId: entry.requestId }
}

/** What a script answers: texts. */
export const texts = z.array(z.string())

/** What `HMGET` answers. */
export const maybeTexts = z.array(z.string().nullable())
