// The records that the registry's methods take and return. Times are Unix seconds unless the name ends in `Ms`.

import { z } from 'zod'
import type { SessionId, UserId } from '../lib/ids.ts'
import { jsonOrUndefined } from '../lib/json.ts'
import { count, readerOf, text, userId } from './rows.ts'

const sessionState = z.record(text, z.union([text, z.number(), z.boolean()]))

const session = z.object({
  id: text.brand<'SessionId'>(),
  user: userId,
  /** The workflow's name in the config. */
  workflow: text.brand<'WorkflowName'>(),
  issuer: text,
  subject: text,
  /** The token's `sid`, for back-channel logout. */
  sid: text.optional(),
  /** Hex SHA-256 of the client secret. Secrets are random, so no salt is needed. */
  secretHash: text,
  /** State variables of a self-hosted session, perhaps none; undefined for a hosted session. */
  state: text.transform(jsonOrUndefined).pipe(sessionState).optional(),
  /** The parameters that a backend requested, as JSON; undefined for a session minted with an end user's token. */
  asked: text.optional(),
  /**
   * The status that is stored. From `expiresAt` on, an `active` session is shown as `expired`. Only
   * self-hosted sessions become `replaced`: a refresh replaced them.
   */
  status: z.enum(['active', 'replaced', 'cancelling', 'cancelled']),
  /**
   * The reason why a session ended. A refresh with the secret of an `evicted` session is refused. A session that
   * expired or was replaced keeps its status; a later reason then says why its running answers ended.
   */
  endReason: z
    .enum(['cancelled', 'evicted', 'replaced', 'revoked', 'signed_out', 'logged_out'])
    .optional(),
  /** When this service cancelled or replaced it; undefined while it is active, and if it only expired. */
  endedAt: count.optional(),
  /** When the upstream confirmed the cancel. For a self-hosted session this service is the upstream. */
  confirmedAt: count.optional(),
  /** The actor who ended it; undefined when the service itself did. */
  endedBy: text.optional(),
  createdAt: count,
  expiresAt: count,
})

/** One minted session, as the registry knows it. Never holds the client secret. */
export type SessionRecord = Readonly<z.output<typeof session>>
export type SessionState = Readonly<z.output<typeof sessionState>>
export type EndReason = NonNullable<SessionRecord['endReason']>
export const toSession = readerOf<SessionRecord>(session)

/** Whether a session still works: active and not expired. */
export function isLive(session: SessionRecord, now: number): boolean {
  return session.status === 'active' && now < session.expiresAt
}

/** The issuer's names for the bearer of a token. */
export interface TokenIdentity {
  readonly issuer: string
  readonly subject?: string | undefined
  readonly sid?: string | undefined
}

export interface StandingQuery {
  readonly user: string
  readonly identity: TokenIdentity
  /** Hash of the secret that the client says it holds. */
  readonly currentSecretHash?: string | undefined
  /** Asks for `liveSessions`. From this number on, Redis looks each up, and leaves out those that it has evicted. */
  readonly exactFrom?: number | undefined
  readonly now: number
}

export interface UserStanding {
  /** Raised by every revoke, sign-out and logout of the user. */
  readonly generation: number
  /** The end of the block that holds now, if one does. */
  readonly blockedUntil: number | undefined
  /** Tokens issued before this do not mint; the later of the subject's and the `sid`'s mark. */
  readonly loggedOutAt: number | undefined
  /** The user's sessions that are active and not expired; undefined unless the query has `exactFrom`. */
  readonly liveSessions: number | undefined
  /** The same user's session with `currentSecretHash`, if any. */
  readonly current: SessionRecord | undefined
}

export interface NewEntry {
  readonly session: SessionRecord
  /** From {@link UserStanding}. */
  readonly generation: number
  readonly cap: { readonly max: number; readonly whenFull: 'evict_oldest' | 'deny' }
  /** The session that ends with this one. */
  readonly replaces?: SessionId | undefined
  /** The `iat` of the user's token, 0 if it has none; undefined if no logout can come from its issuer. */
  readonly tokenIssuedAt?: number | undefined
  readonly now: number
}

export type RecordOutcome =
  /** `ended`: sessions that this step replaced or evicted and that are now `cancelling`, in the outbox. */
  | { readonly kind: 'recorded'; readonly ended: readonly SessionRecord[] }
  | { readonly kind: 'blocked' }
  | { readonly kind: 'logged_out' }
  | { readonly kind: 'full' }
  /** Another session has this id, or the upstream gave out the id of one that has ended. */
  | { readonly kind: 'taken' }

