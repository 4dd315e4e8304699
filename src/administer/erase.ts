import { setTimeout as wait } from 'node:timers/promises'
import { unixSeconds } from '../lib/clock.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord } from '../registry/records.ts'
import { type BlockOptions, blockUser, type HeldBlock } from './erase-block.ts'
import { eraseFromSources, type SourcesToErase } from './erase-sources.ts'
import { codeOf, createFailures, type Failure, type Failures } from './failures.ts'

/** One line of an erase: how far it is, and at last what came of it. */
export type EraseLine = EraseProgress | EraseSummary

/** So far. */
export interface EraseCounts {
  sessions_cancelled: number
  threads_deleted: number
  threads_failed: number
  attachments_deleted: number
  /** Sessions and audit entries of this service. */
  records_erased: number
}

/** At least one a second, and one per hundred threads. */
export interface EraseProgress extends Readonly<EraseCounts> {
  readonly type: 'progress'
}

/** The last line. */
export interface EraseSummary {
  readonly type: 'summary'
  /** Nothing of the user is left but the proof of the erase. */
  readonly complete: boolean
  readonly sessions: {
    readonly cancelled: number
    /** Not confirmed by OpenAI; retried until they are, or have expired. */
    readonly cancelling: readonly string[]
  }
  readonly threads_deleted: number
  readonly attachments_deleted: number
  readonly records_erased: number
  /** How many failures; the first of them are named. */
  readonly failed: number
  readonly failures: readonly Failure[]
  /** Unix seconds; null when no block stands any more. */
  readonly blocked_until: number | null
}

/** What {@link eraseUser} needs. */
export interface EraseOptions extends BlockOptions, SourcesToErase {
  readonly registry: BlockOptions['registry'] &
    SourcesToErase['registry'] &
    Pick<Registry, 'listSessions' | 'eraseUser'>
  /** Ends sessions upstream; what is not confirmed stays in the outbox. */
  readonly cancelAll: (
    sessions: readonly SessionRecord[],
  ) => Promise<{ readonly cancelled: readonly string[] }>
  /** Writes the audit entries that wait: they may be about the user. */
  readonly flushAudit: () => Promise<void>
}

/** Whom, and on whose behalf. */
export interface EraseOrder {
  readonly user: string
  /** The admin: `issuer|subject`. */
  readonly by: string
  /** Audit entries with this action stay. */
  readonly keptAction: string
  /** Told at the end, before the last line; also when nobody reads any more. Never rejects. */
  readonly onEnd: (summary: EraseSummary) => Promise<void>
}

const EVERY_MS = 1000
const EVERY_THREADS = 100
/** Several times within the time that the block holds. */
const RENEW_MS = 60_000
/** A stream that was running when its session ended may still create a thread for so long. */
const STREAMS_END_MS = 1200
/** One step of the store. */
const ERASED_AT_A_TIME = 100

/**
 * Blocks the user, takes their sessions, deletes their threads, then what this service has on the
 * books. Once begun it goes on to its end whether or not anyone reads the lines: an admin has ordered
 * it, and a proxy that gives up must not leave half of it. Repeated, it does what is left.
 *
 * @param options - store, sources
 * @param order - whom
 * @throws before the first line only: when the user cannot be blocked
 */
export async function* eraseUser(
  options: EraseOptions,
  order: EraseOrder,
): AsyncGenerator<EraseLine, void, undefined> {
  const block = await blockUser(options, order)
  const job = createJob(options, order, block)
  let summary: EraseSummary | undefined
  const running = carryOut(job).then((last) => {
    summary = last
  })
  // Nobody may be there to see it.
  running.catch(() => undefined)
  do {
    yield { type: 'progress', ...job.counts }
    await Promise.race([running, job.stride(), wait(EVERY_MS, undefined, { ref: false })])
  } while (summary === undefined)
  yield summary
}

interface Job extends EraseOptions {
  readonly order: EraseOrder
  readonly block: HeldBlock
  readonly counts: EraseCounts
  readonly failures: Failures
  readonly onThread: () => void
  /** Resolves when another {@link EVERY_THREADS} are gone. */
  readonly stride: () => Promise<void>
}

function createJob(options: EraseOptions, order: EraseOrder, block: HeldBlock): Job {
  const counts = {
    sessions_cancelled: 0,
    threads_deleted: 0,
    threads_failed: 0,
    attachments_deleted: 0,
    records_erased: 0,
  }
  let next = Promise.withResolvers<void>()
  const onThread = () => {
    if ((counts.threads_deleted + counts.threads_failed) % EVERY_THREADS > 0) return
    next.resolve()
    next = Promise.withResolvers()
  }
  const failures = createFailures()
  return { ...options, order, block, counts, failures, onThread, stride: () => next.promise }
}

/** Never rejects: each part notes its own failure, and the next one is done all the same. */
async function carryOut(job: Job): Promise<EraseSummary> {
  const renewal = setInterval(() => void attempt(job, 'block', job.block.renew), RENEW_MS)
  const { cancelling } = job.block
  const streamsEnded = cancelling.length === 0 ? undefined : wait(STREAMS_END_MS)
  await attempt(job, 'sessions', async () => {
    job.counts.sessions_cancelled = (await job.cancelAll(cancelling)).cancelled.length
  })
  await streamsEnded
  await eraseFromSources(job, job.order.user, job)
  await attempt(job, 'records', () => eraseRecords(job))
  clearInterval(renewal)
  const summary = await conclude(job)
  await job.order.onEnd(summary)
  return summary
}

async function eraseRecords({ registry, flushAudit, order, counts, now }: Job): Promise<void> {
  const { user, keptAction } = order
  await flushAudit()
  for (let more = true; more; ) {
    const step = { user, keptAction, limit: ERASED_AT_A_TIME, now: unixSeconds(now) }
    const outcome = await registry.eraseUser(step)
    counts.records_erased += outcome.erased
    more = outcome.more
  }
}

/** The block goes last, and only when there is nothing left that it guards. */
async function conclude(job: Job): Promise<EraseSummary> {
  const { counts, failures, order, registry, now } = job
  const cancelling: string[] = []
  await attempt(job, 'sessions', async () => {
    cancelling.push(...(await stillCancelling(job)))
  })
  if (failures.count() === 0 && cancelling.length === 0) await attempt(job, 'block', job.block.lift)
  let blockedUntil: number | undefined
  await attempt(job, 'block', async () => {
    blockedUntil = (await registry.getBlock(order.user, unixSeconds(now)))?.until
  })
  return {
    type: 'summary',
    complete: failures.count() === 0 && cancelling.length === 0,
    sessions: { cancelled: counts.sessions_cancelled, cancelling },
    threads_deleted: counts.threads_deleted,
    attachments_deleted: counts.attachments_deleted,
    records_erased: counts.records_erased,
    failed: failures.count(),
    failures: failures.named(),
    blocked_until: blockedUntil ?? null,
  }
}

/** Those of earlier calls too; of thousands, the first hundreds. */
async function stillCancelling({ registry, order, now }: Job): Promise<readonly string[]> {
  const seconds = unixSeconds(now)
  const query = { user: order.user, status: 'cancelling', now: seconds } as const
  const page = await registry.listSessions({ ...query, limit: MOST_CANCELLING, order: 'asc' })
  const waiting = (page?.data ?? []).filter(({ expiresAt }) => seconds < expiresAt)
  return waiting.map(({ id }) => id)
}

const MOST_CANCELLING = 1000

async function attempt(
  { failures }: Job,
  what: 'sessions' | 'records' | 'block',
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    failures.add({ what, code: codeOf(error) })
  }
}
