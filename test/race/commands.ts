// The commands that fast-check draws from, and how often it draws each kind.

import fc from 'fast-check'
import { unixSeconds } from '../../src/lib/clock.ts'
import type { UserId } from '../../src/lib/ids.ts'
import { userId } from '../support/ids.ts'
import { heldSecrets } from './claims.ts'
import type { UpstreamFault } from './fake-upstream.ts'
import type { Order } from './orders.ts'
import type { StoreFault, World } from './world.ts'

/** Instances that every world has. */
const INSTANCES = 3

/** A command only begins something; the scheduler decides how it goes on beside the others. */
interface Command {
  readonly name: string
  readonly begin: (world: World) => void | Promise<void>
}

/** Unknown until the run: the nth of what there is then. */
const nth = fc.nat({ max: 20 })
const instance = fc.nat({ max: INSTANCES - 1 })
const ahead = fc.constantFrom(undefined, -30, -1, 0, 2)
const sid = fc.constantFrom(undefined, undefined, 'x', 'y')

function pick<T>(list: readonly T[], at: number): T | undefined {
  return list[at % Math.max(1, list.length)]
}

function userOf(world: World, at: number): UserId {
  return userId(pick(world.users, at) ?? '')
}

function ordering<T extends { instance: number }>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  order: (world: World, of: T) => Order | undefined,
): fc.Arbitrary<Command> {
  return arbitrary.map((of) => ({
    name: `${name} ${JSON.stringify(of)}`,
    begin(world) {
      const ordered = order(world, of)
      if (ordered) world.begin(of.instance, ordered)
    },
  }))
}

const user = nth
const secondsOf = ({ clock }: World) => unixSeconds(() => clock.nowMs)

const mint = ordering(
  'mint',
  fc.record({
    ...{ instance, user, sid, ahead },
    seconds: fc.constantFrom(600, 600, 45),
    /** A client secret that the caller holds, or somebody else does. */
    current: fc.option(nth, { nil: undefined }),
    foreign: fc.constantFrom(false, false, false, true),
    leaves: fc.nat({ max: 9 }).map((one) => one === 0),
    byKey: fc.constantFrom(false, false, false, true),
  }),
  (world, of) => {
    const whose = userOf(world, of.user)
    const known = heldSecrets(world).filter(
      ({ mint: { order } }) => (order.user === whose) !== of.foreign,
    )
    const { seconds, leaves, byKey } = of
    if (byKey) return { kind: 'mint', user: whose, ...NO_TOKEN, seconds, leaves, byKey }
    return {
      kind: 'mint',
      user: whose,
      sid: of.sid && `${whose}-${of.sid}`,
      issuedAt: of.ahead === undefined ? undefined : secondsOf(world) + of.ahead,
      current: of.current === undefined ? undefined : pick(known, of.current)?.session.secret,
      ...{ seconds, leaves, byKey },
    }
  },
)

/** An API key says nothing of a token, or of a secret that the page holds. */
const NO_TOKEN = { sid: undefined, issuedAt: undefined, current: undefined }

const revoke = ordering(
  'revoke',
  fc.record({ instance, user, blockSeconds: fc.constantFrom(0, 60, 100_000) }),
  (world, of) => ({ kind: 'revoke', user: userOf(world, of.user), blockSeconds: of.blockSeconds }),
)

const lift = ordering('lift', fc.record({ instance, user }), (world, of) => ({
  kind: 'lift',
  user: userOf(world, of.user),
}))

const signOut = ordering('sign out', fc.record({ instance, user }), (world, of) => ({
  kind: 'sign_out',
  user: userOf(world, of.user),
}))

const cancel = ordering(
  'cancel',
  fc.record({ instance, nth, byKey: fc.boolean() }),
  (world, { nth, byKey }) => {
    const session = pick([...world.upstream.sessions.values()], nth)
    return session && { kind: 'cancel', session: session.id, byKey }
  },
)

const logout = ordering(
  'logout',
  fc.record({
    instance,
    user,
    sid,
    by: fc.constantFrom('subject', 'sid', 'both'),
    ahead: fc.constantFrom(-30, -1, 0),
  }),
  (world, of) => {
    const whose = userOf(world, of.user)
    const named = of.by === 'subject' ? undefined : `${whose}-${of.sid ?? 'x'}`
    return {
      kind: 'logout',
      user: of.by === 'sid' ? undefined : whose,
      sid: named,
      issuedAt: secondsOf(world) + of.ahead,
    }
  },
)

const outbox = ordering('outbox', fc.record({ instance }), () => ({ kind: 'outbox' }))
const sweep = ordering('sweep', fc.record({ instance }), () => ({ kind: 'sweep' }))

const time = fc.constantFrom(500, 1_000, 4_100, 61_000, 300_000).map((milliseconds) => ({
  name: `time passes: ${milliseconds} ms`,
  begin(world: World) {
    world.clock.nowMs += milliseconds
  },
}))

const crash = instance.map((which) => ({
  name: `crash of ${which}`,
  begin: (world: World) => world.crash(which),
}))

const upstreamFaults = fc
  .record({
    of: fc.constantFrom('create' as const, 'cancel' as const, 'cancel' as const),
    faults: fc.array(fc.constantFrom<UpstreamFault[]>('refuse', 'lose', 'late', 'unusable'), {
      minLength: 1,
      maxLength: 4,
    }),
  })
  .map(({ of, faults }) => ({
    name: `upstream: ${of} ${faults}`,
    begin(world: World) {
      world.upstream.faults[of] = faults
    },
  }))

const storeFaults = fc
  .array(fc.constantFrom<StoreFault[]>('refuse', 'lose'), { minLength: 1, maxLength: 2 })
  .map((faults) => ({
    name: `store: ${faults}`,
    begin(world: World) {
      world.storeFaults.push(...faults)
    },
  }))

/** At once, so that they are truly beside each other. */
const several = fc
  .array(fc.oneof({ arbitrary: mint, weight: 5 }, revoke, signOut, cancel, lift, logout, outbox), {
    minLength: 2,
    maxLength: 5,
  })
  .map((together) => ({
    name: together.map(({ name }) => name).join(' and '),
    async begin(world: World) {
      for (const { begin } of together) await begin(world)
    },
  }))

/** Frequent ones stand more than once. */
const all: fc.Arbitrary<Command>[] = [
  ...[
    mint,
    mint,
    mint,
    mint,
    mint,
    several,
    several,
    revoke,
    signOut,
    cancel,
    lift,
    logout,
    outbox,
    outbox,
  ],
  ...[sweep, time, crash, upstreamFaults, storeFaults],
]

/** The commands of one run. */
export const commands = fc.commands<World, object, false>(
  all.map((arbitrary) =>
    arbitrary.map(({ name, begin }) => ({
      check: () => true,
      async run(world) {
        await begin(world)
      },
      toString: () => name,
    })),
  ),
  { maxCommands: 30, size: 'max' },
)
