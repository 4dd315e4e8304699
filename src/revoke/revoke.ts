// Ends sessions: all of a user, one, or those of a logout. First the registry stores the raised
// generation, and the block if one is asked for, so that no mint can get past them. Then the sessions
// are cancelled upstream. By then the outbox holds them, so it retries every cancel that the upstream
// does not confirm.

import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { SessionId, UserId } from '../lib/ids.ts'
import type { Canceller, CancelOutcome } from '../outbox/cancel.ts'
import { actorOf, signInOf } from '../registry/identity.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord, TokenIdentity, UserRevoke } from '../registry/records.ts'

/** An admin's revoke of a user. */
export interface RevokeCommand {
  readonly user: UserId
  /** 0 = cancel the sessions, but set no block. */
  readonly blockSeconds: number
  readonly reason?: string | undefined
  /** The admin: `issuer|subject`. */
  readonly by: string
}

/** The sessions that the upstream confirmed as cancelled, those that it did not, and the block. */
export interface RevokeResult extends CancelOutcome {
  /** Whether the user ever had a session; for a subject with several users, whether any of them had one. */
  readonly known: boolean
  /** Unix seconds. A block of an earlier revoke may last longer than the one asked for. */
  readonly blockedUntil: number | undefined
}

/** The functions that {@link createRevoke} makes. */
export type Revoke = ReturnType<typeof createRevoke>

/**
 * Seconds for which a logout is remembered. Tokens that live longer are rare, and
 * `max_token_age_seconds` can bound their age.
 */
const LOGOUT_KEPT_SECONDS = 30 * 86_400

/** Makes the functions that revoke; each resolves when the revoke is durable. */
export function createRevoke({
  registry,
  canceller,
  now,
}: {
  readonly registry: Pick<Registry, 'revoke' | 'beginCancel' | 'markLogout' | 'usersOf'>
  readonly canceller: Pick<Canceller, 'cancelAll' | 'cancelSoon'>
  readonly now: Clock
}) {
  async function endAll(command: Omit<UserRevoke, 'now'>): Promise<readonly SessionRecord[]> {
    return (await registry.revoke({ ...command, now: unixSeconds(now) })).cancelling
  }

  return {
    /**
     * Ends all sessions of a user, with a block if one is asked for.
     *
     * @param onDurable - runs when the block is durable and before the sessions are cancelled upstream,
     * which can take seconds: if the process crashes then, the revoke is in the audit
     */
    async revokeUser(
      { user, blockSeconds, reason, by }: RevokeCommand,
      onDurable?: () => Promise<void>,
    ): Promise<RevokeResult> {
      const seconds = unixSeconds(now)
      const block = blockSeconds > 0 ? { until: seconds + blockSeconds, reason, by } : undefined
      const command = { user, endReason: 'revoked', by, block, now: seconds } as const
      const { cancelling, blockedUntil, known } = await registry.revoke(command)
      await onDurable?.()
      if (cancelling.length === 0) return { known, cancelled: [], cancelling: [], blockedUntil }
      return { known, ...(await canceller.cancelAll(cancelling)), blockedUntil }
    },

    /** Ends all sessions of a user, without a block. */
    async signOut(user: UserId, by: string): Promise<void> {
      await canceller.cancelAll(await endAll({ user, endReason: 'signed_out', by }))
    },

    /** Ends one session and its running answers; undefined when the registry does not know it. */
    async cancelSession(id: SessionId, by: string): Promise<SessionRecord | undefined> {
      const session = await registry.beginCancel(id, unixSeconds(now), by)
      if (session?.status !== 'cancelling' || session.expiresAt <= unixSeconds(now)) return session
      const { cancelled } = await canceller.cancelAll([session])
      return cancelled.length > 0 ? { ...session, status: 'cancelled' } : session
    },

    /**
     * Ends the sessions of a subject or `sid`, and from then on refuses tokens that were issued before
     * the logout.
     *
     * @param logout - a verified logout token; `issuedAt` is its `iat`
     * @returns the users whose sessions it looked at
     */
    async logOut(
      logout: TokenIdentity & { readonly issuedAt: number },
    ): Promise<ReadonlySet<UserId>> {
      const issuedBefore = logout.issuedAt + 1
      const keepUntil = unixSeconds(now) + LOGOUT_KEPT_SECONDS
      const by = actorOf({ issuer: logout.issuer, subject: logout.subject })
      const users = new Set<UserId>()
      const identities = endedBy(logout)
      let failure: unknown
      // With `?replicas=N` a step that too few replicas have fails, and holds on the primary. An identity provider
      // may not try again, so what can still end, ends.
      const goOn = (error: unknown) => {
        failure ??= error
        return []
      }
      // The marks are written first: a mint whose session the search below misses is recorded after it, and the marks
      // refuse that. They refuse older tokens even if the store fails in the middle of the search.
      for (const identity of identities) {
        await registry.markLogout({ ...identity, issuedBefore, keepUntil }).catch(goOn)
      }
      for (const identity of identities) {
        for (const user of await registry.usersOf(identity)) {
          users.add(user)
          const ending = endAll({ user, endReason: 'logged_out', by, identity })
          canceller.cancelSoon(await ending.catch(goOn))
        }
      }
      if (failure !== undefined) throw failure
      return users
    },
  }
}

/**
 * OpenID Connect Back-Channel Logout 1.0 §2.7: with a `sid`, a logout ends that sign-in, and without one
 * every sign-in of the subject. If it names both, it also ends the subject's sessions that have no
 * `sid`, because they may stem from that sign-in.
 */
function endedBy({ issuer, subject, sid }: TokenIdentity): readonly TokenIdentity[] {
  if (sid === undefined) return [{ issuer, subject }]
  const sidless = subject === undefined ? [] : [{ issuer, sid: signInOf(subject, undefined) }]
  return [{ issuer, sid }, ...sidless]
}
