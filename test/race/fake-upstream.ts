// The ChatKit API in memory, with faults: calls refused, answers lost, effects that come late.

import { type CallOptions, type ChatKit, UnusableSessionError } from '../../src/chatkit/port.ts'
import type { CreateSessionParams, IssuedSession } from '../../src/chatkit/wire/session.ts'
import { type Clock, unixSeconds } from '../../src/lib/clock.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import type { SessionId } from '../../src/lib/ids.ts'
import { Secret } from '../../src/lib/secret.ts'
import { sessionId } from '../support/ids.ts'

export type UpstreamFault =
  /** It is refused, and has no effect. */
  | 'refuse'
  /** It has its effect, and the answer is lost. */
  | 'lose'
  /** It times out, and has its effect later. */
  | 'late'
  /** A create is answered with a session that must not be used. */
  | 'unusable'

export interface UpstreamSession {
  readonly id: SessionId
  readonly user: string
  readonly secret: string
  readonly expiresAt: number
  active: boolean
}

/** The ChatKit API's sessions in memory, with every mishap. */
export interface FakeUpstream {
  readonly sessions: ReadonlyMap<string, UpstreamSession>
  /** The faults of the next calls, in this order; then all is well. */
  readonly faults: { create: UpstreamFault[]; cancel: UpstreamFault[] }
  /** @param onCreate - called when a create arrives */
  client(
    turn: (label: string) => Promise<void>,
    onCreate: () => void,
  ): Pick<ChatKit, 'createSession' | 'cancelSession'>
  works(session: UpstreamSession): boolean
}

export interface FakeUpstreamOptions {
  /** Expires the sessions. */
  readonly now: Clock
  /** Prefix of ids. */
  readonly prefix: string
  /** Waits for a turn, however the caller fares. */
  readonly turn: (label: string) => Promise<void>
}

export function createFakeUpstream({
  now,
  prefix,
  turn: ownTurn,
}: FakeUpstreamOptions): FakeUpstream {
  const sessions = new Map<string, UpstreamSession>()
  const faults: FakeUpstream['faults'] = { create: [], cancel: [] }

  function create(params: CreateSessionParams): IssuedSession {
    const id = sessionId(`${prefix}-s${sessions.size}`)
    const expiresAt = unixSeconds(now) + (params.expires_after?.seconds ?? 600)
    const made = { id, user: params.user, secret: `ek_${id}`, expiresAt, active: true }
    sessions.set(id, made)
    return issued(made)
  }

  function cancel(id: string): IssuedSession | null {
    const session = sessions.get(id)
    if (session === undefined) return null
    session.active = false
    return issued(session)
  }

  async function call<T>(of: 'create' | 'cancel', effect: () => T, act: Act): Promise<T> {
    const fault = faults[of].shift()
    const { turn, signal } = act
    await turn(`${of} arrives`)
    if (signal?.aborted) throw signal.reason
    if (fault === 'refuse') throw down()
    if (fault === 'late') void ownTurn(`${of} has its late effect`).then(effect)
    if (fault === 'late') throw new ServiceError('upstream_timeout', { reason: 'fault' })
    const result = effect()
    await turn(`${of} is answered`)
    if (signal?.aborted) throw signal.reason
    if (fault === 'lose') throw down()
    if (fault === 'unusable' && result) throw unusable(result)
    return result
  }

  return {
    sessions,
    faults,
    client: (turn, onCreate) => ({
      createSession(params, options) {
        onCreate()
        return call('create', () => create(params), { turn, signal: options?.signal })
      },
      // Its signal is a real timer, which has no part in a world of made-up time.
      cancelSession: (id) => call('cancel', () => cancel(id), { turn, signal: undefined }),
    }),
    works: (session) => session.active && unixSeconds(now) < session.expiresAt,
  }
}

interface Act {
  readonly turn: (label: string) => Promise<void>
  readonly signal: CallOptions['signal'] | undefined
}

function issued({ id, user, secret, expiresAt, active }: UpstreamSession): IssuedSession {
  const status = active ? 'active' : 'cancelled'
  return { id, user, client_secret: new Secret(secret), expires_at: expiresAt, status }
}

function down(): ServiceError {
  return new ServiceError('upstream_unavailable', { reason: 'fault' })
}

function unusable(result: unknown): UnusableSessionError {
  const id = typeof result === 'object' && result && 'id' in result ? result.id : undefined
  return new UnusableSessionError('fault', id === undefined ? id : sessionId(String(id)))
}
