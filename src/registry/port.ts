// The port of the registry: the methods of every store, and their guarantees.
import type { SessionId, UserId } from '../lib/ids.ts'
import type { AuditEntry, AuditQuery } from './audit-entry.ts'
import type { InstanceMinute, IntervalFigures, IntervalQuery } from './interval-figures.ts'
import type { KnownUser, UserQuery } from './known-users.ts'
import type { OwnedQuery, OwnedThing, Ownership } from './owned-records.ts'
import type {
  Block,
  CancelClaim,
  Count,
  EraseOutcome,
  LogoutMark,
  NewEntry,
  Page,
  PageQuery,
  RateWindow,
  RecordOutcome,
  Retention,
  RevokeOutcome,
  SessionKey,
  SessionQuery,
  SessionRecord,
  SessionUse,
  StandingQuery,
  TokenIdentity,
  UseOutcome,
  UserErase,
  UserRevoke,
  UserStanding,
} from './records.ts'

/**
 * Everything that this service must remember so that a revoke is effective: sessions, blocks, a
 * generation per user, the outbox of cancels, logout marks, counters, ownership, audit.
 *
 * Rules for every adapter:
 * - Times are Unix seconds unless a name says milliseconds; `now` comes from the caller.
 * - Each method is atomic for one user; a method that answers has made its writes durable (SQLite
 *   `synchronous=FULL`, acknowledged by the Redis primary; `memory:` until the process ends). Counts of
 *   rate limits and of {@link addFigures} are the exception: a power failure may take SQLite's last ones.
 *   With `?replicas=N`, `revoke`, `beginCancel` and `markLogout` are acknowledged by N replicas too.
 * - If a store cannot answer (down, hanging, full, read-only, corrupt), the method throws
 *   `store_unavailable` within 300 ms, or within 3 s where it waits for replicas, and leaves nothing
 *   half done. One that is slow, but goes on answering, has 2 s. A caller may repeat every call.
 * - No step gets slower as other users' sessions grow, and nothing grows without bound.
 * - Strings are well-formed Unicode; a user is at most 512 characters.
 * - A session is live when it is `active` and `now < expiresAt`; a block holds while `now < until`.
 * - Lists are in the order of creation in the store, even if times contradict it.
 */
export interface Registry {
  /** Reads the standing of a user, which a mint needs before it calls the upstream. */
  readStanding(of: StandingQuery): Promise<UserStanding>
  /**
   * Begins a mint in one step: counts it as {@link consume} does, on a counter of this user alone, and
   * reads the standing. While Redis is away, its adapter counts in memory and the standing is undefined.
   */
  beginMint(
    question: StandingQuery,
    window: RateWindow,
  ): Promise<{ readonly rate: Count; readonly standing: UserStanding | undefined }>
  /**
   * Records a new session, or writes nothing and answers `blocked` if a block holds or the user's generation
   * is no longer `generation`, `logged_out` if a logout stops a token of `tokenIssuedAt`, or, at the cap with
   * `deny`, `full`. Otherwise it evicts the oldest live sessions at the cap.
   *
   * With `replaces`, that live session of the same user ends in the same step and does not count
   * towards the cap. A hosted one becomes `cancelling`. A self-hosted one becomes `replaced` without an
   * outbox entry: it accepts no new request, and its running answers go on.
   *
   * Repeated with the same session, it changes nothing and answers `recorded`, or `blocked` if the session is no
   * longer `active`. If an ended session of another time, or another session, has this id, it answers `taken`.
   */
  record(entry: NewEntry): Promise<RecordOutcome>
  /**
   * Raises the user's generation, sets a block if one is given (a longer block stays), and turns the
   * matching live sessions into `cancelling`, each with an outbox entry. New entries are due
   * {@link FIRST_LEASE_MS} later, because the writer itself tries them at once. Running answers of
   * matching sessions end too if the session had expired or been replaced before, see {@link endedAmong}.
   */
  revoke(command: UserRevoke): Promise<RevokeOutcome>
  /**
   * Turns one live session into `cancelling`, with an outbox entry. A session that had expired or been
   * replaced keeps its status, and its running answers end, see {@link endedAmong}. Returns the session
   * as it is now; undefined if there is none.
   *
   * @param by - the actor; absent when the service itself cancels it
   */
  beginCancel(id: SessionId, now: number, by?: string): Promise<SessionRecord | undefined>
  /**
   * Records that the upstream confirmed these cancels: `cancelling` becomes `cancelled`, confirmed now, and
   * the outbox entry is removed.
   */
  confirmCancel(ids: readonly SessionId[], now: number): Promise<void>
  /**
   * Hands out cancels that are due and leases them, so that no two instances work on one. One due later than
   * {@link LATEST_DUE_MS} from now is due too. A due cancel whose session has expired is dropped, and the
   * session becomes `cancelled` without having been confirmed.
   */
  claimCancels(claim: CancelClaim): Promise<readonly SessionRecord[]>
  /** Puts a leased cancel back, to be due at `dueAtMs`. */
  postponeCancel(id: SessionId, dueAtMs: number): Promise<void>

