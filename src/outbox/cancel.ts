// Cancels sessions upstream, and retries from the outbox until the upstream confirms or they expire.

import { setTimeout } from 'node:timers/promises'
import type { ChatKit } from '../chatkit/port.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { eachBounded } from '../lib/concurrency.ts'
import type { SessionId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { whyOf } from '../lib/show.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord } from '../registry/records.ts'
import { type CancelTarget, createUngiven, type Unrecorded } from './ungiven.ts'

/** The ids of sessions that the upstream confirmed as cancelled, and of those still in the outbox. */
export interface CancelOutcome {
  readonly cancelled: readonly SessionId[]
  readonly cancelling: readonly SessionId[]
}

/** Cancels sessions upstream, and tries again until they are confirmed or expired. */
export type Canceller = ReturnType<typeof createCanceller>

interface CancellerParts {
  readonly registry: Pick<
    Registry,
    'beginCancel' | 'claimCancels' | 'confirmCancel' | 'postponeCancel'
  >
  /** The upstream of a session, also when its workflow has left the config since. */
  readonly chatkit: (session: CancelTarget) => Pick<ChatKit, 'cancelSession'>
  readonly now: Clock
  readonly log: Log
  /** 0..1, to spread retries. */
  readonly random?: () => number
  /** Resolves after so many milliseconds. A real timer, unless a test replaces it. */
  readonly pause?: (milliseconds: number) => Promise<void>
}

/** Most cancels under way in this process, and most that one round of the outbox takes. */
export const CANCELS_AT_A_TIME = 64
/**
 * Time limit of one attempt. It is shorter than the first lease, so an attempt that starts at once ends
 * before another instance may try the same session.
 */
const ATTEMPT_MS = 3000
/**
 * One call starts no attempt later than this; the outbox tries the other sessions. The call lasts at
 * most one attempt longer.
 */
const TOGETHER_MS = 8000
/** The outbox is read every 500 ms, so tries are at most 2 s apart at first, and 5 s later. */
const LEASE_MS = 4500
const AGAIN_MS = { first: 1000, jitter: 400 }
/** Most cancels postponed at once, each with a durable write. The rest is due when its lease ends. */
const MOST_POSTPONED = 256
const MOST_FAILURES = 10_000

export function createCanceller({
  registry,
  chatkit,
  now,
  log,
  random = Math.random,
  pause = setTimeout,
}: CancellerParts) {
  const background = createBackground()
  const attempt = createAttempt({ chatkit, log })
  const postpone = createBackoff({ registry, now, random })
  const inLane = createLanes(CANCELS_AT_A_TIME)
  /** Sessions of which a running `cancelAll` has not yet written what came of them: the outbox leaves them alone. */
  const held = new Set<string>()

  /**
   * Asks the upstream once for each of these `cancelling` sessions, within a bounded time. Together with all other
   * cancels of this process at most 64 are under way. A cancel that is not confirmed stays in the outbox.
   */
  async function cancelAll(
    sessions: readonly SessionRecord[],
    withinMs = TOGETHER_MS,
  ): Promise<CancelOutcome> {
    const end = performance.now() + withinMs
    const ids: Record<AttemptOutcome, SessionId[]> = { confirmed: [], failed: [], untried: [] }
    for (const { id } of sessions) held.add(id)
    await eachBounded(sessions, CANCELS_AT_A_TIME, async (session) => {
      const outcome = await inLane(async () => {
        if (performance.now() >= end) return 'untried'
        return (await attempt(session)) ? 'confirmed' : 'failed'
      })
      ids[outcome].push(session.id)
    })
    await writeOutcome(ids.confirmed, ids.failed)
    for (const { id } of sessions) held.delete(id)
    return { cancelled: ids.confirmed, cancelling: [...ids.failed, ...ids.untried] }
  }

  /** If the store fails here, nothing is lost: the entries stay in the outbox, and are tried again when due. */
  async function writeOutcome(ended: readonly SessionId[], failed: readonly SessionId[]) {
    try {
      if (ended.length > 0) await registry.confirmCancel(ended, unixSeconds(now))
      await postpone(failed)
    } catch (error) {
      log.error({ ...whyOf(error), sessions: ended.length }, 'confirmed cancels were not recorded')
    }
  }

  const ungiven = createUngiven({ registry, now, log, pause, attempt, cancelAll })

  return {
    cancelAll,
    /** {@link cancelAll} without waiting. */
    cancelSoon(sessions: readonly SessionRecord[]): void {
      if (sessions.length > 0) background.run(cancelAll(sessions))
    },
    /**
     * Cancels a session whose secret reached nobody: through the outbox, or without it when the registry does not
     * have it or does not answer.
     */
    cancelUngiven: (session: SessionRecord) => background.run(ungiven.cancel(session)),
    /** Cancels a session that is not in the registry, without the outbox. Its secret reached nobody. */
    cancelUnrecorded: (session: Unrecorded) => background.run(ungiven.cancelUnrecorded(session)),
    /** Tries due cancels of the outbox, and those that no outbox has. Returns the number of the first. */
    async workOutbox(): Promise<number> {
      background.run(ungiven.cancelLeft())
      background.run(cancelAll(await ungiven.recordedLate()))
      const leaseMs = LEASE_MS - Math.round(random() * AGAIN_MS.jitter)
      const due = await registry.claimCancels({ nowMs: now(), limit: CANCELS_AT_A_TIME, leaseMs })
      const free = due.filter(({ id }) => !held.has(id))
      // No attempt begins that could outlast its lease.
      const end = performance.now() + leaseMs - ATTEMPT_MS
      const { cancelled, cancelling } = await cancelAll(free, leaseMs - ATTEMPT_MS)
      // After an outage the breaker lets one call through. Once it is answered, the others need not wait for
      // their next lease.
      const again = cancelled.length > 0 ? free.filter(({ id }) => cancelling.includes(id)) : []
      await cancelAll(again, end - performance.now())
      return due.length
    },
    /** Keeps work in the background; `settled` resolves when there is none any more. */
    inBackground: background.run,
    settled: background.settled,
  }
}

/** Keeps the work that nobody waits for, until it has settled. */
function createBackground() {
  const running = new Set<Promise<unknown>>()
  return {
    run(work: Promise<unknown>): void {
      const settled = work.finally(() => running.delete(settled))
      running.add(settled)
    },
    async settled(): Promise<void> {
      while (running.size > 0) await Promise.allSettled(running)
    },
  }
}

type AttemptOutcome = 'confirmed' | 'failed' | 'untried'

/** Runs at most `limit` pieces of work at a time, first come, first served. */
function createLanes(limit: number) {
  const waiting: (() => void)[] = []
  let free = limit
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      // The lane is handed over directly, so that no later work can take it first.
      const next = waiting.shift()
      if (next) next()
      else free += 1
    }
  }
}

