import type { Timing } from '../../src/http/server/mint-limiter.ts'

/** Time that passes when a test says so, with one timer. */
export interface HandTiming extends Timing {
  /** Lets so many milliseconds pass, then runs what waits for its time. */
  fire(milliseconds: number): void
  pending(): boolean
}

/** Starts at 0. */
export function handTiming(): HandTiming {
  let time = 0
  let waiting: (() => void) | undefined
  return {
    now: () => time,
    after(_milliseconds, run) {
      waiting = run
      return () => {
        waiting = undefined
      }
    },
    fire(milliseconds) {
      time += milliseconds
      const run = waiting
      waiting = undefined
      run?.()
    },
    pending: () => waiting !== undefined,
  }
}
