// Erases a user: blocks them, ends their sessions, deletes their threads and attachments, then the
// records of this service. It counts a failure and goes on.

import { setTimeout as wait } from 'node:timers/promises'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { UserId } from '../lib/ids.ts'
import type { Canceller } from '../outbox/cancel.ts'
import type { Audit } from '../registry/audit.ts'
import type { Registry } from '../registry/port.ts'
import { blockForErase } from './erase-block.ts'
import { eraseFromSources, type SourcesToErase } from './erase-sources.ts'
import { codeOf, createFailures } from './failures.ts'

/** One line of an erase: the progress so far, or, as the last line, the result. */
export type EraseLine = EraseProgress | EraseSummary

/** Running totals. */
export type EraseCounts = ReturnType<typeof createTally>['counts']

/** A line of progress. At least one per second, and one per hundred threads. */
export interface EraseProgress extends Readonly<EraseCounts> {
  readonly type: 'progress'
}

/** The last line. */
export type EraseSummary = Awaited<ReturnType<typeof conclude>>

/** The parts that {@link eraseUser} works on. */
export interface EraseParts {
  readonly sources: SourcesToErase['sources']
  readonly registry: SourcesToErase['registry'] &
    Pick<Registry, 'getBlock' | 'revoke' | 'liftBlock'> &
    Pick<Registry, 'listSessions' | 'eraseUser'>
  readonly canceller: Pick<Canceller, 'cancelAll' | 'inBackground'>
  readonly audit: Pick<Audit, 'flush'>
  /** Ends of the last erases that this process began, by user. */
  readonly underWay: Map<UserId, Promise<void>>
  readonly now: Clock
}

/** An admin's erase of a user. */
export interface EraseCommand {
  readonly user: UserId
  /** The admin: `issuer|subject`. */
  readonly by: string
  /**
   * Called before the last line, even if nobody reads the lines any more; without a summary when the user could not be
   * blocked, so that nothing was erased. Never rejects.
   */
  readonly onEnd: (summary?: EraseSummary) => Promise<void>
}

const EVERY_MS = 1000
const EVERY_THREADS = 100
/** How often the block is looked at: an erase on another instance that ends first lifts it. */
const CHECK_MS = 1000
/** Checks between renewals: a fifth of the block's duration, so that a renewal may fail. */
const RENEW_CHECKS = 60
/** Milliseconds in which a stream that was open when the user was blocked may still create a thread. */
const STREAMS_END_MS = 1200
/** Sessions and audit entries erased in one step of the store. */
const ERASED_AT_A_TIME = 100
const MAX_CANCELLING = 1000

/**
 * Once begun, it runs to its end even if nobody reads the lines: a proxy that gives up must not leave
 * the user half erased. A process that is to end waits for it, as long as it may. If it is repeated, it erases what
 * is left. While another erase of the user runs, it waits: two at once would prolong each other's block, and neither
 * could lift it.
 *
 * @throws before the first line only: when the user cannot be blocked. One that had to wait throws later
 */
export async function* eraseUser(
  parts: EraseParts,
  command: EraseCommand,
): AsyncGenerator<EraseLine, void, undefined> {
  const { underWay } = parts
  const { user } = command
  const tally = createTally()
  const before = underWay.get(user)
  const begun = (before ?? Promise.resolve())
    .then(() => blockForErase(parts, command))
    .catch(async (error: unknown) => {
      await command.onEnd()
      throw error
    })
  let summary: EraseSummary | undefined
  const running = begun.then(async (block) => {
    const isLast = () => underWay.get(user) === ended
    summary = await erase({ parts, command, block, tally, isLast })
  })
  // If nobody reads the lines any more, a rejection must not end the process.
  const ended = running.catch(() => undefined)
  underWay.set(user, ended)
  parts.canceller.inBackground(ended)
  void ended.then(() => underWay.get(user) === ended && underWay.delete(user))
  if (before === undefined) await begun
  do {
    yield { type: 'progress', ...tally.counts }
    await Promise.race([running, tally.stride(), wait(EVERY_MS, undefined, { ref: false })])
  } while (summary === undefined)
  yield summary
}

interface Job {
  readonly parts: EraseParts
  readonly command: EraseCommand
  readonly block: Awaited<ReturnType<typeof blockForErase>>
  readonly tally: ReturnType<typeof createTally>
  /** Whether no other erase of the user waits, for which the block must stay. */
  readonly isLast: () => boolean
}