  /**
   * Checks one request with a self-hosted session's secret, in one atomic step: the session must be live
   * and this user's, and below its limit. There are two limits, one for runs of the model and one for
   * other requests; each counts in a window of {@link USE_WINDOW_MS} from the first request, without
   * refill. A refused request is not counted.
   */
  useSession(use: SessionUse): Promise<UseOutcome>
  /**
   * Returns, in the order given, the sessions whose running answers must end: sessions that were
   * cancelled, revoked or evicted (even after they had expired or been replaced), unknown sessions, and
   * sessions of another user. Expiry and replacement alone end no answer. The gateway asks twice a
   * second for all its open streams, a thousand sessions at once.
   */
  endedAmong(sessions: readonly SessionKey[]): Promise<readonly SessionId[]>

  /**
   * Records the owner of a thread or attachment, once per source, kind and id. The first claim stays
   * until it is released: a second one is `taken`, even by the same user, and no sweep removes it. After
   * `store_unavailable` the claim may have been recorded, so a repeated claim can be `taken` by its own
   * first try. The caller then asks for the owner.
   */
  claimOwnership(claim: Ownership): Promise<'claimed' | 'taken'>
  /** The owners, in the order asked for; undefined for a thing that nobody owns. */
  ownersOf(things: readonly OwnedThing[]): Promise<readonly (UserId | undefined)[]>
  /**
   * A cursor is an id. `undefined` when nothing on the list has this id, or when several things have it,
   * which is possible without a `source` in the query.
   */
  listOwned(query: OwnedQuery): Promise<Page<Ownership> | undefined>
  /** Removes the owner of a thing that is deleted; does nothing if it is another by now, as a server may reuse its id. */
  releaseOwnership(thing: OwnedThing & Pick<Ownership, 'user'>): Promise<void>

  getSession(id: SessionId): Promise<SessionRecord | undefined>
  /** `undefined` when a cursor is the id of no session. */
  listSessions(query: SessionQuery): Promise<Page<SessionRecord> | undefined>

  listBlocks(query: PageQuery & { readonly now: number }): Promise<Page<Block> | undefined>
  /** The block that holds now, if one does. */
  getBlock(user: UserId, now: number): Promise<Block | undefined>
  /**
   * Ends a block, and returns whether there was one. The generation stays raised: old sessions do not
   * come back. With `generation`, it ends the block only if no later revoke asked for a block, not even for a shorter
   * one; else the block stays, and the answer is false.
   */
  liftBlock(user: UserId, now: number, generation?: number): Promise<boolean>

  /**
   * The users who have had a session, as long as the retention keeps them; `undefined` when the cursor is no
   * user of this list. A refused mint does not put its user on this list.
   */
  listUsers(query: UserQuery): Promise<Page<KnownUser> | undefined>
  /** Whether {@link listUsers} has this user or a session of the user is kept, which may be longer. */
  isKnown(user: UserId): Promise<boolean>

  /** The users that have a session of this subject or of this `sid`, at this issuer, sorted as JavaScript does. */
  usersOf(identity: TokenIdentity): Promise<readonly UserId[]>
  /**
   * Marks a logout of the subject, of the `sid`, or of each if both are given: from now on, their tokens
   * issued before `issuedBefore` do not mint. A mark never moves back in time.
   */
  markLogout(mark: LogoutMark): Promise<void>

