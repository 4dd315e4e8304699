// Turns records of the registry into what admins see, in the API and in the console.

import type { AuditEntry, Block, Page, SessionRecord } from '../registry/records.ts'

/**
 * The view never holds the client secret, nor its hash.
 *
 * @param session - from the registry
 * @param now - Unix seconds: a session that is active has expired when its time is over
 */
export function presentSession(session: SessionRecord, now: number) {
  // As the `status` filter of the registry sees it: what is listed as one must not read as another.
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

/** @param block - from the registry */
export function presentBlock({ user, until, reason, by, createdAt }: Block) {
  return { user, blocked_until: until, reason: reason ?? null, by, created_at: createdAt }
}

/** @param entry - from the registry */
export function presentAuditEntry({ id, at, actor, action, user, ...rest }: AuditEntry) {
  const { outcome, reason, requestId } = rest
  return {
    id,
    at,
    actor,
    action,
    user: user ?? null,
    outcome,
    reason: reason ?? null,
    request_id: requestId ?? null,
  }
}

/**
 * A list in the ChatKit API's shape.
 *
 * @param page - from the registry
 * @param present - for each entry
 * @param cursorOf - what `after` and `before` take
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
    last_id: last === undefined ? null : cursorOf(last),
    has_more: page.hasMore,
  } as const
}

/** @param revoked - times in Unix seconds */
export function presentRevoked({
  user,
  cancelled,
  cancelling,
  blockedUntil,
}: {
  readonly user: string
  readonly cancelled: readonly string[]
  /** Not confirmed by the upstream yet; retried until it is. */
  readonly cancelling: readonly string[]
  readonly blockedUntil: number | undefined
}) {
  return { user, cancelled, cancelling, blocked_until: blockedUntil ?? null }
}
