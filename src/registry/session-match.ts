// Compares a session record with the time.
import type { SessionRecord } from './records.ts'

/**
 * Whether a session still works: active and not expired.
 *
 * @param session - from the registry
 * @param now - Unix seconds
 */
export function isLive(session: SessionRecord, now: number): boolean {
  return session.status === 'active' && now < session.expiresAt
}