type Attempt = (session: CancelTarget) => Promise<boolean>

/**
 * Makes one attempt, or joins the one that is under way for the session in this process. True when the upstream
 * confirmed, or no longer knows the session.
 */
function createAttempt({ chatkit, log }: Pick<CancellerParts, 'chatkit' | 'log'>): Attempt {
  const underWay = new Map<string, Promise<boolean>>()

  async function attempt(session: CancelTarget): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(ATTEMPT_MS)
      await chatkit(session).cancelSession(session.id, { signal })
      return true
    } catch (error) {
      const { id, workflow } = session
      log.warn({ session: id, workflow, ...whyOf(error) }, 'cancel failed')
      return false
    }
  }

  return (session) => {
    const { id } = session
    const running = underWay.get(id) ?? attempt(session).finally(() => underWay.delete(id))
    underWay.set(id, running)
    return running
  }
}

/**
 * Makes the function that lets sessions be due again soon after their first failure. After more failures the lease of a
 * session is its pause: in an outage, thousands of them must not cost a write per attempt. Only failures in this process
 * count.
 */
function createBackoff({
  registry,
  now,
  random,
}: Required<Pick<CancellerParts, 'registry' | 'now' | 'random'>>) {
  const failed = new Set<string>()
  return async (ids: readonly SessionId[]): Promise<void> => {
    // Sessions stay in the set when they end: it is emptied at its bound.
    if (failed.size > MOST_FAILURES) failed.clear()
    const first = ids.filter((id) => !failed.has(id)).slice(0, MOST_POSTPONED)
    for (const id of ids) failed.add(id)
    await eachBounded(first, CANCELS_AT_A_TIME, async (id) => {
      const wait = AGAIN_MS.first + random() * AGAIN_MS.jitter
      await registry.postponeCancel(id, Math.round(now() + wait))
    })
  }
}
