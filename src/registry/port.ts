/**
 * The registry: what this service must remember so that "revoke" means it. Sessions, blocks,
 * per-user generations, the cancel outbox, logout marks, counters, audit.
 *
 * Rules for every adapter:
 * - Times are Unix seconds unless a name says milliseconds; `now` comes from the caller.
 * - Each method is atomic for one user; a method that answers has made its writes durable
 *   (SQLite `synchronous=FULL`, acknowledged by the Redis primary; memory as long as it lives).
 * - A store that cannot answer (down, slow, full, read-only, corrupt) is `store_unavailable`
 *   within 300 ms, and nothing half done: a caller may repeat every call.
 * - No step gets slower as other users' sessions grow, and nothing grows without bound.
 * - Strings are well-formed Unicode; a user is at most 512 characters.
 * - A session is live when it is `active` and `now < expiresAt`; a block holds while `now < until`.
 * - Order is the order of creation in the store, whatever the times say.
 */
export interface Registry {
  /** What a mint must know before it asks upstream. */
  readGuard(of: GuardQuestion): Promise<Guard>
  /**
   * Puts a new session on the books if, and only if, the user's generation is still `generation`
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
  revoke(order: RevokeOrder): Promise<RevokeOutcome>
  /** Turns one live session into `cancelling`; sessions that have ended are returned as they are. */
  beginCancel(id: string, now: number): Promise<SessionRecord | undefined>
  /** The upstream confirmed: `cancelling` becomes `cancelled`, and the outbox entry goes. */
  confirmCancel(ids: readonly string[], now: number): Promise<void>
  /**
   * Hands out cancels that are due and leases them, so that no two instances work on one. Due ones
   * whose session has expired are dropped on the way: the session is `cancelled`, it works no more.
   */
  claimCancels(claim: CancelClaim): Promise<readonly SessionRecord[]>
  /** Puts a leased cancel back, to be due at `dueAtMs`. */
  postponeCancel(id: string, dueAtMs: number): Promise<void>

  getSession(id: string): Promise<SessionRecord | undefined>
  /** Newest first unless asked otherwise; `undefined` when the cursor is of no session. */
  listSessions(query: SessionQuery): Promise<Page<SessionRecord> | undefined>

