// One instance: the service's mint, revoke and canceller, put together without HTTP.
import type { ChatKit } from '../../src/chatkit/port.ts'
import { type Clock, unixSeconds } from '../../src/lib/clock.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import { createLog } from '../../src/lib/log.ts'
import { createMint, type Mint } from '../../src/mint/mint.ts'
import { type Canceller, createCanceller } from '../../src/outbox/cancel.ts'
import type { Registry } from '../../src/registry/port.ts'
import type { NewEntry } from '../../src/registry/records.ts'
import { createRevoke, type Revoke } from '../../src/revoke/revoke.ts'
import { createBackendDeeds } from './backend-deeds.ts'
import { ISSUER, ISSUERS, mintOrder, type Order, type Result } from './orders.ts'

/** The parts of an instance: its steps are our own code, everything around them is the test's. */
export interface InstanceParts {
  readonly registry: Registry
  /** Instead of it for creates and cancels by key. */
  readonly backendRegistry?: Registry | undefined
  /** The upstream as a deed sees it; the workflow's name is the deed's. */
  readonly chatkit: (workflow: string) => Pick<ChatKit, 'createSession' | 'cancelSession'>
  readonly cap: NewEntry['cap']
  readonly now: Clock
  readonly pause: () => Promise<void>
}

interface Deps {
  readonly parts: InstanceParts
  readonly revoke: Revoke
  readonly canceller: Canceller
  readonly backend: ReturnType<typeof createBackendDeeds>
}

/** One life of an instance. */
export type Perform = (order: Order, workflow: string, signal?: AbortSignal) => Promise<Result>

const log = createLog({ level: 'silent' })
const SWEEP_AFTER_SECONDS = 3600
const UNLIMITED = { max: 10_000_000, seconds: 60 }

/** Puts mint, revoke and canceller together as the composition root does. */
export function createInstance(parts: InstanceParts): Perform {
  const { registry, cap, now } = parts
  const chatkit = (workflow: string) => withoutThreads(parts.chatkit(workflow))
  const canceller = createCanceller({
    ...{ registry, now, log },
    chatkit: ({ workflow }) => chatkit(workflow),
    random: () => 0.5,
    pause: parts.pause,
  })
  const stepsOver = (registry: Registry) => ({
    registry,
    mint: createMint({
      ...{ registry, chatkit, canceller, now },
      limits: { mintsPerUser: UNLIMITED, liveSessionsPerUser: cap },
      issuers: ISSUERS,
    }),
    revoke: createRevoke({ registry, canceller, now }),
  })
  const { mint, revoke } = stepsOver(registry)
  const backend = createBackendDeeds({ ...stepsOver(parts.backendRegistry ?? registry), now })
  const deps = { parts, revoke, canceller, backend }
  return (order, workflow, signal) => {
    if (order.kind !== 'mint') return carryOut(deps, order)
    if (order.byKey) return backend.create(order, workflow, signal)
    return mintOne(mint, mintOrder(order, workflow), signal)
  }
}

async function mintOne(
  mint: Mint,
  { caller, asked }: ReturnType<typeof mintOrder>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  const begun = await mint.begin(caller)
  const { id: sessionId, client_secret: clientSecret } = await mint.issue(
    begun,
    asked,
    signal && { signal },
  )
  return { minted: { session: sessionId, secret: clientSecret.reveal() } }
}

async function carryOut(
  { parts, revoke, canceller, backend }: Deps,
  order: Exclude<Order, { kind: 'mint' }>,
): Promise<Result> {
  const { registry, now } = parts
  switch (order.kind) {
    case 'revoke': {
      const { user, blockSeconds } = order
      const { blockedUntil } = await revoke.revokeUser({ user, blockSeconds, reason: '', by: 'a' })
      return { blockedUntil }
    }
    case 'lift':
      await registry.liftBlock(order.user, unixSeconds(now))
      return {}
    case 'sign_out':
      await revoke.signOut(order.user, 'ada')
      return {}
    case 'cancel':
      if (order.byKey) return backend.cancel(order)
      return { known: (await revoke.cancelSession(order.session, 'ada')) !== undefined }
    case 'logout': {
      const { user: subject, sid, issuedAt } = order
      await revoke.logOut({ issuer: ISSUER, subject, sid, issuedAt })
      return {}
    }
    case 'outbox':
      await canceller.workOutbox()
      return {}
    case 'sweep': {
      const seconds = unixSeconds(now)
      const before = seconds - SWEEP_AFTER_SECONDS
      await registry.sweep({
        sessionsEndedBefore: before,
        auditBefore: before,
        usersSeenBefore: before,
        now: seconds,
      })
      return {}
    }
  }
}

export function withoutThreads(
  sessions: Pick<ChatKit, 'createSession' | 'cancelSession'>,
): ChatKit {
  const none = async () => {
    throw new ServiceError('internal_error', { reason: 'nothing here has threads' })
  }
  return {
    ...sessions,
    listThreads: none,
    retrieveThread: none,
    deleteThread: none,
    listThreadItems: none,
  }
}
