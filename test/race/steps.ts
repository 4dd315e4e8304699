// Holds every step back until the scheduler gives it a turn. A step of a crashed instance never gets one.
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Scheduler } from 'fast-check'

/** No run takes this long unless a deed hangs. */
const HANGS_MS = 20_000

/** One life of an instance: from its start to its crash. */
export interface Life {
  alive: boolean
}

/** Where every step of every instance waits until the scheduler lets it go on. */
export interface Steps {
  /** Waits for its turn. A step of a life that has ended never gets one. */
  turn(life: Life, label: string): Promise<void>
  /** Runs real input or output, of which {@link Steps.quiet} knows. */
  real<T>(work: () => Promise<T>): Promise<T>
  /** How many times real input or output has begun so far. */
  begun(): number
  /** Resolves when no real input or output is under way and every step waits for its turn. */
  quiet(): Promise<void>
  /** The same; without waiting for real input and output when steps may overlap in it. */
  settle(): Promise<void>
  /** Gives turns until nobody waits for one and all is over. */
  idle(isOver: () => boolean): Promise<void>
}

/** @param overlap - real input and output of several steps may be under way at once */
export function createSteps(scheduler: Scheduler, overlap: boolean): Steps {
  let underWay = 0
  let begun = 0

  async function quiet(): Promise<void> {
    do await setImmediate()
    while (underWay > 0)
  }

  return {
    async turn(life, label) {
      await scheduler.schedule(Promise.resolve(), label)
      if (!life.alive) await new Promise<never>(() => undefined)
    },
    async real(work) {
      underWay++
      begun++
      try {
        return await work()
      } finally {
        underWay--
      }
    },
    begun: () => begun,
    quiet,
    settle: overlap ? () => setImmediate() : quiet,
    async idle(isOver) {
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