  /**
   * Counts one use of `key`; the window starts with its first use and does not slide. While Redis is
   * away, its adapter counts in memory: the limit then holds per instance, and the outage refuses nobody.
   */
  consume(key: string, window: RateWindow): Promise<Count>
  /** Whether `rememberOnce` has stored this key and its time to live has not passed. */
  remembers(key: string, now: number): Promise<boolean>
  /**
   * Replay protection: stores a key for a time to live. True the first time, false while the key is
   * stored.
   */
  rememberOnce(key: string, ttlSeconds: number, now: number): Promise<boolean>

  /** Writes all entries or none. An entry whose id is already there is left unchanged. */
  appendAudit(entries: readonly AuditEntry[]): Promise<void>
  /**
   * Newest first; `undefined` when the cursor is the id of no entry. A page looks at {@link AUDIT_LOOKS}
   * entries at most: it may end early, with `hasMore` and `next`. With `since` or `until` it leaves out
   * entries that were written {@link AUDIT_LATE_SECONDS} or more after they happened.
   */
  listAudit(query: AuditQuery): Promise<Page<AuditEntry> | undefined>

  /**
   * Erases a bounded part of what is known of a user. Repeat it until nothing is left; more repeats are
   * harmless.
   *
   * It erases sessions that are cancelled, replaced or expired (an expired one with its waiting cancel),
   * the counter of {@link beginMint} and, when no session is left, what {@link listUsers} has of the user.
   * Audit entries about the user, except those of erases, stay in the chain of their instance: they lose user,
   * reason and salt, and the actor where that is the user. Entries without a chain are deleted.
   *
   * It keeps live sessions, and unexpired ones whose cancel is not confirmed, with their outbox entries; the
   * block; and audit entries about others that the user made as an admin. It keeps the generation and logout
   * marks, which stop mints under way: the sweep, or Redis itself, removes them later. It keeps ownership, which
   * is released when the thing is deleted at its server.
   */
  eraseUser(command: UserErase): Promise<EraseOutcome>

  /** The bytes stored under this name, the same for all instances; `make` makes them the first time. */
  keptKey(name: string, make: () => Uint8Array): Promise<Uint8Array>
  /**
   * Removes, in small steps, everything that ended before the times of the retention. In Redis that is
   * sessions, blocks, known users and audit entries; the rest expires. Throws while its clock is an hour behind ours.
   */
  sweep(retention: Retention): Promise<void>
  /** Live sessions and waiting cancels, for metrics; approximate figures are enough. */
  figures(now: number): Promise<{ readonly activeSessions: number; readonly outboxLength: number }>
  /** Adds the counts of one instance and minute to the figures of all. Repeated, it changes nothing. */
  addFigures(minute: InstanceMinute): Promise<void>
  /** Oldest first, and only intervals in which an instance wrote figures. */
  readFigures(query: IntervalQuery): Promise<readonly IntervalFigures[]>
  /** Throws `store_unavailable` if a write would fail now. */
  check(): Promise<void>
  /** How long the oldest call under way has waited, in milliseconds; absent if the store is part of this process. */
  waitedMs?(): number
  close(): Promise<void>
}

/** How long a new cancel is left to the instance that wrote it, in milliseconds. */
export const FIRST_LEASE_MS = 5000

/** A cancel that seems to wait longer, in milliseconds, was written before the clock was set back: none waits 6 s. */
export const LATEST_DUE_MS = 10_000

/** Seconds to keep a raised generation, and a block after its end: longer than a mint takes, and than clocks differ. */
export const GENERATION_KEPT_SECONDS = 86_400

/** How many requests that run no model a window allows for each run of the model that it allows. */
export const READS_PER_RUN = 10

/** Most entries that a page of the audit looks at. */
export const AUDIT_LOOKS = 5000

/** How late an entry may be written, in seconds: through an outage entries wait, so their times are out of order. */
export const AUDIT_LATE_SECONDS = 6 * 3600

/** Length of each window of {@link Registry.useSession}, in milliseconds. */
export const USE_WINDOW_MS = 60_000

/**
 * The store cannot be used at all: corrupt, not writable, not a database of ours, or written by a
 * newer version. The process ends with exit code 74; the message says what and where.
 */
export class StoreUnusableError extends Error {
  override readonly name = 'StoreUnusableError'
}
