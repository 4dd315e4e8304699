// Turns rows of a store into records, and checks each field. SQLite and Redis use the same field names; Redis
// returns numbers as text.

import { z } from 'zod'
import { jsonOrUndefined } from '../lib/json.ts'
import type { Counted, IntervalFigures } from './interval-figures.ts'
import type { KnownUser, Names } from './known-users.ts'
import type { Ownership } from './owned-records.ts'
import type { Block, SessionRecord } from './records.ts'

const text = z.string()
/** Null in SQLite, absent in Redis. */
export const optionalText = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined)
export const count = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)])

/** A user's id, as read from the store. */
export const userId = text.brand<'UserId'>()
const workflowName = text.brand<'WorkflowName'>()

/** State variables, stored as JSON. */
const sessionState = z.record(text, z.union([text, z.number(), z.boolean()]))

const sessionRow = z.object({
  id: text.brand<'SessionId'>(),
  user: userId,
  workflow: workflowName,
  issuer: text,
  subject: text,
  sid: text.nullish(),
  secret_hash: text,
  status: z.enum(['active', 'replaced', 'cancelling', 'cancelled']),
  end_reason: z
    .enum(['cancelled', 'evicted', 'replaced', 'revoked', 'signed_out', 'logged_out'])
    .nullish(),
  created_at: count,
  expires_at: count,
  ended_at: count.nullish(),
  confirmed_at: count.nullish(),
  ended_by: text.nullish(),
  state: text.nullish(),
  asked: text.nullish(),
})

const ownedRow = z.object({
  source: text,
  kind: z.enum(['thread', 'attachment']),
  id: text,
  user: userId,
  created_at: count,
})

const blockRow = z.object({
  user: userId,
  until: count,
  reason: optionalText,
  by: text,
  created_at: count,
})

const knownUserRow = z.object({
  user: userId,
  issuer: text,
  subject: text,
  last_seen: count,
  live_sessions: count,
  blocked_until: count.nullish(),
})

const namesRow = z.object({ name: text, other_name: text.nullish(), shared: count.nullish() })

/**
 * @throws `ZodError` when a field is missing or of the wrong type, as the other functions here do
 */
export function toSession(row: unknown): SessionRecord {
  const { secret_hash, end_reason, created_at, expires_at, state, ...rest } = sessionRow.parse(row)
  const { sid, ended_at, confirmed_at, ended_by, asked, ...same } = rest
  return {
    ...same,
    sid: sid ?? undefined,
    secretHash: secret_hash,
    endReason: end_reason ?? undefined,
    endedAt: ended_at ?? undefined,
    confirmedAt: confirmed_at ?? undefined,
    endedBy: ended_by ?? undefined,
    createdAt: created_at,
    expiresAt: expires_at,
    state: typeof state === 'string' ? sessionState.parse(jsonOrUndefined(state)) : undefined,
    asked: asked ?? undefined,
  }
}

export function toOwnership(row: unknown): Ownership {
  const { created_at, ...same } = ownedRow.parse(row)
  return { ...same, createdAt: created_at }
}

export function toBlock(row: unknown): Block {
  const { created_at, ...same } = blockRow.parse(row)
  return { ...same, createdAt: created_at }
}

export function toKnownUser(row: unknown): KnownUser {
  const { last_seen, live_sessions, blocked_until, ...same } = knownUserRow.parse(row)
  return {
    ...same,
    lastSeen: last_seen,
    liveSessions: live_sessions,
    blockedUntil: blocked_until ?? undefined,
  }
}

export function toNames(row: unknown): Names {
  const { name, other_name, shared } = namesRow.parse(row)
  return { name, otherName: other_name ?? null, shared: shared ?? null }
}

/**
 * Counts by field: `mints`, `refused <code>`, `took <seconds>`, `active`, and `by <instance>` for each instance
 * that wrote.
 */
export const intervalFields = z.record(text, count)

export type IntervalFields = z.output<typeof intervalFields>

/** The fields of one instance's counts: those to set, and those to add to the counts of the others. */
export function intervalFieldsOf(
  instance: string,
  { mints, refusals, upstream, activeSessions }: Counted,
): { readonly set: IntervalFields; readonly added: IntervalFields } {
  const added = [
    ...(mints > 0 ? [['mints', mints] as const] : []),
    ...Object.entries(refusals).map(([code, value]) => [`refused ${code}`, value] as const),
    ...upstream.map(({ le, count: value }) => [`took ${le}`, value] as const),
  ]
  const active = activeSessions === undefined ? {} : { active: activeSessions }
  return { set: { [`by ${instance}`]: 1, ...active }, added: Object.fromEntries(added) }
}

const intervalRow = z.object({ at: count, fields: intervalFields })

/** The inverse of {@link intervalFieldsOf}, for the sum of all instances. */
export function toIntervalFigures(row: unknown): IntervalFigures {
  const { at, fields } = intervalRow.parse(row)
  const under = (kind: string) =>
    Object.entries(fields).flatMap(([name, value]) =>
      name.startsWith(`${kind} `) ? [[name.slice(kind.length + 1), value] as const] : [],
    )
  return {
    at,
    instances: under('by').map(([instance]) => instance),
    mints: fields['mints'] ?? 0,
    refusals: Object.fromEntries(under('refused')),
    upstream: under('took')
      .map(([le, value]) => ({ le: Number(le), count: value }))
      .sort((one, other) => one.le - other.le),
    activeSessions: fields['active'],
  }
}

/** Whether a session still works: active and not expired. */
export function isLive(session: SessionRecord, now: number): boolean {
  return session.status === 'active' && now < session.expiresAt
}
