// Issues receipts: signed statements of a user's sessions, what ended them, and what the upstream confirmed.

import { RECEIPT_TYPE, type Receipt } from '../chatkit/signing/receipt.ts'
import type { SigningKeys } from '../chatkit/signing/signing-keys.ts'
import type { Settings } from '../config/settings.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { UserId } from '../lib/ids.ts'
import type { Audit } from '../registry/audit.ts'
import { NO_IDENTITY } from '../registry/identity.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord } from '../registry/records.ts'
import { type AdminRequest, auditRead } from './audit.ts'

/** Most sessions in a receipt, the newest. */
const MOST_SESSIONS = 1000

export type Receipts = NonNullable<ReturnType<typeof createReceipts>>

/** Makes the function that issues a receipt; undefined where there is nothing to sign with, or no issuer's name. */
export function createReceipts({
  registry,
  audit,
  keys,
  publicUrl,
  retention,
  now,
}: {
  readonly registry: Pick<Registry, 'readStanding' | 'listSessions' | 'listAudit'>
  readonly audit: Pick<Audit, 'write'>
  readonly keys: Pick<SigningKeys, 'sign'> | undefined
  readonly publicUrl: string | undefined
  readonly retention: Settings['retention']
  readonly now: Clock
}) {
  if (keys === undefined || publicUrl === undefined) return undefined
  const [signer, issuer] = [keys, publicUrl]

  /** The end of the newest erase of the user, if one is known; now while an erase is under way. */
  async function erasedAt(user: string, since: number, seconds: number): Promise<number> {
    for (let after: string | undefined; ; ) {
      const page = await registry.listAudit({ user, action: 'erase', since, limit: 1, after })
      const [entry] = page?.data ?? []
      if (entry !== undefined) return entry.reason === 'begun' ? seconds : entry.at
      if (page?.next === undefined) return 0
      after = page.next
    }
  }

  return {
    /**
     * A receipt as a compact JWS. For a user who was never here it lists no session.
     *
     * @param since - Unix seconds: sessions that had ended before are left out
     */
    async issueReceipt(request: AdminRequest, user: UserId, since = 0): Promise<string> {
      await auditRead(audit, request, user)
      const seconds = unixSeconds(now)
      // An erase takes sessions too, and only the audit says so: before that, nothing is known to be complete.
      const { sessionsHours, auditDays } = retention
      const kept = seconds - Math.min(sessionsHours * 3600, auditDays * 86_400)
      const [standing, page, erased] = await Promise.all([
        registry.readStanding({ user, identity: NO_IDENTITY, now: seconds }),
        registry.listSessions({ user, limit: MOST_SESSIONS, order: 'desc', now: seconds }),
        erasedAt(user, kept, seconds),
      ])
      const sessions = (page?.data ?? []).map((session) => presented(session, seconds))
      const receipt: Receipt = {
        iss: issuer,
        iat: seconds,
        user,
        blocked_until: standing.blockedUntil ?? null,
        sessions: sessions.filter(({ ended_at: end }) => end === null || end >= since),
        from: Math.max(kept, erased, Math.min(since, seconds)),
        generation: standing.generation,
        truncated: page?.hasMore ?? false,
      }
      return signer.sign(receipt, RECEIPT_TYPE)
    },
  }
}

function presented(session: SessionRecord, now: number): Receipt['sessions'][number] {
  const { id, status, expiresAt, endedAt } = session
  const expired = status === 'active' && expiresAt <= now
  return {
    id,
    workflow: session.workflow,
    created_at: session.createdAt,
    expires_at: expiresAt,
    status: expired ? 'expired' : status,
    ended_at: endedAt ?? (expired ? expiresAt : null),
    confirmed_at: session.confirmedAt ?? null,
    by: session.endedBy ?? null,
  }
}
