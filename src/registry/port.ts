// The port of the registry: the methods of every store, and their guarantees.
import type { SessionId, UserId } from '../lib/ids.ts'
import type {
  AuditEntry,
  AuditQuery,
  Block,
  CancelClaim,
  EraseOutcome,
  LogoutMark,
  NewEntry,
  OwnedQuery,
  OwnedThing,
  Ownership,
  Page,
  PageQuery,
  RateState,
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
 *   `synchronous=FULL`, acknowledged by the Redis primary; `memory:` until the process ends).
 *   With `?replicas=N`, `revoke`, `beginCancel` and `markLogout` are acknowledged by N replicas too.
 * - If a store cannot answer (down, slow, full, read-only, corrupt), the method throws
 *   `store_unavailable` within 300 ms, where replicas are waited for within 3 s, and leaves nothing
 *   half done: a caller may repeat every call.
 * - No step gets slower as other users' sessions grow, and nothing grows without bound.
 * - Strings are well-formed Unicode; a user is at most 512 characters.
 * - A session is live when it is `active` and `now < expiresAt`; a block holds while `now < until`.
 * - Lists are in the order of creation in the store, whatever the times say.
 */
export interface Registry {
  /** Reads the standing of a user, which a mint needs before it calls the upstream. */
  readStanding(of: StandingQuery): Promise<UserStanding>
  /**
   * Begins a mint: counts it as {@link consume} does, on a counter of this user alone, and reads the
   * standing, both in one step. While Redis is away, its adapter counts in memory and gives no standing.
   */
  beginMint(
    question: StandingQuery,
    limit: RateWindow,
  ): Promise<{ readonly rate: RateState; readonly standing: UserStanding | undefined }>
  /**
   * Records a new session if, and only if, the user's generation is still `generation` and no block
   * holds; otherwise writes nothing. At the cap it evicts the oldest session, or, with `deny`, writes
   * nothing and answers `full`. With `replaces`, that live session of the same user ends in the same
   * step and does not count towards the cap: a hosted one becomes `cancelling`, a self-hosted one
   * `replaced`, without an outbox entry: nothing more begins with it, and its answers go on. Repeated with the same live session it changes
   * nothing and answers `recorded`.
   */
  record(entry: NewEntry): Promise<RecordOutcome>
  /**
   * Raises the user's generation, sets a block if one is given (a longer block stays), and turns the
   * matching live sessions into `cancelling`, each with an outbox entry. New entries are due
   * {@link FIRST_LEASE_MS} later, because the writer itself tries them at once. The answers of matching
   * sessions that had expired or been replaced before end as well, see {@link endedAmong}.
   */
  revoke(command: UserRevoke): Promise<RevokeOutcome>
  /**
   * Turns one live session into `cancelling`. One that has ended keeps its status, and its running
   * answers end, see {@link endedAmong}.
   */
  beginCancel(id: SessionId, now: number): Promise<SessionRecord | undefined>
  /**
   * For cancels that the upstream has confirmed: `cancelling` becomes `cancelled`, and the outbox entry
   * is removed.
   */
  confirmCancel(ids: readonly SessionId[], now: number): Promise<void>
  /**
   * Hands out cancels that are due and leases them, so that no two instances work on one. A due cancel
   * whose session has expired is dropped, and the session becomes `cancelled`.
   */
  claimCancels(claim: CancelClaim): Promise<readonly SessionRecord[]>
  /** Puts a leased cancel back, to be due at `dueAtMs`. */
  postponeCancel(id: SessionId, dueAtMs: number): Promise<void>

  /**
   * Checks one request with a self-hosted session's secret, in one atomic step: whether the session is
   * live and this user's, and its per-minute limit (a window of {@link USE_WINDOW_MS} from the first
   * request, no refill; one for runs of the model, one for all else). A request that is refused is not
   * counted.
   */
  useSession(use: SessionUse): Promise<UseOutcome>
  /**
   * The sessions among these whose running answers must end, in the order given: all that were
   * cancelled, revoked or evicted, also after they had expired or been replaced; unknown ones, and
   * another user's. Expiry and replacement alone end no answer. Called often, for open streams, with a
   * thousand sessions at once.
   */
  endedAmong(sessions: readonly SessionKey[]): Promise<readonly SessionId[]>

