// Compares a session record with the time and with the filters of a listing.
import type { SessionQuery, SessionRecord, StoredStatus } from './records.ts'

/**
 * Whether a session still works: active and not expired.
 *
 * @param session - from the registry
 * @param now - Unix seconds
 */
export function isLive(session: SessionRecord, now: number): boolean {
  return session.status === 'active' && now < session.expiresAt
}

/**
 * The status as admins see it.
 *
 * @param session - from the registry
 * @param now - Unix seconds
 */
function statusAt(session: SessionRecord, now: number): StoredStatus | 'expired' {
  return session.status === 'active' && now >= session.expiresAt ? 'expired' : session.status
}

/**
 * Whether a session passes the filters of a listing.
 *
 * @param session - from the registry
 * @param query - its cursors play no part
 */
export function matchesQuery(session: SessionRecord, query: SessionQuery): boolean {
  return (
    (query.user === undefined || session.user === query.user) &&
    (query.subject === undefined || session.subject === query.subject) &&
    (query.issuer === undefined || session.issuer === query.issuer) &&
    (query.workflow === undefined || session.workflow === query.workflow) &&
    (query.status === undefined || statusAt(session, query.now) === query.status)
  )
}
