// Runs the work that no request starts: retries of cancels from the outbox, and the retention.

import type { Settings } from '../config/settings.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { whyOf } from '../lib/show.ts'
import type { Registry } from '../registry/port.ts'
import { CANCELS_AT_A_TIME, type Canceller } from './cancel.ts'

/** An unconfirmed cancel is tried again within 2 s, by the first instance that looks. */
const OUTBOX_EVERY_MS = 500
const SWEEP_EVERY_MS = 60_000

/**
 * Runs the outbox and the retention at intervals. An interval begins when a round has ended, so that a
 * slow store never has two rounds at once.
 */
export function createHousekeeping({
  registry,
  canceller,
  retention,
  now,
  log,
}: {
  readonly registry: Pick<Registry, 'sweep'>
  readonly canceller: Pick<Canceller, 'workOutbox'>
  readonly retention: Settings['retention']
  readonly now: Clock
  readonly log: Log
}) {
  const outbox = createLoop({ name: 'outbox', everyMs: OUTBOX_EVERY_MS, log }, async () => {
    // After an outage thousands may be due, so a full batch is followed by the next one at once.
    return (await canceller.workOutbox()) >= CANCELS_AT_A_TIME
  })
  const sweep = createLoop({ name: 'sweep', everyMs: SWEEP_EVERY_MS, log }, async () => {
    const seconds = unixSeconds(now)
    await registry.sweep({
      sessionsEndedBefore: seconds - retention.sessionsHours * 3600,
      auditBefore: seconds - retention.auditDays * 86_400,
      usersSeenBefore: seconds - retention.usersDays * 86_400,
      now: seconds,
    })
    return false
  })
  return {
    start(): void {
      outbox.start()
      sweep.start()
    },
    /** Waits for the round under way. */
    async stop(): Promise<void> {
      await Promise.all([outbox.stop(), sweep.stop()])
    },
  }
}

/** Repeats `round` at an interval, or at once when it resolves to true. */
function createLoop(
  { name, everyMs, log }: { readonly name: string; readonly everyMs: number; readonly log: Log },
  round: () => Promise<boolean>,
) {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  let stopped = false
  let failing = false

  async function run(): Promise<void> {
    let more = false
    try {
      more = await round()
      if (failing) log.info(`${name} works again`)
      failing = false
    } catch (error) {
      // Logged once per outage: the log line of each refused request shows the state of the store too.
      if (!failing) log.error(whyOf(error), `${name} failed; it is tried again`)
      failing = true
    }
    schedule(more ? 0 : everyMs)
  }

  function schedule(afterMs: number): void {
    if (stopped) return
    timer = setTimeout(() => {
      running = run()
    }, afterMs).unref()
  }

  return {
    start: () => schedule(everyMs),
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}
