import type { Clock } from '../../lib/clock.ts'

/** A task that runs once at a time, and not too often. */
export interface PacedTask {
  /** Joins the run that is under way, else starts one if the pause is over, else does nothing. */
  runIfAllowed(): Promise<void>
}

/**
 * @param options - `run`, which never rejects; `pauseMs`, the least time between two starts, asked
 * each time; `now`, the clock
 */
export function createPacedTask(options: {
  readonly run: () => Promise<void>
  readonly pauseMs: () => number
  readonly now: Clock
}): PacedTask {
  const { run, pauseMs, now } = options
  let startedAt = Number.NEGATIVE_INFINITY
  let flight: Promise<void> | undefined

  function start(): Promise<void> {
    startedAt = now()
    return run().finally(() => {
      flight = undefined
    })
  }

  return {
    async runIfAllowed() {
      // A clock that was set back must not stop the task until it has caught up.
      const allowed = now() - startedAt >= pauseMs() || now() < startedAt
      if (flight === undefined && allowed) flight = start()
      await flight
    },
  }
}
