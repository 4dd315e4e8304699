import { createLog } from '../../src/lib/log.ts'
import { createMint } from '../../src/mint/mint.ts'
import { createCanceller } from '../../src/outbox/cancel.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createRevoke } from '../../src/revoke/revoke.ts'
import { NOW } from '../contracts/registry-fixtures.ts'
import { createFakeUpstream } from '../race/fake-upstream.ts'
import { withoutThreads } from '../race/instance.ts'
import { ISSUERS, mintOrder } from '../race/orders.ts'
import { userId } from '../support/ids.ts'

/** Cost of one step, in microseconds of CPU. */
export interface Cost {
  readonly mint: number
  readonly revoke: number
}

/** Microseconds of CPU that have been spent so far, wherever the store spends them. */
export type Spent = () => Promise<number>

export const spentHere: Spent = async () => {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** The same users again and again, or the small store would grow. */
const USERS = Array.from({ length: 100 }, (_, at) => `measured-${at}`)

/** Where something is measured. */
export interface Side {
  /** With whatever it holds of other users. */
  readonly registry: Registry
  readonly spent: Spent
}

async function costOf(spent: Spent, work: (user: string) => Promise<unknown>): Promise<number> {
  const before = await spent()
  for (const user of USERS) await work(user)
  return ((await spent()) - before) / USERS.length
}

/**
 * Makes a function that mints for some users, revokes them, and says what that cost for one. It
 * leaves nothing behind.
 */
export function createMeasure({ registry, spent }: Side): () => Promise<Cost> {
  const { mint, revoke } = createSteps(registry)
  return async () => {
    // The first after a sweep pays for it: lists that shrank have to grow again.
    await mint('first')
    const cost = { mint: await costOf(spent, mint), revoke: await costOf(spent, revoke) }
    await revoke('first')
    await registry.sweep({
      sessionsEndedBefore: NOW + 1,
      auditBefore: 0,
      usersSeenBefore: 0,
      now: NOW,
    })
    return cost
  }
}

/** Step 3 as the composition root puts it together, with an upstream that answers at once. */
function createSteps(registry: Registry) {
  const now = () => NOW * 1000
  const turn = async () => {}
  const upstream = createFakeUpstream({ now, turn, prefix: 'cost' })
  const chatkit = () => withoutThreads(upstream.client(turn, () => {}))
  const log = createLog({ level: 'silent' })
  const canceller = createCanceller({ registry, chatkit, now, log })
  const mint = createMint({
    ...{ registry, chatkit, canceller, now },
    limits: {
      mintsPerUser: { max: 10_000_000, seconds: 60 },
      liveSessionsPerUser: { max: 20, whenFull: 'evict_oldest' },
    },
    issuers: ISSUERS,
  })
  const { revokeUser } = createRevoke({ registry, canceller, now })
  const token = { sid: undefined, issuedAt: NOW, byKey: false }
  const order = { kind: 'mint', ...token, seconds: 600, current: undefined, leaves: false } as const
  return {
    async mint(user: string) {
      const { caller, asked } = mintOrder({ ...order, user: userId(user) }, 'support')
      await mint.issue(await mint.begin(caller), asked)
    },
    revoke: (user: string) =>
      revokeUser({ user: userId(user), blockSeconds: 0, reason: undefined, by: 'ada' }),
  }
}

/**
 * Measures two sides in turns, so that whatever the machine does meanwhile happens to both.
 *
 * @param batches - per side, after a few that only warm up
 * @returns the lower quartile of each side: what disturbs a batch only ever adds to it
 */
export async function compare(
  sides: readonly (() => Promise<Cost>)[],
  batches: number,
): Promise<readonly Cost[]> {
  const found = sides.map(() => ({ mint: [] as number[], revoke: [] as number[] }))
  for (let batch = -WARM_UP; batch < batches; batch++) {
    // Each side is first every other time.
    const order = batch % 2 === 0 ? [...sides.keys()] : [...sides.keys()].reverse()
    for (const at of order) {
      const cost = await sides[at]?.()
      if (batch < 0 || cost === undefined) continue
      found[at]?.mint.push(cost.mint)
      found[at]?.revoke.push(cost.revoke)
    }
  }
  return found.map(({ mint, revoke }) => ({ mint: quartile(mint), revoke: quartile(revoke) }))
}

const WARM_UP = 4

function quartile(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 4)] ?? Number.NaN
}
