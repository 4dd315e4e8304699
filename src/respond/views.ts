// Turns records of the registry into the JSON that admins see, in the API and in the console.

import {
  type AuditEntry,
  type ErasedDigests,
  entryHash,
  isChained,
} from '../registry/audit-entry.ts'
import type { KnownUser } from '../registry/known-users.ts'
import type { Block, Page, SessionQuery, SessionRecord } from '../registry/records.ts'

/** The statuses of a session, as admins see them. */
export const SESSION_STATUSES = [
  'active',
  'expired',
  'replaced',
  'cancelling',
  'cancelled',
] as const satisfies readonly SessionQuery['status'][]

/**
 * A session as admins see it, without the client secret and its hash.
 *
 * @param now - Unix seconds: from `expiresAt` on, an active session is shown as `expired`
 */
export function presentSession(session: SessionRecord, now: number) {
  // The `status` filter of the registry decides in the same way.
  const over = session.status === 'active' && session.expiresAt <= now
  return {
    id: session.id,
    object: 'chatkit_mint.session',
    user: session.user,
    workflow: session.workflow,
    status: over ? 'expired' : session.status,
    created_at: session.createdAt,
    expires_at: session.expiresAt,
    issuer: session.issuer,
    subject: session.subject,
  }
}

/** A block as admins see it. */
export function presentBlock({ user, until, reason, by, createdAt }: Block) {
  return { user, blocked_until: until, reason: reason ?? null, by, created_at: createdAt }
}

/** An entry of the audit as admins see it; {@link entryHash} says what proves it. */
export function presentAuditEntry(entry: AuditEntry) {
  const { id, at, actor, action, user, outcome, reason, requestId, chain } = entry
  return {
    id,
    at,
    actor: actor ?? null,
    action,
    user: user ?? null,
    outcome,
    reason: reason ?? null,
    request_id: requestId ?? null,
    instance: chain?.instance ?? null,
    seq: chain?.seq ?? null,
    prev: chain?.prev ?? null,
    hash: isChained(entry) ? entryHash(entry) : null,
    salt: chain?.salt ?? null,
    by_user: chain?.byUser ?? null,
    erased: chain?.erased ? presentErased(chain.erased) : null,
  }
}

function presentErased({ actor, user, reason }: ErasedDigests) {
  return { actor: actor ?? null, user: user ?? null, reason: reason ?? null }
}

/**
 * A list in the ChatKit API's shape.
 *
 * @param cursorOf - gives an entry's value for `after` and `before`
 */
export function presentList<T, V>(
  page: Page<T>,
  present: (entry: T) => V,
  cursorOf: (entry: T) => string,
) {
  const first = page.data[0]
  const last = page.data.at(-1)
  return {
    object: 'list',
    data: page.data.map(present),
    first_id: first === undefined ? null : cursorOf(first),
    last_id: page.next ?? (last === undefined ? null : cursorOf(last)),
    has_more: page.hasMore,
  } as const
}

/** A user who has had a session as admins see it. */
export function presentKnownUser({ user, issuer, subject, ...rest }: KnownUser) {
  const { lastSeen, liveSessions, blockedUntil } = rest
  return {
    user,
    issuer,
    subject,
    last_seen: lastSeen,
    live_sessions: liveSessions,
    blocked_until: blockedUntil ?? null,
  }
}
