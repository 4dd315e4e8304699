import type { CallOptions, ChatKit } from '../../src/chatkit/port.ts'
import type { CreateSessionParams, IssuedSession } from '../../src/chatkit/wire/session.ts'
import type { LimitSettings } from '../../src/config/settings.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import { createLog } from '../../src/lib/log.ts'
import { Secret } from '../../src/lib/secret.ts'
import { createMint, type SessionToMint } from '../../src/mint/mint.ts'
import type { Caller } from '../../src/mint/standing.ts'
import { createCanceller } from '../../src/outbox/cancel.ts'
import { signInOf } from '../../src/registry/identity.ts'
import type { Registry } from '../../src/registry/port.ts'
import type { SessionRecord } from '../../src/registry/records.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { createRevoke } from '../../src/revoke/revoke.ts'
import { type Plain, plain, sessionId, userId, workflowName } from '../support/ids.ts'

/** The current time of the suites, in milliseconds. */
export const NOW = 1_800_000_000_000
export const NOW_SECONDS = NOW / 1000
export const ISSUER = 'https://login.example/'
const LOGOUT_ISSUERS = [{ issuer: ISSUER, logout: { clientIds: [], algorithms: [] } }]

/** An upstream in this process: it records its calls, and has hooks for faults. */
export interface FakeUpstream {
  readonly created: IssuedSession[]
  /** Ids, in the order of the attempts. */
  readonly cancels: string[]
  /** Ids whose cancel was confirmed. */
  readonly ended: Set<string>
  underWay: number
  mostUnderWay: number
  /** Runs when a session exists upstream and its answer has not arrived yet. */
  onCreate: (session: IssuedSession, call: CallOptions | undefined) => Promise<void> | void
  onCancel: (id: string, call: CallOptions | undefined) => Promise<void> | void
}

function createFakeUpstream(): FakeUpstream & { readonly chatkit: ChatKit } {
  const upstream: FakeUpstream = {
    created: [],
    cancels: [],
    ended: new Set(),
    underWay: 0,
    mostUnderWay: 0,
    onCreate: () => undefined,
    onCancel: () => undefined,
  }
  const unused = () => Promise.reject(new Error('not of interest here'))
  const chatkit: ChatKit = {
    async createSession(params, call) {
      const session = issue(params, upstream.created.length + 1)
      upstream.created.push(session)
      await upstream.onCreate(session, call)
      return session
    },
    async cancelSession(id, call) {
      upstream.cancels.push(id)
      upstream.underWay++
      upstream.mostUnderWay = Math.max(upstream.mostUnderWay, upstream.underWay)
      try {
        await upstream.onCancel(id, call)
        upstream.ended.add(id)
        return null
      } finally {
        upstream.underWay--
      }
    },
    listThreads: unused,
    retrieveThread: unused,
    deleteThread: unused,
    listThreadItems: unused,
  }
  return Object.assign(upstream, { chatkit })
}

function issue(params: CreateSessionParams, number: number): IssuedSession {
  return {
    id: sessionId(`cksess_${number}`),
    client_secret: new Secret(`ek_planted_${number}_0123456789abcdef`),
    expires_at: NOW_SECONDS + (params.expires_after?.seconds ?? 600),
    status: 'active',
    user: params.user,
  }
}

export const unavailable = (what: 'store' | 'upstream') =>
  new ServiceError(`${what}_unavailable`, { reason: 'planted' })

export interface SceneOptions {
  readonly cap?: LimitSettings['liveSessionsPerUser']
  /** Whether the issuer sends logout tokens. */
  readonly logout?: boolean
  /** Replaces steps of the registry; gets the real one. */
  readonly registry?: (real: Registry) => Partial<Registry>
}

/** Step 3 whole, over a registry in memory and an upstream in this process. */
export function createScene(options: SceneOptions = {}) {
  const clock = { ms: NOW }
  const now = () => clock.ms
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const log = createLog({ level: 'trace', destination })
  const real = plain(createSqliteRegistry({ path: ':memory:' }))
  const registry: Registry = { ...real, ...options.registry?.(real) }
  const upstream = createFakeUpstream()
  const chatkit = () => upstream.chatkit
  const random = () => 0.5
  const pauses: number[] = []
  const pause = async (milliseconds: number) => void pauses.push(milliseconds)
  const canceller = createCanceller({ registry, chatkit, now, log, random, pause })
  const mint = createMint({
    ...{ registry, chatkit, canceller, now },
    limits: {
      mintsPerUser: { max: 10_000, seconds: 60 },
      liveSessionsPerUser: options.cap ?? { max: 20, whenFull: 'evict_oldest' },
    },
    issuers: options.logout ? LOGOUT_ISSUERS : [],
  })
  return {
    clock,
    registry,
    /** Without the replaced steps. */
    real,
    upstream,
    canceller,
    /** Milliseconds between the tries of cancels that no outbox has; they are over at once. */
    pauses,
    async mint({ caller, ...asked }: Order, call?: CallOptions) {
      const { id, client_secret } = await mint.issue(await mint.begin(caller), asked, call)
      return { sessionId: id, clientSecret: client_secret }
    },
    revoke: createRevoke({ registry, canceller, now }),
    log,
    logText: () => lines.join(''),
    close: () => real.close(),
  }
}

export type Scene = ReturnType<typeof createScene>

/** Options of a scene in which no cap is in the way. */
export const many = { cap: { max: 10_000, whenFull: 'deny' } } as const

/** This many sessions of alice that are `cancelling`; none has been tried yet. */
export async function cancelling(scene: Scene, count: number): Promise<readonly SessionRecord[]> {
  for (let number = 0; number < count; number++) await scene.mint(order())
  const outcome = await scene.real.revoke({
    user: 'alice',
    endReason: 'revoked',
    by: 'ada',
    now: NOW_SECONDS,
  })
  return outcome.cancelling
}

/** A whole mint: who asks, and for which session. */
interface Order extends SessionToMint {
  readonly caller: Caller
}

/** An order for alice, changed by `changes`. */
export function order({
  user = 'alice',
  sid,
  identity = { issuer: ISSUER, subject: `${user}-sub`, sid: signInOf(`${user}-sub`, sid) },
  ...changes
}: Partial<Plain<Caller> & Pick<Order, 'currentSecret'>> & { readonly sid?: string } = {}): Order {
  return {
    caller: { user: userId(user), identity, tokenIssuedAt: NOW_SECONDS - 60, ...changes },
    workflow: { name: workflowName('support'), kind: 'hosted' },
    params: { user, workflow: { id: 'wf_1' } },
    currentSecret: changes.currentSecret,
  }
}
