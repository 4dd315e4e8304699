// The port of the registry: the promises that every store keeps.
import type { SessionId } from '../lib/ids.ts'
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
 * The registry: what this service must remember so that "revoke" means it. Sessions, blocks,
 * per-user generations, the cancel outbox, logout marks, counters, ownership, audit.
 *
 * Rules for every adapter:
 * - Times are Unix seconds unless a name says milliseconds; `now` comes from the caller.
 * - Each method is atomic for one user; a method that answers has made its writes durable
 *   (SQLite `synchronous=FULL`, acknowledged by the Redis primary; `memory:` as long as it lives).
 * - A store that cannot answer (down, slow, full, read-only, corrupt) is `store_unavailable`
 *   within 300 ms, and nothing half done: a caller may repeat every call.
 * - No step gets slower as other users' sessions grow, and nothing grows without bound.
 * - Strings are well-formed Unicode; a user is at most 512 characters.
 * - A session is live when it is `active` and `now < expiresAt`; a block holds while `now < until`.
 * - Order is the order of creation in the store, whatever the times say.
 */
export interface Registry {
  /** What a mint must know before it asks upstream. */
  readStanding(of: StandingQuery): Promise<UserStanding>
  /**
   * How every mint begins: counts it, as {@link consume} does, on a counter of the user alone, and
   * reads the standing, both in one step. While Redis is away its adapter counts in memory, and there
   * is no standing.
   */
  beginMint(
    question: StandingQuery,
    limit: RateWindow,
  ): Promise<{ readonly rate: RateState; readonly standing: UserStanding | undefined }>
  /**
   * Records a new session if, and only if, the user's generation is still `generation`
   * and no block holds; otherwise writes nothing. With `replaces`, that live session of the same
   * user becomes `cancelling` in the same step and does not count towards the cap. Repeated with
   * the same live session it changes nothing and answers `recorded`.
   */
  record(entry: NewEntry): Promise<RecordOutcome>
  /**
   * Raises the user's generation, sets a block if one is given (a longer one that stands stays),
   * and turns the matching live sessions into `cancelling`, each with an outbox entry. New entries
   * are due {@link FIRST_LEASE_MS} later, because the writer itself tries them at once.
   */
  revoke(command: UserRevoke): Promise<RevokeOutcome>
  /** Turns one live session into `cancelling`; sessions that have ended are returned as they are. */
  beginCancel(id: SessionId, now: number): Promise<SessionRecord | undefined>
  /** The upstream confirmed: `cancelling` becomes `cancelled`, and the outbox entry goes. */
  confirmCancel(ids: readonly SessionId[], now: number): Promise<void>
  /**
   * Hands out cancels that are due and leases them, so that no two instances work on one. Due ones
   * whose session has expired are dropped on the way: the session is `cancelled`, it works no more.
   */
  claimCancels(claim: CancelClaim): Promise<readonly SessionRecord[]>
  /** Puts a leased cancel back, to be due at `dueAtMs`. */
  postponeCancel(id: SessionId, dueAtMs: number): Promise<void>

  /**
   * One request with a self-hosted session's secret: whether the session is live and this user's,
   * and the per-minute limit (a window of {@link USE_WINDOW_MS} from the first request, no refill),
   * in one atomic step. A request that is refused is not counted.
   */
  useSession(use: SessionUse): Promise<UseOutcome>
  /**
   * Which of these sessions are not live any more, unknown, or another user's, in the order given;
   * asked often, for open streams, with a thousand at once.
   */
  endedAmong(sessions: readonly SessionKey[], now: number): Promise<readonly SessionId[]>

  /**
   * Insert-once: the first claim of a workflow's thread or attachment holds, whoever makes the
   * second. No sweep ends it, only a release. After `store_unavailable` it may hold all the same,
   * so a repeated claim can find itself `taken` by its own first try: ask for the owner then.
   */
  claimOwnership(claim: Ownership): Promise<'claimed' | 'taken'>
  /** The owners, in the order asked for; undefined where nobody owns it. */
  ownersOf(things: readonly OwnedThing[]): Promise<readonly (string | undefined)[]>
  /**
   * Newest first unless asked otherwise. A cursor is an id; `undefined` when it is of nothing on the
   * list, or, for want of a workflow in the query, of several things on it.
   */
  listOwned(query: OwnedQuery): Promise<Page<Ownership> | undefined>
  /** The thing is gone; harmless when repeated. */
  releaseOwnership(thing: OwnedThing): Promise<void>

