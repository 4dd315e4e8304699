// The world of one run: instances, store, upstream and clock, and the record of every deed.
import type { Scheduler } from 'fast-check'
import type { Clock } from '../../src/lib/clock.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import type { Registry } from '../../src/registry/port.ts'
import type { NewEntry } from '../../src/registry/records.ts'
import { createFakeUpstream, type FakeUpstream } from './fake-upstream.ts'
import type { Perform } from './instance.ts'
import type { Deed, Order } from './orders.ts'
import { createSteps, type Life, type Steps } from './steps.ts'

/** A fault of one call of the store: it has no effect, or its answer is lost. */
export type StoreFault = 'refuse' | 'lose'

/** The parts of the world that an instance uses. */
export interface Surroundings {
  readonly steps: Steps
  /** Waits for its turn, as long as this life lasts. */
  readonly turn: (label: string) => Promise<void>
  /** The upstream as a deed sees it; the workflow's name is the deed's id. */
  readonly chatkit: (workflow: string) => ReturnType<FakeUpstream['client']>
  readonly storeFaults: StoreFault[]
  readonly cap: NewEntry['cap']
  readonly now: Clock
}

/** Starts one life of an instance. */
export type StartInstance = (surroundings: Surroundings) => {
  readonly perform: Perform
  /** Ends it in the middle of whatever it does. */
  kill?(): Promise<void>
}

/** Everything of one run: instances over one store, one upstream, one clock, and what happened. */
export interface World {
  readonly cap: NewEntry['cap']
  readonly users: readonly string[]
  readonly clock: { nowMs: number }
  readonly steps: Steps
  readonly upstream: FakeUpstream
  readonly storeFaults: StoreFault[]
  readonly deeds: readonly Deed[]
  /** Held sessions that were seen evicted, and when. */
  readonly evicted: Map<string, number>
  /** Now, in the order of events. */
  event(): number
  /** Another connection to the store, for looking only. */
  readonly observer: Registry
  /** Begins a deed and leaves it to the scheduler. */
  begin(instance: number, order: Order): Deed
  /** Gives turns until everything that was begun is over. */
  idle(): Promise<void>
  /** The instance loses its memory at any point of its work, and starts again. */
  crash(instance: number): Promise<void>
}

export interface WorldOptions {
  readonly scheduler: Scheduler
  readonly cap: NewEntry['cap']
  readonly instances: readonly StartInstance[]
  readonly observer: Registry
  /** Prefix of users and ids, so that runs on one store do not meet. */
  readonly prefix: string
  readonly startsAtMs: number
  /** Several calls of the store may be under way at once. */
  readonly overlap: boolean
}

/** An instance. Each crash ends one of its lives and begins the next. */
interface Running extends ReturnType<StartInstance> {
  readonly life: Life
}

export function createWorld(options: WorldOptions): World {
  const { scheduler, cap, prefix } = options
  const clock = { nowMs: options.startsAtMs }
  const now = () => clock.nowMs
  const steps = createSteps(scheduler, options.overlap)
  const always = { alive: true }
  const turn = (label: string) => steps.turn(always, label)
  const upstream = createFakeUpstream({ now, prefix, turn })
  const storeFaults: StoreFault[] = []
  const deeds: Deed[] = []
  const running = options.instances.map(bringUp)
  let events = 0

  function bringUp(start: StartInstance): Running {
    const life = { alive: true }
    const own = (label: string) => steps.turn(life, label)
    const chatkit = (workflow: string) => clientOf(workflow, own)
    return { life, ...start({ ...{ steps, turn: own, chatkit, storeFaults, cap, now } }) }
  }

  function clientOf(workflow: string, own: (label: string) => Promise<void>) {
    return upstream.client(own, () => {
      const deed = deeds[Number(workflow)]
      if (deed) deed.createdAt = ++events
    })
  }

  function begin(instance: number, order: Order): Deed {
    const { life, perform } = at(running, instance)
    const id = deeds.length
    const unsettled = { createdAt: undefined, ended: undefined, result: undefined }
    const deed: Deed = { id, instance, order, begun: ++events, ...unsettled, error: undefined }
    deeds.push(deed)
    void settle(deed, life, perform(order, String(id), leaving(order, life)))
    return deed
  }

  function leaving(order: Order, life: Life): AbortSignal | undefined {
    if (order.kind !== 'mint' || !order.leaves) return undefined
    const controller = new AbortController()
    const gone = new ServiceError('request_timeout', { reason: 'the client is gone' })
    void steps.turn(life, 'the client leaves').then(() => controller.abort(gone))
    return controller.signal
  }

  async function settle(deed: Deed, life: Life, work: Promise<Deed['result']>): Promise<void> {
    try {
      const result = await work
      if (life.alive) Object.assign(deed, { result, ended: ++events })
    } catch (error) {
      const code = error instanceof ServiceError ? error.code : String(error)
      if (life.alive) Object.assign(deed, { error: code, ended: ++events })
    }
  }

  return {
    ...{ cap, clock, steps, upstream, storeFaults, deeds, begin },
    evicted: new Map(),
    event: () => ++events,
    idle: () => steps.idle(() => deeds.every(({ ended }) => ended !== undefined)),
    users: [`${prefix}-u0`, `${prefix}-u1`],
    observer: options.observer,
    async crash(instance) {
      const crashed = at(running, instance)
      crashed.life.alive = false
      await crashed.kill?.()
      // Calls that were sent to the store take effect there.
      await steps.quiet()
      for (const deed of deeds) {
        if (deed.instance === instance && deed.ended === undefined) deed.ended = ++events
      }
      running[instance] = bringUp(at(options.instances, instance))
    },
  }
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index % list.length]
  if (found === undefined) throw new Error('an empty list')
  return found
}
