// Step 3 of a mint: counts the mint, reads the user's standing, creates the session upstream and
// records it. The client secret is returned only when the session is in the registry and nobody revoked
// the user meanwhile.

import { type CallOptions, type ChatKit, UnusableSessionError } from '../chatkit/port.ts'
import {
  type CreateSessionParams,
  DEFAULT_LIFE_SECONDS,
  type IssuedSession,
} from '../chatkit/wire/session.ts'
import type { IssuerSettings, LimitSettings, WorkflowSettings } from '../config/settings.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { isCode, ServiceError } from '../lib/errors.ts'
import type { SessionId, WorkflowName } from '../lib/ids.ts'
import { hashSecret, type Secret } from '../lib/secret.ts'
import type { Canceller } from '../outbox/cancel.ts'
import type { Registry } from '../registry/port.ts'
import type { Count, RecordOutcome, SessionRecord, UserStanding } from '../registry/records.ts'
import {
  type Caller,
  loggedOut,
  refuseBlocked,
  refuseLoggedOut,
  standingQuery,
} from './standing.ts'

/** A mint that is counted. Its request is not read yet, so only its caller is known. */
export interface BegunMint {
  readonly caller: Caller
  readonly rate: Count
  /** Undefined while the store does not answer. */
  readonly standing: UserStanding | undefined
}

/** The session to mint, as config and claims decide. */
export interface SessionToMint {
  readonly workflow: Pick<WorkflowSettings, 'name' | 'kind'>
  /** Sent upstream unchanged. */
  readonly params: CreateSessionParams
  /** The parameters that a backend asked for, as JSON: kept with the session. */
  readonly asked?: string
  /** The client secret that the client still holds; this mint ends its session. */
  readonly currentSecret: Secret | undefined
}

/** The parts and the settings of {@link createMint}. */
interface MintParts {
  readonly registry: Pick<Registry, 'beginMint' | 'readStanding' | 'record'>
  /** The adapter that holds the key of this workflow. */
  readonly chatkit: (workflow: WorkflowName) => ChatKit
  readonly canceller: Pick<Canceller, 'cancelSoon' | 'cancelUngiven' | 'cancelUnrecorded'>
  readonly limits: Pick<LimitSettings, 'mintsPerUser' | 'liveSessionsPerUser'>
  /** An issuer with `logout` may send a logout token while a session is being created. */
  readonly issuers: readonly Pick<IssuerSettings, 'issuer' | 'logout'>[]
  readonly now: Clock
}

/** Mints in two steps: between them the request is read and mapped. */
export type Mint = ReturnType<typeof createMint>

export function createMint({ registry, chatkit, canceller, limits, issuers, now }: MintParts) {
  const { mintsPerUser, liveSessionsPerUser: cap } = limits
  const exactFrom = cap.whenFull === 'deny' ? cap.max : undefined
  const senders = issuers.filter(({ logout }) => logout !== undefined)
  const logoutIssuers = new Set(senders.map(({ issuer }) => issuer))
  return {
    /**
     * Counts the mint on the store that all instances share, and reads the user's standing in the same
     * step. A refused mint counts too: the limit is there to stop clients that mint in a loop.
     */
    async begin(caller: Caller): Promise<BegunMint> {
      const window = { seconds: mintsPerUser.seconds, nowMs: now() }
      const question = { ...standingQuery(caller, now), exactFrom }
      const { rate, standing } = await registry.beginMint(question, window)
      return { caller, rate, standing }
    },

    /**
     * Creates the session upstream and records it. Block, generation and logout are read before the
     * upstream call and compared again, atomically, when the session is recorded. If a revoke or a logout
     * came between, the session is cancelled.
     *
     * @throws ServiceError `user_blocked`, `session_limit`, `invalid_token` (logged out),
     * `store_unavailable`, or what the upstream call throws
     */
    async issue(begun: BegunMint, toMint: SessionToMint, call?: CallOptions) {
      const { caller } = begun
      // Reusing the standing that `begin` read is safe: a revoke since then raised the generation, so
      // `record()` refuses. A current secret comes with the body, after that reading, so its session has
      // to be read now.
      const known = toMint.currentSecret === undefined ? begun.standing : undefined
      const question = { ...standingQuery(caller, now, toMint.currentSecret), exactFrom }
      const standing = known ?? (await registry.readStanding(question))
      const replaces = refuseBeforehand(standing, caller, { cap, now: unixSeconds(now) })
      const issued = await createUpstream(toMint, { chatkit, canceller }, call)
      const session = sessionRecord(issued, { caller, toMint, now: unixSeconds(now) })
      const entry = {
        session,
        generation: standing.generation,
        cap,
        replaces,
        tokenIssuedAt: logoutIssuers.has(caller.identity.issuer)
          ? (caller.tokenIssuedAt ?? 0)
          : undefined,
        now: unixSeconds(now),
      }
      try {
        if (call?.signal?.aborted) throw call.signal.reason
        canceller.cancelSoon(endedByRecord(await registry.record(entry), cap.max))
      } catch (error) {
        // The id is that of another session, which a cancel would end.
        if (!isCode(error, 'upstream_invalid_response')) canceller.cancelUngiven(session)
        throw error
      }
      return issued
    },
  }
}

