// Writes audit entries to the store in the order of their chain: one append at a time, repeated until it
// succeeds.

import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { whyOf } from '../lib/show.ts'
import { type AuditEntry, type ChainedEntry, entryHash, erasedEntry } from './audit-entry.ts'
import type { Registry } from './port.ts'

/** An entry that is not in the chain yet. */
export interface NewAuditEntry extends Omit<AuditEntry, 'chain'> {
  /** The actor is also the user concerned. */
  readonly byUser: boolean
}

/** Resolves the promise of a caller when the entry is durable, or rejects it with the store's error. */
type Writer = Pick<PromiseWithResolvers<void>, 'resolve' | 'reject'>

/** Most entries that may wait while the store is down. */
const MOST_WAITING = 10_000
/** Most entries of one append, because the store cannot do anything else while it writes them. */
const MOST_TOGETHER = 500
const WITHIN_MS = 100
const AGAIN_AFTER_MS = 1000
/** An entry that has waited longer may name a user who has been erased meanwhile, by another instance. */
const LATE_SECONDS = 5
const NEVER = Number.POSITIVE_INFINITY

/**
 * An entry gets its `seq` and `prev` when it is first sent. If that append fails, its answer may have been
 * lost, so the same entries are sent again before any other: the chain has neither gaps nor two entries with
 * one `seq`.
 *
 * When too many entries wait, the oldest that is not in the chain yet is dropped, and an entry `dropped` at this point
 * of the chain says how many were.
 */
export function createAuditQueue({
  registry,
  now,
  log,
}: {
  readonly registry: Pick<Registry, 'appendAudit' | 'listAudit'>
  readonly now: Clock
  readonly log: Log
}) {
  // Shortened, because every entry stores it, and made one piece as `newId` says.
  const instance = Buffer.from(newId('ins_').slice(0, 20)).toString()
  const chain = createChain(instance)
  const backlog = createBacklog(now)
  /** Sent, but not confirmed by the store yet. */
  let sent: readonly ChainedEntry[] = []
  let writers: readonly Writer[] = []
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()
  let failing = false

  async function writeWaiting(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    for (let more = true; more; ) {
      if (sent.length === 0) {
        const next = backlog.take()
        sent = next.entries.map(chain)
        writers = next.writers
        more = next.more
      }
      try {
        const at = Math.min(sent[0]?.at ?? NEVER, sent[1]?.at ?? NEVER)
        if (at < unixSeconds(now) - LATE_SECONDS) sent = await withoutErased(registry, sent, at)
        if (sent.length > 0) await registry.appendAudit(sent)
      } catch (error) {
        return failed(error)
      }
      failing = false
      sent = []
      for (const writer of writers) writer.resolve()
      writers = []
    }
  }

  /**
   * The entries stay in the queue. Their callers get the error at once, so that no request waits through an
   * outage.
   */
  function failed(error: unknown): void {
    // Logged once per outage: the log line of each refused request shows the state of the store too.
    if (!failing) log.error(whyOf(error), 'audit entries wait for the store')
    failing = true
    // A promise keeps its first answer: those that a later try gives are ignored.
    for (const writer of [...writers, ...backlog.writers()]) writer.reject(error)
    schedule(AGAIN_AFTER_MS)
  }

  function schedule(afterMs: number): void {
    timer ??= setTimeout(() => void flush(), afterMs).unref()
  }

  function flush(): Promise<void> {
    writing = writing.then(writeWaiting)
    return writing
  }

  return {
    instance,
    /** Writes the entry within 100 ms. */
    note(entry: NewAuditEntry): void {
      backlog.push(entry)
      schedule(WITHIN_MS)
    },
    /**
     * Writes the entry, and resolves when it is durable.
     *
     * @throws the store's error; the entry stays in the queue and is written when the store is back
     */
    write(entry: NewAuditEntry): Promise<void> {
      const writer = Promise.withResolvers<void>()
      backlog.push(entry, writer)
      void flush()
      return writer.promise
    },
    flush,
  }
}

/**
 * Removes from late entries the users who have been erased since. The hashes stay the same.
 *
 * @param since - the time of the oldest entry: the first, or the second where the first says how many were dropped
 */
async function withoutErased(
  registry: Pick<Registry, 'listAudit'>,
  entries: readonly ChainedEntry[],
  since: number,
): Promise<readonly ChainedEntry[]> {
  const query = { action: 'erase', since, limit: MOST_TOGETHER } as const
  const erasedAt = new Map<string | undefined, number>()
  for (let after: string | undefined, hasMore = true; hasMore; ) {
    const page = await registry.listAudit({ ...query, after })
    for (const { user, at } of page?.data ?? []) erasedAt.set(user, erasedAt.get(user) ?? at)
    after = page?.next ?? page?.data.at(-1)?.id
    hasMore = page?.hasMore ?? false
  }
  return entries.map((entry) => {
    const isErased = entry.at <= (erasedAt.get(entry.user) ?? 0) && entry.action !== 'erase'
    return isErased ? erasedEntry(entry) : entry
  })
}

/** Entries that are not in the chain yet, at most {@link MOST_WAITING}. */
function createBacklog(now: Clock) {
  const waiting: { readonly entry: NewAuditEntry; readonly writer: Writer | undefined }[] = []
  let dropped = 0
  return {
    push(entry: NewAuditEntry, writer?: Writer): void {
      waiting.push({ entry, writer })
      if (waiting.length <= MOST_WAITING) return
      const reason = 'too many audit entries wait'
      waiting.shift()?.writer?.reject(new ServiceError('store_unavailable', { reason }))
      dropped += 1
    },
    /** The next entries to send, their writers, and whether there are more. */
    take() {
      const entries = dropped > 0 ? [gap(dropped, now)] : []
      const writers: Writer[] = []
      dropped = 0
      for (const { entry, writer } of waiting.splice(0, MOST_TOGETHER)) {
        entries.push(entry)
        if (writer !== undefined) writers.push(writer)
      }
      return { entries, writers, more: waiting.length > 0 }
    },
    writers: (): readonly Writer[] => waiting.flatMap(({ writer }) => writer ?? []),
  }
}

/** Makes the function that adds the next entry to this instance's chain. */
function createChain(instance: string): (entry: NewAuditEntry) => ChainedEntry {
  let seq = 0
  let prev: string | undefined
  return (entry) => {
    seq += 1
    const { id, at, actor, action, user, outcome, reason, requestId, byUser } = entry
    const chain = { instance, seq, prev, salt: newId(''), byUser, erased: undefined }
    // The members are listed because a spread would cost each mint a microsecond.
    const linked = { id, at, actor, action, user, outcome, reason, requestId, chain }
    prev = entryHash(linked)
    return linked
  }
}

/** A new id of an entry. With random ids each entry costs SQLite a fifth more. */
export const newEntryId = (now: Clock): string => newId('aud_', now())

function gap(count: number, now: Clock): NewAuditEntry {
  return {
    id: newEntryId(now),
    at: unixSeconds(now),
    actor: 'service',
    action: 'dropped',
    user: undefined,
    outcome: 'failed',
    reason: `${count} entries that waited for the store are in the log only`,
    requestId: undefined,
    byUser: false,
  }
}
