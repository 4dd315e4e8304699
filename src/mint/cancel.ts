import { setTimeout } from 'node:timers/promises'
import type { ChatKit } from '../chatkit/port.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { eachBounded } from '../lib/each-bounded.ts'
import type { Log } from '../lib/log.ts'
import type { Registry, SessionRecord } from '../registry/port.ts'

/** Which cancels the upstream confirmed, and which are still in the outbox; by session id. */
export interface CancelOutcome {
  readonly cancelled: readonly string[]
  readonly cancelling: readonly string[]
}

/** Ends sessions upstream, and keeps at it. */
export interface Canceller {
  /**
   * Tries each of these `cancelling` sessions once, at most 64 at a time, within a bounded time.
   * What is not confirmed stays in the outbox.
   */
  cancelAll(sessions: readonly SessionRecord[]): Promise<CancelOutcome>
  /** The same without waiting. */
  cancelSoon(sessions: readonly SessionRecord[]): void
  /** Ends a session that is on no books: its secret reached nobody, so a few tries will do. */
  discard(id: string, workflow: string): void
  /** Takes what is due from the outbox and tries it; returns how many there were. */
  workOutbox(): Promise<number>
  /** Resolves when nothing begun by `cancelSoon` or `discard` is under way. */
  settled(): Promise<void>
}

/** What {@link createCanceller} needs. */
export interface CancellerOptions {
  readonly registry: Registry
  /** The adapter for a workflow's sessions; also for a workflow that has left the config. */
  readonly chatkit: (workflow: string) => ChatKit
  readonly now: Clock
  readonly log: Log
  /** 0..1, to spread retries. */
  readonly random?: () => number
}

/** How many cancels one call has under way, and one round of the outbox takes. */
export const CANCELS_AT_A_TIME = 64
/** One attempt; shorter than the first lease, so that no second instance starts beside us. */
const ATTEMPT_MS = 3000
/** How long one caller waits for all its cancels; the outbox has the rest. */
const TOGETHER_MS = 8000
const LEASE_MS = 5000
/** With the outbox looked at every half second, tries are at most 2 s apart at first and 5 s later. */
const BACKOFF_MS = { first: 1000, most: 4000, jitter: 400 }
const DISCARD_TRIES = 3
const MOST_FAILURES = 10_000

/**
 * @param options - store, upstream, time
 */
export function createCanceller(options: CancellerOptions): Canceller {
  const { registry, now, log } = options
  const background = new Set<Promise<unknown>>()
  const attempt = createAttempt(options)
  const backoff = createBackoff(options)

  async function cancelAll(sessions: readonly SessionRecord[]): Promise<CancelOutcome> {
    const end = performance.now() + TOGETHER_MS
    const cancelled: string[] = []
    const cancelling: string[] = []
    await eachBounded(sessions, CANCELS_AT_A_TIME, async (session) => {
      const confirmed = performance.now() < end && (await attempt(session))
      ;(confirmed ? cancelled : cancelling).push(session.id)
    })
    await writeOutcome({ cancelled, cancelling })
    return { cancelled, cancelling }
  }

  /** A store that fails here loses nothing: the entries stay, and are tried again when due. */
  async function writeOutcome({ cancelled, cancelling }: CancelOutcome): Promise<void> {
    try {
      if (cancelled.length > 0) await registry.confirmCancel(cancelled, unixSeconds(now))
      backoff.forget(cancelled)
      await eachBounded(cancelling, CANCELS_AT_A_TIME, backoff.postpone)
    } catch (error) {
      log.error({ err: error, sessions: cancelled.length }, 'cancels done but not written')
    }
  }

  function inBackground(work: Promise<unknown>): void {
    const settled = work.finally(() => background.delete(settled))
    background.add(settled)
  }

  return {
    cancelAll,
    cancelSoon(sessions) {
      if (sessions.length > 0) inBackground(cancelAll(sessions))
    },
    discard: (id, workflow) => inBackground(discard({ id, workflow }, attempt, log)),
    async workOutbox() {
      const claim = { nowMs: now(), limit: CANCELS_AT_A_TIME, leaseMs: LEASE_MS }
      const due = await registry.claimCancels(claim)
      if (due.length > 0) await cancelAll(due)
      return due.length
    },
    async settled() {
      while (background.size > 0) await Promise.allSettled(background)
    },
  }
}

type Target = Pick<SessionRecord, 'id' | 'workflow'>
type Attempt = (session: Target) => Promise<boolean>

/** One try; true when the upstream confirmed, or no longer knows the session. */
function createAttempt({ chatkit, log }: CancellerOptions): Attempt {
  return async (session) => {
    try {
      const signal = AbortSignal.timeout(ATTEMPT_MS)
      await chatkit(session.workflow).cancelSession(session.id, { signal })
      return true
    } catch (error) {
      log.warn({ session: session.id, workflow: session.workflow, err: error }, 'cancel failed')
      return false
    }
  }
}

/** Failed attempts per session, of this instance only: what another did is not worth a write. */
function createBackoff({ registry, now, random = Math.random }: CancellerOptions) {
  const failures = new Map<string, number>()
  return {
    async postpone(id: string): Promise<void> {
      // Sessions that another instance confirmed, or that expired, are never forgotten singly.
      if (failures.size > MOST_FAILURES) failures.clear()
      const failed = (failures.get(id) ?? 0) + 1
      failures.set(id, failed)
      const wait = Math.min(BACKOFF_MS.first * 2 ** (failed - 1), BACKOFF_MS.most)
      await registry.postponeCancel(id, now() + wait + random() * BACKOFF_MS.jitter)
    },
    forget(ids: readonly string[]): void {
      for (const id of ids) failures.delete(id)
    },
  }
}

async function discard(session: Target, attempt: Attempt, log: Log): Promise<void> {
  for (let tries = 1; tries <= DISCARD_TRIES; tries++) {
    if (await attempt(session)) return
    if (tries < DISCARD_TRIES) await setTimeout(BACKOFF_MS.first * tries)
  }
  log.error({ session: session.id }, 'a session nobody holds could not be cancelled; it expires')
}