/**
 * Refuses a mint that the standing does not allow, before the upstream call. Returns the session to be
 * replaced.
 */
function refuseBeforehand(
  standing: UserStanding,
  { tokenIssuedAt }: Caller,
  { cap, now }: { readonly cap: LimitSettings['liveSessionsPerUser']; readonly now: number },
): SessionId | undefined {
  refuseBlocked(standing)
  refuseLoggedOut(standing, tokenIssuedAt)
  const { current, liveSessions = 0 } = standing
  if (current?.endReason === 'evicted') {
    // Two tabs at the cap would otherwise evict each other for ever.
    throw new ServiceError('session_limit', { reason: 'refresh of a session that was evicted' })
  }
  const stillLive = current?.status === 'active' && now < current.expiresAt
  const replaces = stillLive ? current.id : undefined
  const others = liveSessions - (replaces === undefined ? 0 : 1)
  if (cap.whenFull === 'deny' && others >= cap.max) throw full(liveSessions)
  return replaces
}

async function createUpstream(
  { workflow, params }: SessionToMint,
  { chatkit, canceller }: Pick<MintParts, 'chatkit' | 'canceller'>,
  call: CallOptions | undefined,
): Promise<IssuedSession> {
  try {
    return await chatkit(workflow.name).createSession(params, call)
  } catch (error) {
    if (error instanceof UnusableSessionError && error.sessionId !== undefined) {
      canceller.cancelUnrecorded({ id: error.sessionId, workflow: workflow.name })
    }
    throw error
  }
}

/** Returns the sessions that ended in the same step: replaced by this one, or evicted for it. */
function endedByRecord(outcome: RecordOutcome, max: number): readonly SessionRecord[] {
  if (outcome.kind === 'recorded') return outcome.ended
  if (outcome.kind === 'full') throw full(max)
  if (outcome.kind === 'logged_out') throw loggedOut()
  if (outcome.kind === 'taken') {
    throw new ServiceError('upstream_invalid_response', {
      reason: 'an id that another session has',
    })
  }
  throw new ServiceError('user_blocked', { reason: 'revoked while the session was being created' })
}

function sessionRecord(
  issued: IssuedSession,
  {
    caller: { user, identity },
    toMint: { workflow, params, asked },
    now,
  }: { readonly caller: Caller; readonly toMint: SessionToMint; readonly now: number },
): SessionRecord {
  // If our clock runs ahead of the upstream's, a live session could look expired, and a revoke would
  // skip it.
  const life = params.expires_after?.seconds ?? DEFAULT_LIFE_SECONDS
  const expiresAt = issued.expires_at > now ? Math.ceil(issued.expires_at) : now + life
  return {
    id: issued.id,
    user,
    workflow: workflow.name,
    issuer: identity.issuer,
    subject: identity.subject,
    sid: identity.sid,
    secretHash: hashSecret(issued.client_secret),
    // The gateway hands the state variables on to the server.
    state: workflow.kind === 'self-hosted' ? (params.workflow.state_variables ?? {}) : undefined,
    asked,
    status: 'active',
    endReason: undefined,
    createdAt: now,
    expiresAt,
  }
}

function full(live: number): ServiceError {
  return new ServiceError('session_limit', { reason: `${live} live sessions` })
}