function createTally() {
  const counts = {
    sessions_cancelled: 0,
    threads_deleted: 0,
    threads_failed: 0,
    attachments_deleted: 0,
    /** Sessions and audit entries of this service. */
    records_erased: 0,
  }
  let next = Promise.withResolvers<void>()
  return {
    counts,
    failures: createFailures(),
    onThread(): void {
      if ((counts.threads_deleted + counts.threads_failed) % EVERY_THREADS > 0) return
      next.resolve()
      next = Promise.withResolvers()
    },
    /** Resolves after the next {@link EVERY_THREADS} threads. */
    stride: (): Promise<void> => next.promise,
  }
}

async function erase(job: Job): Promise<EraseSummary> {
  const { parts, command, block, tally } = job
  let checks = 0
  /** All that are under way: one that ended after the block is lifted would set it again. */
  let check: Promise<unknown> | undefined
  const checking = setInterval(() => {
    checks += 1
    const isDue = checks % RENEW_CHECKS === 0
    const next = isDue ? attempt(job, 'block', block.renew) : block.hold().catch(() => undefined)
    check = Promise.all([check, next])
  }, CHECK_MS)
  const { cancelling } = block
  const streamsEnded = (await hasSessions(job)) ? wait(STREAMS_END_MS) : undefined
  await attempt(job, 'sessions', async () => {
    const { cancelled } = await parts.canceller.cancelAll(cancelling)
    tally.counts.sessions_cancelled = cancelled.length
  })
  await streamsEnded
  await eraseFromSources(parts, command.user, tally)
  await attempt(job, 'records', () => eraseRecords(job))
  clearInterval(checking)
  await check
  const summary = await conclude(job)
  await command.onEnd(summary)
  return summary
}

/** Streams outlive sessions that have expired, and for a moment those that were revoked just before. */
async function hasSessions({ parts, command: { user } }: Job): Promise<boolean> {
  const query = { user, limit: 1, order: 'desc', now: unixSeconds(parts.now) } as const
  const page = await parts.registry.listSessions(query).catch(() => undefined)
  return page?.data.length !== 0
}

async function eraseRecords({ parts, command, tally }: Job): Promise<void> {
  const { user } = command
  // Entries that wait for their batch may be about the user.
  await parts.audit.flush()
  for (let more = true; more; ) {
    const step = { user, limit: ERASED_AT_A_TIME, now: unixSeconds(parts.now) }
    const outcome = await parts.registry.eraseUser(step)
    tally.counts.records_erased += outcome.erased
    more = outcome.more
  }
}

/** Lifts the block last, and only when nothing of the user is left. */
async function conclude(job: Job) {
  const { parts, command, block, tally } = job
  const { counts, failures } = tally
  const cancelling: string[] = []
  await attempt(job, 'sessions', async () => {
    cancelling.push(...(await stillCancelling(job)))
  })
  const isComplete = failures.count() === 0 && cancelling.length === 0
  if (isComplete && job.isLast()) await attempt(job, 'block', block.lift)
  // A block that the store cannot show may still hold.
  let blockedUntil = block.until() as number | undefined
  await attempt(job, 'block', async () => {
    blockedUntil = (await parts.registry.getBlock(command.user, unixSeconds(parts.now)))?.until
  })
  return {
    type: 'summary' as const,
    /** Nothing of the user is left but the proof of the erase. */
    complete: failures.count() === 0 && cancelling.length === 0,
    /** `cancelling`: not confirmed by the upstream; retried until they are, or have expired. */
    sessions: { cancelled: counts.sessions_cancelled, cancelling },
    threads_deleted: counts.threads_deleted,
    attachments_deleted: counts.attachments_deleted,
    records_erased: counts.records_erased,
    /** Number of failures; `failures` lists the first of them. */
    failed: failures.count(),
    failures: failures.named(),
    /** Unix seconds; null when no block holds any more. */
    blocked_until: blockedUntil ?? null,
  }
}

/** The sessions whose cancel is not confirmed, also those of earlier revokes; at most {@link MAX_CANCELLING}. */
async function stillCancelling({ parts, command }: Job): Promise<readonly string[]> {
  const query = { user: command.user, status: 'cancelling', now: unixSeconds(parts.now) } as const
  const page = await parts.registry.listSessions({ ...query, limit: MAX_CANCELLING, order: 'asc' })
  return (page?.data ?? []).map(({ id }) => id)
}

async function attempt(
  { tally }: Job,
  what: 'sessions' | 'records' | 'block',
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    tally.failures.add({ what, code: codeOf(error) })
  }
}