  listBlocks(query: PageQuery & { readonly now: number }): Promise<Page<Block> | undefined>
  /** Whether a block stood. The generation stays raised: old sessions do not come back. */
  liftBlock(user: string, now: number): Promise<boolean>

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
export const FIRST_LEASE_MS = 4000

/** `expired` is not stored: it is what an `active` session becomes at `expiresAt`. */
export type StoredStatus = 'active' | 'cancelling' | 'cancelled'

/** Why a session stopped being active, kept for rotation: an evicted one is refused there. */
export type EndReason =
  | 'cancelled'
  | 'evicted'
  | 'replaced'
  | 'revoked'
  | 'signed_out'
  | 'logged_out'

/** One minted session, as the registry knows it. Never holds the client secret. */
export interface SessionRecord {
  readonly id: string
  readonly user: string
  /** Name in the config. */
  readonly workflow: string
  readonly issuer: string
  readonly subject: string
  /** The token's `sid`, for back-channel logout. */
  readonly sid: string | undefined
  /** Hex SHA-256 of the client secret. Secrets are random, so no salt is needed. */
  readonly secretHash: string
  readonly status: StoredStatus
  readonly endReason: EndReason | undefined
  readonly createdAt: number
  readonly expiresAt: number
}

/** Who a token speaks for. */
export interface TokenIdentity {
  readonly issuer: string
  readonly subject?: string | undefined
  readonly sid?: string | undefined
}

export interface GuardQuestion {
  readonly user: string
  readonly identity: TokenIdentity
  /** Hash of the secret that the client says it holds. */
  readonly currentSecretHash?: string | undefined
  readonly now: number
}

export interface Guard {
  /** Raised by every revoke, sign-out and logout of the user. */
  readonly generation: number
  /** The end of the block that holds now, if one does. */
  readonly blockedUntil: number | undefined
  /** Tokens issued before this do not mint; the later of the subject's and the `sid`'s mark. */
  readonly loggedOutAt: number | undefined
  /** The user's sessions that are active and not expired. */
  readonly liveSessions: number
  /** The same user's session with `currentSecretHash`, if any. */
  readonly current: SessionRecord | undefined
}

export interface NewEntry {
  readonly session: SessionRecord
  /** From {@link Guard}. */
  readonly generation: number
  readonly cap: { readonly max: number; readonly whenFull: 'evict_oldest' | 'deny' }
  /** Hash of the secret whose session ends with this one. */
  readonly replaces?: string | undefined
  readonly now: number
}

export type RecordOutcome =
  /** `ended`: sessions replaced or evicted in the same step; now `cancelling`, in the outbox. */
  | { readonly kind: 'recorded'; readonly ended: readonly SessionRecord[] }
  | { readonly kind: 'blocked' }
  | { readonly kind: 'full' }

export interface RevokeOrder {
  readonly user: string
  readonly endReason: EndReason
  /** Only sessions of this identity; all of the user's when absent. */
  readonly identity?: TokenIdentity | undefined
  readonly block?:
    | { readonly until: number; readonly reason: string | undefined; readonly by: string }
    | undefined
  readonly now: number
}

export interface RevokeOutcome {
  /** Newly and already `cancelling` sessions that have not expired: all still to be confirmed. */
  readonly cancelling: readonly SessionRecord[]
  /** The end of the block that stands after this, if one does. */
  readonly blockedUntil: number | undefined
}

export interface CancelClaim {
  readonly nowMs: number
  readonly limit: number
  /** How long the entries stay with the claimer. */
  readonly leaseMs: number
}

export interface Block {
  readonly user: string
  readonly until: number
  readonly reason: string | undefined
  /** The admin: `issuer|subject`. */
  readonly by: string
  readonly createdAt: number
}

export interface LogoutMark extends TokenIdentity {
  readonly issuedBefore: number
  /** When no token that the mark stops can be valid any more. */
  readonly keepUntil: number
}

export interface RateWindow {
  readonly max: number
  readonly seconds: number
  readonly nowMs: number
}

export interface RateState {
  readonly allowed: boolean
  readonly remaining: number
  /** Until the window ends. */
  readonly resetMs: number
}

export interface AuditEntry {
  readonly id: string
  /** Seconds. */
  readonly at: number
  /** `issuer|subject`, or `client:<id>`, or `service`. */
  readonly actor: string
  readonly action: string
  /** The ChatKit user it was done to. */
  readonly user: string | undefined
  readonly outcome: 'ok' | 'refused' | 'failed'
  readonly reason: string | undefined
  readonly requestId: string | undefined
}

export interface PageQuery {
  readonly limit: number
  readonly order: 'asc' | 'desc'
  /** An id (of a block: its user): what follows it in the order asked for. */
  readonly after?: string | undefined
  /** What precedes it; without `after`, the nearest. */
  readonly before?: string | undefined
}

export interface SessionQuery extends PageQuery {
  readonly user?: string | undefined
  readonly subject?: string | undefined
  readonly issuer?: string | undefined
  readonly workflow?: string | undefined
  /** As admins see it, `expired` included. */
  readonly status?: StoredStatus | 'expired' | undefined
  readonly now: number
}

export interface AuditQuery {
  readonly limit: number
  readonly after?: string | undefined
  readonly user?: string | undefined
  readonly action?: string | undefined
}

export interface Page<T> {
  readonly data: readonly T[]
  readonly hasMore: boolean
}

export interface Retention {
  /** Sessions that ended before this go. */
  readonly sessionsEndedBefore: number
  readonly auditBefore: number
  readonly now: number
}
