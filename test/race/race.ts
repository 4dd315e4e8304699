// The race: looks for an order of events in which the service breaks one of its promises.
//
// How it works. Each run builds a world: three instances of the service's own code (mint, revoke,
// canceller) over one store, a fake upstream and a clock that only the test moves. fast-check draws
// up to 30 commands: mint, revoke, sign-out, logout, cancel, a crash, a fault, time that passes; mints and
// cancels also by an API key, through the code of its routes. A
// command only begins a deed. Every step of a deed (a call of the store or of the upstream, and its
// answer) then waits until fast-check's scheduler gives it a turn, so the scheduler decides how the
// deeds interleave. After each turn `claims.ts` compares what was answered with what the store and
// the upstream hold. At the end all faults are removed, the outbox is emptied and everything is compared once more. A
// broken promise throws; fast-check then shortens the list of commands and
// prints the shortest history it found.
//
// `plants.test.ts` shows that this works: it puts known faults into the code and expects each to be
// found. `npm run test:race` tries more interleavings than the usual test run does.
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import type { Registry } from '../../src/registry/port.ts'
import type { NewEntry } from '../../src/registry/records.ts'
import {
  noteEvicted,
  wrongAtTheEnd,
  wrongWithCancel,
  wrongWithCap,
  wrongWithMint,
  wrongWithSecrets,
} from './claims.ts'
import { commands } from './commands.ts'
import { type Deed, isOf } from './orders.ts'
import { createWorld, type StartInstance, type World } from './world.ts'

/** Instances over one store, and a connection to look into it. */
export interface RaceStore {
  readonly instances: readonly StartInstance[]
  readonly observer: Registry
}

export interface RaceOptions {
  readonly runs: number
  /** Over one store; asked for before each run. */
  readonly store: () => RaceStore | Promise<RaceStore>
  /** Calls of the store go on beside each other; else one waits for the other. */
  readonly overlap?: boolean
  /** Stop at the first failure, without looking for a shorter one. */
  readonly once?: boolean
  /** Called after each run with its world, to check that the runs reach the cases that matter. */
  readonly onEnd?: (world: World) => void
}

/** Runs start this far apart, so that nothing of one is left in the next one on the same store. */
const APART_MS = 2 * 86_400_000
const BEGINNING_MS = 1_800_000_000_000
/** The outbox is looked at this often at the end; leases and back-off are shorter. */
const ROUND_MS = 5_100
const MOST_ROUNDS = 8
/** With those in which a store of the test machine did not answer in time. */
const MOST_TRIES = 40

/** Counts the races in this process, which may share a store. */
let run = 0

const caps = fc.record({
  max: fc.constantFrom(1, 2, 3),
  whenFull: fc.constantFrom<NewEntry['cap']['whenFull'][]>('evict_oldest', 'deny'),
})

/**
 * Looks for an order of events that breaks a promise.
 *
 * @returns what fast-check found
 */
export async function race({ runs, store, overlap = false, once = false, onEnd }: RaceOptions) {
  let current: { readonly world: World; readonly watch: () => Promise<void> } | undefined
  const act = async (turn: () => Promise<void>) => {
    await turn()
    await current?.world.steps.settle()
    await current?.watch()
  }
  const property = fc.asyncProperty(
    fc.scheduler({ act }),
    caps,
    commands,
    async (scheduler, cap, ordered) => {
      const world = createWorld({
        ...(await store()),
        ...{ scheduler, cap, overlap },
        prefix: `r${run}`,
        startsAtMs: BEGINNING_MS + run++ * APART_MS,
      })
      current = { world, watch: watching(world, overlap) }
      await fc.scheduledModelRun(scheduler, () => ({ model: world, real: {} }), ordered)
      await world.idle()
      await emptyOutbox(world)
      complain(world, await wrongAtTheEnd(world))
      onEnd?.(world)
    },
  )
  return fc.check(property, { numRuns: runs, endOnFailure: once })
}

/**
 * Looks at what must hold at each moment; to be called after each event. Where every look is a call
 * of a server, only at what deeds that have ended could have brought about. An event after which no deed has
 * ended and the store was not called breaks no promise: nothing was answered, and the store is as before.
 */
function watching(world: World, atEndsOnly: boolean): () => Promise<void> {
  const seen = new Set<Deed>()
  let seenCalls = 0
  return async () => {
    const ended = world.deeds.filter((deed) => deed.ended !== undefined && !seen.has(deed))
    const calls = world.steps.begun()
    if (ended.length === 0 && (atEndsOnly || calls === seenCalls)) return
    seenCalls = calls
    await noteEvicted(world)
    const wrong = await wrongWithCap(world)
    for (const deed of ended) {
      seen.add(deed)
      if (isOf('mint')(deed)) wrong.push(...(await wrongWithMint(world, deed)))
      if (isOf('cancel')(deed)) wrong.push(...wrongWithCancel(world, deed))
      if (
        deed.order.kind !== 'mint' &&
        deed.error !== undefined &&
        deed.error !== 'store_unavailable'
      ) {
        wrong.push(`${deed.order.kind} failed: ${deed.error}`)
      }
    }
    if (!atEndsOnly && (await outboxLength(world)) === 0) wrong.push(...wrongWithSecrets(world))
    complain(world, wrong)
  }
}

/** Removes all faults, and gives the outbox the time it needs, on one instance after the other. */
async function emptyOutbox(world: World): Promise<void> {
  world.upstream.faults.create = []
  world.upstream.faults.cancel = []
  world.storeFaults.length = 0
  for (let round = 0, tries = 0; round < MOST_ROUNDS && tries < MOST_TRIES; tries++) {
    world.clock.nowMs += ROUND_MS
    const { error } = await finished(world, world.begin(tries, { kind: 'outbox' }))
    if (error === undefined) round++
    else await sleep(50)
    if ((await outboxLength(world)) === 0) return
  }
  complain(world, [`the outbox is not empty after ${MOST_ROUNDS} rounds`])
}

async function finished(world: World, deed: Deed): Promise<Deed> {
  await world.idle()
  return deed
}

async function outboxLength({ observer, clock }: World): Promise<number> {
  return (await observer.figures(clock.nowMs / 1000)).outboxLength
}

function complain(world: World, wrong: readonly string[]): void {
  if (wrong.length === 0) return
  const history = world.deeds.map(
    ({ id, instance, order, begun, createdAt, ended, result, error }) =>
      `${id} @${instance} ${JSON.stringify(order)} [${begun}-${createdAt ?? ''}-${ended ?? ''}] ${
        error ?? JSON.stringify(result)
      }`,
  )
  throw new Error([...wrong, `cap ${JSON.stringify(world.cap)}`, ...history].join('\n'))
}
