import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { Canceller, CancelOutcome } from '../outbox/cancel.ts'
import { signInOf } from '../registry/identity.ts'
import type { Registry } from '../registry/port.ts'
import type { EndReason, SessionRecord, TokenIdentity } from '../registry/records.ts'

/** An admin's revoke of a user. */
export interface RevokeCommand {
  readonly user: string
  /** 0 = cancel the sessions, but set no block. */
  readonly blockSeconds: number
  readonly reason?: string | undefined
  /** The admin: `issuer|subject`. */
  readonly by: string
}

/** What came of it. A block of an earlier revoke may stand longer than the one asked for. */
export interface RevokeResult extends CancelOutcome {
  /** Unix seconds. */
  readonly blockedUntil: number | undefined
}

/** Takes sessions back. Each call answers only when it is durable that they are. */
export interface Revoke {
  /**
   * All of a user's sessions, with a block if one is asked for.
   *
   * @param onDurable - runs when it holds, before the sessions are cancelled upstream, which can take
   * seconds: the audit log must not miss a revoke that a crash cut short
   */
  revokeUser(command: RevokeCommand, onDurable?: () => Promise<void>): Promise<RevokeResult>
  /** All of a user's sessions, without a block: sign-out. */
  signOut(user: string): Promise<void>
  /** One session; undefined when it was never on the books. */
  cancelSession(id: string): Promise<SessionRecord | undefined>
  /** The sessions of a subject or `sid`, and from now on its older tokens. */
  logOut(logout: Logout): Promise<void>
}

/** A verified logout token, as far as it matters here. */
export interface Logout extends TokenIdentity {
  /** The logout token's `iat`: tokens from before it are over. */
  readonly issuedAt: number
}

/**
 * How long a logout is remembered: tokens that live longer than this are rare, and those that do can
 * be bounded with `max_token_age_seconds`.
 */
const LOGOUT_KEPT_SECONDS = 30 * 86_400

/** What {@link createRevoke} needs. */
export interface RevokeOptions {
  readonly registry: Registry
  readonly canceller: Canceller
  readonly now: Clock
}

/**
 * The order of things is the guarantee: first the block and the raised generation become durable, so
 * that no mint can slip through, then the sessions end upstream, and what the upstream does not
 * confirm is already in the outbox when anything goes wrong.
 *
 * @param options - store, canceller, time
 */
export function createRevoke(options: RevokeOptions): Revoke {
  const { registry, canceller, now } = options

  async function end(user: string, endReason: EndReason, identity?: TokenIdentity) {
    const order = { user, endReason, identity, now: unixSeconds(now) }
    return (await registry.revoke(order)).cancelling
  }

  return {
    async revokeUser({ user, blockSeconds, reason, by }, onDurable) {
      const seconds = unixSeconds(now)
      const block = blockSeconds > 0 ? { until: seconds + blockSeconds, reason, by } : undefined
      const end = { user, endReason: 'revoked', block, now: seconds } as const
      const { cancelling, blockedUntil } = await registry.revoke(end)
      await onDurable?.()
      return { ...(await canceller.cancelAll(cancelling)), blockedUntil }
    },
    async signOut(user) {
      await canceller.cancelAll(await end(user, 'signed_out'))
    },
    async cancelSession(id) {
      const session = await registry.beginCancel(id, unixSeconds(now))
      if (session?.status !== 'cancelling' || session.expiresAt <= unixSeconds(now)) return session
      const { cancelled } = await canceller.cancelAll([session])
      return cancelled.length > 0 ? { ...session, status: 'cancelled' } : session
    },
    async logOut(logout) {
      // The marks come first: a mint that our search misses reads them after recording.
      const issuedBefore = logout.issuedAt + 1
      const keepUntil = unixSeconds(now) + LOGOUT_KEPT_SECONDS
      const ended = endedBy(logout)
      for (const identity of ended) {
        await registry.markLogout({ ...identity, issuedBefore, keepUntil })
      }
      for (const identity of ended) {
        for (const user of await registry.usersOf(identity)) {
          canceller.cancelSoon(await end(user, 'logged_out', identity))
        }
      }
    },
  }
}

/** OpenID Connect Back-Channel Logout 1.0 §2.7: with a `sid` one sign-in ends, else all of a subject. */
function endedBy({ issuer, subject, sid }: Logout): readonly TokenIdentity[] {
  if (sid === undefined) return [{ issuer, subject }]
  const sidless = subject === undefined ? [] : [{ issuer, sid: signInOf(subject, undefined) }]
  return [{ issuer, sid }, ...sidless]
}