  /**
   * Records the owner of a thread or attachment, once per source and id: the first claim stays, whoever makes
   * the second, until it is released; no sweep removes it. After `store_unavailable` a claim may be
   * recorded all the same, so a repeated claim can be `taken` by its own first try: ask for the owner
   * then.
   */
  claimOwnership(claim: Ownership): Promise<'claimed' | 'taken'>
  /** The owners, in the order asked for; undefined where nobody owns it. */
  ownersOf(things: readonly OwnedThing[]): Promise<readonly (UserId | undefined)[]>
  /**
   * Newest first unless asked otherwise. A cursor is an id. `undefined` when nothing on the list has
   * this id, or when several things have it, which is possible without a `source` in the query.
   */
  listOwned(query: OwnedQuery): Promise<Page<Ownership> | undefined>
  /** Removes the owner of a thing that is deleted; harmless when repeated. */
  releaseOwnership(thing: OwnedThing): Promise<void>

  getSession(id: SessionId): Promise<SessionRecord | undefined>
  /** Newest first unless asked otherwise; `undefined` when the cursor is the id of no session. */
  listSessions(query: SessionQuery): Promise<Page<SessionRecord> | undefined>

  listBlocks(query: PageQuery & { readonly now: number }): Promise<Page<Block> | undefined>
  /** The block that holds now, if one does. */
  getBlock(user: UserId, now: number): Promise<Block | undefined>
  /**
   * Ends a block, and returns whether there was one. The generation stays raised: old sessions do not
   * come back. With `generation`, it ends the block only if that is still the user's generation: a
   * revoke, sign-out or logout since then keeps the block, and the answer is false.
   */
  liftBlock(user: UserId, now: number, generation?: number): Promise<boolean>

  /** Users with sessions of this subject, or of this `sid`; may name too many, never too few. */
  usersOf(identity: TokenIdentity): Promise<readonly UserId[]>
  /**
   * Marks a logout of the subject, of the `sid`, or of each if both are given: from now on, their tokens
   * issued before `issuedBefore` mint nothing. A mark never moves back in time.
   */
  markLogout(mark: LogoutMark): Promise<void>

  /**
   * Counts one use of `key`; the window starts with its first use and does not slide. While Redis is
   * away, its adapter counts in memory: a limit then holds per instance, and stops nobody because of the
   * outage.
   */
  consume(key: string, limit: RateWindow): Promise<RateState>
  /** Whether `rememberOnce` has stored this key and its time to live has not passed. */
  remembers(key: string, now: number): Promise<boolean>
  /**
   * Replay protection: stores a key for a time to live. True the first time, false while the key is
   * stored.
   */
  rememberOnce(key: string, ttlSeconds: number, now: number): Promise<boolean>

  /** Writes all entries or none. An entry whose id is already there is left unchanged. */
  appendAudit(entries: readonly AuditEntry[]): Promise<void>
  /** Newest first; `undefined` when the cursor is the id of no entry. */
  listAudit(query: AuditQuery): Promise<Page<AuditEntry> | undefined>

  /**
   * Erases a bounded part of what is known of a user. Repeat it until nothing is left; more repeats are
   * harmless.
   *
   * It erases sessions that have ended (cancelled, or expired), with their waiting cancels; audit
   * entries about the user, except those of `keptAction`; the counter of {@link beginMint}.
   *
   * It keeps sessions that still work or whose cancel is not confirmed, with their outbox entries; the
   * block, until it is lifted; the generation and logout marks, which stop mints under way and are
   * removed by the sweep, as are index entries without a target; what the user owns, which is released
   * when the thing is deleted at its server; entries about others that the user made as an admin.
   */
  eraseUser(command: UserErase): Promise<EraseOutcome>

  /** The bytes kept under this name, made by `make` the first time; the same for all instances. */
  keptKey(name: string, make: () => Uint8Array): Promise<Uint8Array>
  /** Removes, in small steps, everything that ended before the times of the retention. */
  sweep(retention: Retention): Promise<void>
  /** Live sessions and waiting cancels, for metrics; approximate figures are enough. */
  figures(now: number): Promise<{ readonly activeSessions: number; readonly outboxLength: number }>
  /** Throws `store_unavailable` when a write would fail now. */
  check(): Promise<void>
  close(): Promise<void>
}

/** Milliseconds for which a new cancel is left to the instance that wrote it. */
export const FIRST_LEASE_MS = 5000

/** So many other requests of a session are allowed for each run of the model. */
export const READS_PER_RUN = 10

/** Length of the window of {@link Registry.useSession}, in milliseconds. */
export const USE_WINDOW_MS = 60_000

/**
 * The store cannot be used at all: corrupt, not writable, not a database of ours, or written by a
 * newer version. The process ends with exit code 74; the message says what and where.
 */
export class StoreUnusableError extends Error {
  override readonly name = 'StoreUnusableError'
}
