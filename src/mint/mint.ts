import type { CallOptions, ChatKit } from '../chatkit/port.ts'
import { UnusableSessionError } from '../chatkit/port.ts'
import type { CreateSessionParams, IssuedSession } from '../chatkit/wire/session.ts'
import { DEFAULT_LIFE_SECONDS } from '../chatkit/wire/session.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { hashSecret } from '../lib/hash.ts'
import type { Secret } from '../lib/secret.ts'
import type { Canceller } from '../outbox/cancel.ts'
import type { Registry } from '../registry/port.ts'
import type {
  NewEntry,
  RecordOutcome,
  SessionRecord,
  TokenIdentity,
  UserStanding,
} from '../registry/records.ts'
import { refuseBlocked, refuseLoggedOut } from './standing.ts'

/** A session to be minted: what config and claims came to. */
export interface MintOrder {
  /** Name in the config. */
  readonly workflow: string
  /** What the upstream is asked for. */
  readonly params: CreateSessionParams
  /** Whose token it is minted from. */
  readonly identity: TokenIdentity & { readonly subject: string }
  /** The token's `iat`. */
  readonly tokenIssuedAt: number | undefined
  /** Whether this issuer sends logout tokens, so that one may arrive while we mint. */
  readonly logoutPossible: boolean
  /** Whether the registry keeps the state variables: for a server of one's own, which asks us. */
  readonly keepState: boolean
  /** The client secret that the client still holds. */
  readonly currentSecret: Secret | undefined
  /** From the books, read for this mint a moment ago; read here when absent. Says nothing of a current secret. */
  readonly standing?: UserStanding | undefined
}

/** A live session on the books. */
export interface Minted {
  readonly sessionId: string
  readonly clientSecret: Secret
  /** Unix seconds. */
  readonly expiresAt: number
}

/** What {@link createMint} needs. */
export interface MintOptions {
  readonly registry: Registry
  /** The adapter that holds the key of this workflow. */
  readonly chatkit: (workflow: string) => ChatKit
  readonly canceller: Canceller
  readonly cap: NewEntry['cap']
  readonly now: Clock
}

/** Mints one session. */
export type Mint = (order: MintOrder, call?: CallOptions) => Promise<Minted>

/**
 * STEP 3. The secret leaves this function only when its session is on the books, and only if nobody
 * revoked the user since the standing was read: block and generation are read before the upstream call
 * and compared, atomically, when the session is recorded. A session that loses is cancelled.
 *
 * @returns a function that throws `ServiceError`: `user_blocked`, `session_limit`, `invalid_token`
 * (logged out), `store_unavailable`, or what the upstream call throws
 */
export function createMint(options: MintOptions): Mint {
  const { registry, chatkit, canceller } = options
  return async (order, call) => {
    const standing =
      knownStanding(order) ?? (await registry.readStanding(standingQuery(order, options.now)))
    const replaces = refuseBeforehand(standing, order, options)
    const issued = await createUpstream(chatkit(order.workflow), order, canceller, call)
    const entry: NewEntry = {
      session: sessionRecord(issued, order, options.now),
      generation: standing.generation,
      cap: options.cap,
      replaces,
      now: unixSeconds(options.now),
    }
    try {
      call?.signal?.throwIfAborted()
      canceller.cancelSoon(endedBy(await registry.record(entry), entry))
    } catch (error) {
      // The secret reached nobody, so all that is left to do is to end its session.
      canceller.discard(issued.id, order.workflow)
      // A store that wrote and whose answer was lost: the row must not count against the cap.
      void registry.beginCancel(issued.id, unixSeconds(options.now)).catch(() => undefined)
      throw error
    }
    if (order.logoutPossible) await refuseLateLogout(entry, order, options)
    return {
      sessionId: issued.id,
      clientSecret: issued.client_secret,
      expiresAt: issued.expires_at,
    }
  }
}

/**
 * An older standing is a stricter one: a revoke since it was read has raised the generation, and for a
 * logout since then the books are asked again at the end.
 */
function knownStanding({ standing, currentSecret }: MintOrder): UserStanding | undefined {
  return currentSecret === undefined ? standing : undefined
}

