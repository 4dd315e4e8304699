// Holds every step back until the scheduler gives it a turn. A step of a crashed instance never gets one.
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Scheduler } from 'fast-check'

/** No run takes this long unless a deed hangs. */
const HANGS_MS = 20_000

/** One life of an instance: from its start to its crash. */
export interface Life {
  alive: boolean
}

export type Steps = ReturnType<typeof createSteps>

/** @param overlap - real input and output of several steps may be under way at once */
export function createSteps(scheduler: Scheduler, overlap: boolean) {
  let underWay = 0
  let begun = 0

  async function quiet(): Promise<void> {
    do await setImmediate()
    while (underWay > 0)
  }

  return {
    /** Waits for its turn. A step of a life that has ended never gets one. */
    async turn(life: Life, label: string) {
      await scheduler.schedule(Promise.resolve(), label)
      if (!life.alive) await new Promise<never>(() => undefined)
    },
    /** Runs real input or output, of which `quiet` knows. */
    async real<T>(work: () => Promise<T>) {
      underWay++
      begun++
      try {
        return await work()
      } finally {
        underWay--
      }
    },
    /** How many times real input or output has begun so far. */
    begun: () => begun,
    /** Resolves when no real input or output is under way and every step waits for its turn. */
    quiet,
    /** The same; without waiting for real input and output when steps may overlap in it. */
    settle: overlap ? () => setImmediate() : quiet,
    /** Gives turns until nobody waits for one and all is over. */
    async idle(isOver: () => boolean) {
      const end = performance.now() + HANGS_MS
      await quiet()
      while (scheduler.count() > 0 || !isOver()) {
        if (scheduler.count() > 0) await scheduler.waitNext(1)
        else await setTimeout(1)
        if (scheduler.count() === 0) await quiet()
        if (performance.now() > end) throw new Error('something is never over')
      }
    },
  }
}