export interface UserRevoke {
  readonly user: UserId
  readonly endReason: EndReason
  /** The actor who ends the sessions. */
  readonly by: string
  /** Ends only sessions of this identity; all sessions of the user when absent. */
  readonly identity?: TokenIdentity | undefined
  readonly block?:
    | { readonly until: number; readonly reason: string | undefined; readonly by: string }
    | undefined
  readonly now: number
}

export interface RevokeOutcome {
  /** All unexpired sessions whose cancel is still to be confirmed, those of earlier revokes included. */
  readonly cancelling: readonly SessionRecord[]
  /** The end of the block that holds after the revoke, if one does. */
  readonly blockedUntil: number | undefined
  /** The generation of the block that held before, if one did. */
  readonly blockBefore: number | undefined
  /** The user's generation, as this revoke raised it. */
  readonly generation: number
  /** Whether the store knows the user, as `isKnown` answers it. */
  readonly known: boolean
}

export interface CancelClaim {
  readonly nowMs: number
  readonly limit: number
  /** Milliseconds for which the entries are leased to the caller. */
  readonly leaseMs: number
}

const block = z.object({
  user: userId,
  until: count,
  reason: text.optional(),
  /** The admin: `issuer|subject`. */
  by: text,
  createdAt: count,
  /** The generation of the last revoke that asked for a block, be it for a shorter one. */
  generation: count,
})

export type Block = Readonly<z.output<typeof block>>
export const toBlock = readerOf<Block>(block)

export interface LogoutMark extends TokenIdentity {
  readonly issuedBefore: number
  /** Time from which the mark may be removed: the tokens that it stops have expired by then. */
  readonly keepUntil: number
}

export interface RateWindow {
  readonly seconds: number
  readonly nowMs: number
}

/** Counters of a user's calls, mints apart. Their keys are this name, a colon and the user; an erase deletes them. */
export const USER_COUNTERS = ['attachments', 'links', 'reads'] as const
export type UserCounter = (typeof USER_COUNTERS)[number]

/** What a counter shows after one use. */
export interface Count {
  /** Uses in the window, this one included. */
  readonly used: number
  /** Milliseconds until the window ends. */
  readonly resetMs: number
}

export interface PageQuery {
  readonly limit: number
  readonly order: 'asc' | 'desc'
  /** An id (for blocks: a user). The page begins after this entry, in the order asked for. */
  readonly after?: string | undefined
  /** The page ends before this entry. Without `after` it holds the entries just before it. */
  readonly before?: string | undefined
}

export interface SessionQuery extends PageQuery {
  readonly user?: string | undefined
  readonly subject?: string | undefined
  readonly issuer?: string | undefined
  readonly workflow?: string | undefined
  /** As admins see it, `expired` included. */
  readonly status?: SessionRecord['status'] | 'expired' | undefined
  readonly now: number
}

export interface Page<T> {
  readonly data: readonly T[]
  readonly hasMore: boolean
  /** The cursor of the next page, when it is not the id of this page's last entry; the page may even be empty. */
  readonly next?: string | undefined
}

export interface Retention {
  /** Sessions that ended before this are removed. */
  readonly sessionsEndedBefore: number
  readonly auditBefore: number
  /** Users who were last seen before this are no longer known. */
  readonly usersSeenBefore: number
  readonly now: number
}

export interface UserErase {
  readonly user: UserId
  /** Most sessions and audit entries erased in this step; at least 1. */
  readonly limit: number
  readonly now: number
}

export interface EraseOutcome {
  /** Sessions that are gone, and audit entries that no longer say whom they are about. */
  readonly erased: number
  /** There may be more to erase, so the caller must call again. */
  readonly more: boolean
}

/** A session's id and its user. A session of another user is treated as unknown. */
export interface SessionKey {
  readonly id: SessionId
  readonly user: UserId
}

export interface SessionUse extends SessionKey {
  /** Runs of the model per minute, at least 1. For other requests the limit is ten times as high. */
  readonly maxPerMinute: number
  /** The limit that counts the request. `nothing` is not counted, and is refused only when both limits are used up. */
  readonly counts: 'run' | 'read' | 'nothing'
  readonly nowMs: number
}

export type UseOutcome =
  | { readonly kind: 'ok'; readonly session: SessionRecord; readonly generation: number }
  /** The session is not active, has expired, is unknown, or is another user's. */
  | { readonly kind: 'ended' }
  /** `resetMs`: until the window ends, in milliseconds. */
  | { readonly kind: 'limited'; readonly resetMs: number }