  getSession(id: SessionId): Promise<SessionRecord | undefined>
  /** Newest first unless asked otherwise; `undefined` when the cursor is of no session. */
  listSessions(query: SessionQuery): Promise<Page<SessionRecord> | undefined>

  listBlocks(query: PageQuery & { readonly now: number }): Promise<Page<Block> | undefined>
  /** The block that holds now, if one does. */
  getBlock(user: string, now: number): Promise<Block | undefined>
  /**
   * Whether a block stood. The generation stays raised: old sessions do not come back. With
   * `generation`, only as long as that is still the user's: a revoke, sign-out or logout since then
   * keeps the block, and the answer is false.
   */
  liftBlock(user: string, now: number, generation?: number): Promise<boolean>

  /** Users with sessions of this subject, or of this `sid`; may name too many, never too few. */
  usersOf(identity: TokenIdentity): Promise<readonly string[]>
  /**
   * From now on tokens of this subject, or of this `sid` (each one given is marked), issued before
   * `issuedBefore` do not mint. A mark is never moved back.
   */
  markLogout(mark: LogoutMark): Promise<void>

  /**
   * Counts one use of `key`; the window starts with its first use and does not slide. While Redis
   * is away, its adapter counts in memory: a limit is then per instance, and never an outage.
   */
  consume(key: string, limit: RateWindow): Promise<RateState>
  /** The state of a counter without counting. */
  peek(key: string, limit: RateWindow): Promise<RateState>
  /** Whether `rememberOnce` was told this key and its time has not passed. */
  remembers(key: string, now: number): Promise<boolean>
  /** True the first time within the time to live, false ever after: replay protection. */
  rememberOnce(key: string, ttlSeconds: number, now: number): Promise<boolean>

  /** All of them or none; one that is there already (by its id) is left as it is. */
  appendAudit(entries: readonly AuditEntry[]): Promise<void>
  /** Newest first; `undefined` when the cursor is of no entry. */
  listAudit(query: AuditQuery): Promise<Page<AuditEntry> | undefined>

  /**
   * One bounded step of forgetting a user; repeated until nothing is left, and harmless after that.
   *
   * Gone are sessions that have ended (cancelled, or expired), with their waiting cancels; audit
   * entries about the user, but those of `keptAction`; the counter of {@link beginMint}.
   *
   * What stays: sessions that still work or whose cancel is not confirmed, with their outbox
   * entries; the block, until it is lifted; the generation and logout marks, which stop what is
   * under way and go by the sweep, as do indexes that lead to nothing any more; what the user owns,
   * which is released thing by thing as it goes from its server; entries about others that the user
   * made as an admin.
   */
  eraseUser(command: UserErase): Promise<EraseOutcome>

  /** The bytes kept under this name, made by `make` the first time; the same for all instances. */
  keptKey(name: string, make: () => Uint8Array): Promise<Uint8Array>
  /** Drops what has ended longer ago than the retention says; in small steps. */
  sweep(retention: Retention): Promise<void>
  /** Live sessions and waiting cancels, for metrics; near enough is good enough. */
  figures(now: number): Promise<{ readonly activeSessions: number; readonly outboxLength: number }>
  /** Throws `store_unavailable` when a write would fail now. */
  check(): Promise<void>
  close(): Promise<void>
}

/** How long a cancel that was just written is left to its writer, in milliseconds. */
export const FIRST_LEASE_MS = 5000

/** How long the window of {@link Registry.useSession} is, in milliseconds. */
export const USE_WINDOW_MS = 60_000

/**
 * The store cannot be used at all: corrupt, not writable, not a database of ours, or written by a
 * newer version. The process ends with exit code 74; the message says what and where.
 */
export class StoreUnusableError extends Error {
  override readonly name = 'StoreUnusableError'
}