function standingQuery(order: MintOrder, now: Clock) {
  return {
    user: order.params.user,
    identity: order.identity,
    currentSecretHash: order.currentSecret && hashSecret(order.currentSecret),
    now: unixSeconds(now),
  }
}

/** Everything that can be refused without a call. Returns the hash of the session to be replaced. */
function refuseBeforehand(
  standing: UserStanding,
  order: MintOrder,
  { cap, now }: Pick<MintOptions, 'cap' | 'now'>,
): string | undefined {
  refuseBlocked(standing)
  refuseLoggedOut(standing, order.tokenIssuedAt)
  const { current } = standing
  if (current?.endReason === 'evicted') {
    // Two tabs at the cap would otherwise evict each other for ever.
    throw new ServiceError('session_limit', { reason: 'refresh of a session that was evicted' })
  }
  const stillLive = current?.status === 'active' && unixSeconds(now) < current.expiresAt
  const replaces = stillLive ? current.secretHash : undefined
  const others = standing.liveSessions - (replaces === undefined ? 0 : 1)
  if (cap.whenFull === 'deny' && others >= cap.max) throw full(standing.liveSessions)
  return replaces
}

async function createUpstream(
  chatkit: ChatKit,
  order: MintOrder,
  canceller: Canceller,
  call: CallOptions | undefined,
): Promise<IssuedSession> {
  try {
    return await chatkit.createSession(order.params, call)
  } catch (error) {
    if (error instanceof UnusableSessionError && error.sessionId !== undefined) {
      canceller.discard(error.sessionId, order.workflow)
    }
    throw error
  }
}

/** Returns the sessions that ended in the same step: replaced by this one, or evicted for it. */
function endedBy(outcome: RecordOutcome, entry: NewEntry): readonly SessionRecord[] {
  if (outcome.kind === 'blocked') throw revokedMeanwhile()
  if (outcome.kind === 'full') throw full(entry.cap.max)
  return outcome.ended
}

/** A logout that searched before this session was on the books did not find it: look again. */
async function refuseLateLogout(
  entry: NewEntry,
  order: MintOrder,
  { registry, canceller, now }: MintOptions,
): Promise<void> {
  try {
    const standing = await registry.readStanding(standingQuery(order, now))
    refuseLoggedOut(standing, order.tokenIssuedAt)
  } catch (error) {
    await takeBack(entry.session, { registry, canceller, now })
    throw error
  }
}

/** Through the outbox, or without it when the store has just failed: the secret reached nobody. */
async function takeBack(
  { id, workflow }: SessionRecord,
  { registry, canceller, now }: Pick<MintOptions, 'registry' | 'canceller' | 'now'>,
): Promise<void> {
  try {
    const ending = await registry.beginCancel(id, unixSeconds(now))
    if (ending) canceller.cancelSoon([ending])
  } catch {
    canceller.discard(id, workflow)
  }
}

function sessionRecord(issued: IssuedSession, order: MintOrder, now: Clock): SessionRecord {
  return {
    id: issued.id,
    user: order.params.user,
    workflow: order.workflow,
    issuer: order.identity.issuer,
    subject: order.identity.subject,
    sid: order.identity.sid,
    secretHash: hashSecret(issued.client_secret),
    state: order.keepState ? order.params.workflow.state_variables : undefined,
    status: 'active',
    endReason: undefined,
    createdAt: unixSeconds(now),
    expiresAt: expiryOf(issued, order, unixSeconds(now)),
  }
}

/**
 * A clock of ours that is ahead must not make a session that works look expired: a revoke would
 * pass it by.
 */
function expiryOf({ expires_at }: IssuedSession, { params }: MintOrder, now: number): number {
  if (expires_at > now) return Math.ceil(expires_at)
  return now + (params.expires_after?.seconds ?? DEFAULT_LIFE_SECONDS)
}

function revokedMeanwhile(): ServiceError {
  return new ServiceError('user_blocked', {
    reason: 'revoked while the session was being created',
  })
}

function full(live: number): ServiceError {
  return new ServiceError('session_limit', { reason: `${live} live sessions` })
}
