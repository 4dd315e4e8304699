// Checks exported audit entries for changed, missing, inserted and reordered ones. It does no I/O.

import { z } from 'zod'
import { type ChainedEntry, entryHash } from '../../../registry/audit-entry.ts'
import { outOfOrder } from './out-of-order.ts'

const text = z.string().nullable()
const chained = { instance: z.string(), seq: z.int().min(1), prev: text, hash: z.string() }

/** An entry as the audit's list has it. */
const wireEntry = z.object({
  id: z.string(),
  at: z.int(),
  actor: text,
  action: z.string(),
  user: text,
  outcome: z.enum(['ok', 'refused', 'failed']),
  reason: text,
  request_id: text,
  ...chained,
  salt: text,
  by_user: z.boolean(),
  erased: z.object({ actor: text, user: text, reason: text }).nullable(),
})
type WireEntry = z.infer<typeof wireEntry>

/** An entry of an older version, which did not chain entries. */
const unchained = z.object({ instance: z.null(), seq: z.null(), prev: z.null(), hash: z.null() })

/** The fields by which a damaged entry can still be recognised. */
const damaged = z.object({
  id: text.catch(null),
  instance: text.catch(null),
  seq: z.number().nullable().catch(null),
})

export interface ChainFault {
  readonly kind: 'changed' | 'missing' | 'inserted' | 'reordered'
  /** Null for an entry that is missing, or whose id cannot be read. */
  readonly id: string | null
  readonly instance: string | null
  /** The first missing one, when `upto` names the last. */
  readonly seq: number | null
  readonly upto?: number
}

/** The entries of one instance. Times are Unix seconds. */
export type ChainSummary = ReturnType<typeof summaryOf>

interface Seen {
  readonly entry: WireEntry
  readonly hash: string
  /** Its position in the file, counted from the oldest entry. */
  readonly place: number
}

/**
 * @param newestFirst - all entries of an unfiltered list. A chain may begin late: the retention drops a
 * beginning
 */
export function checkChains(newestFirst: readonly unknown[]) {
  const faults: ChainFault[] = []
  const chains = new Map<string, Seen[]>()
  const without: { readonly id: string | null; readonly place: number }[] = []
  for (const [place, value] of newestFirst.toReversed().entries()) {
    const parsed = wireEntry.safeParse(value).data
    const rest = damaged.safeParse(value).data ?? { id: null, instance: null, seq: null }
    if (parsed === undefined && unchained.safeParse(value).success) without.push({ ...rest, place })
    else if (parsed === undefined) faults.push({ kind: 'changed', ...rest })
    else {
      const chain = chains.get(parsed.instance) ?? []
      chain.push({ entry: parsed, hash: entryHash(toChained(parsed)), place })
      chains.set(parsed.instance, chain)
    }
  }
  // The map has the chains in the order of their first entries.
  const begins = chains.values().next().value?.[0]?.place ?? Number.POSITIVE_INFINITY
  for (const { id, place } of without) {
    if (place > begins) faults.push({ kind: 'inserted', id, instance: null, seq: null })
  }
  const inChains = [...chains.values()].flatMap((chain) => faultsOf(chain, faults))
  return {
    instances: [...chains.values()].map(summaryOf),
    unchained: without.length,
    // Not by push(...), which takes no more arguments than fit on the stack: every entry may have a fault.
    faults: faults.concat(inChains),
  }
}

/** @param known - faults of unreadable entries, which must not be reported as missing too */
function faultsOf(chain: readonly Seen[], known: readonly ChainFault[]): readonly ChainFault[] {
  const [inOrder, inserted] = withoutDuplicates(chain)
  const faults = inserted.map((one) => faultAt('inserted', one))
  const instance = chain[0]?.entry.instance ?? null
  const damagedSeqs = new Set(
    known.filter((one) => one.instance === instance).map(({ seq }) => seq),
  )
  for (const [at, one] of inOrder.entries()) {
    const next = inOrder[at + 1]
    if (!isWhole(one) || breaksLink(one, next, inOrder[at + 2]))
      faults.push(faultAt('changed', one))
    const [seq, upto] = [one.entry.seq + 1, (next?.entry.seq ?? 0) - 1]
    const missing = seq <= upto && !(seq === upto && damagedSeqs.has(seq))
    if (missing)
      faults.push({ kind: 'missing', id: null, instance, seq, ...(upto > seq && { upto }) })
  }
  const seqs = inOrder.toSorted((one, other) => one.place - other.place)
  const moved = outOfOrder(seqs.map(({ entry }) => entry.seq))
  return [...faults, ...moved.flatMap((at) => (seqs[at] ? faultAt('reordered', seqs[at]) : []))]
}

/**
 * The entries by seq, and the inserted ones. If several have one seq, the entry whose hash the next one holds is kept.
 */
function withoutDuplicates(chain: readonly Seen[]): readonly [readonly Seen[], readonly Seen[]] {
  const held = new Map(chain.map(({ entry }) => [entry.seq - 1, entry.prev]))
  const bySeq = new Map<number, Seen>()
  const inserted: Seen[] = []
  for (const one of chain) {
    const { seq } = one.entry
    const other = bySeq.get(seq)
    const better =
      other === undefined || (other.hash !== held.get(seq) && one.hash === held.get(seq))
    if (better) bySeq.set(seq, one)
    if (other !== undefined) inserted.push(better ? other : one)
  }
  return [[...bySeq.values()].toSorted((one, other) => one.entry.seq - other.entry.seq), inserted]
}

/** Whether an entry is consistent with its own hash and fields. */
function isWhole({ entry, hash }: Seen): boolean {
  const { actor, user, reason, salt, erased, by_user: byUser, seq, prev } = entry
  if (hash !== entry.hash || (seq === 1) !== (prev === null)) return false
  // An erase takes out the actor, and leaves its digest, only where the entry says that the user acted themselves.
  if (!byUser && (actor === null || /^[\w-]{43}$/.test(actor))) return false
  if (erased === null) return salt !== null && actor !== null
  if (salt !== null || user !== null || reason !== null) return false
  return (actor === null) === byUser && (erased.actor !== null) === byUser
}

/**
 * Whether the next entry holds another hash than this entry has. If the entry after the next disagrees with the
 * next one too, the next one is the changed one, and this one is not blamed.
 */
function breaksLink(one: Seen, next: Seen | undefined, afterNext: Seen | undefined): boolean {
  if (next === undefined || next.entry.seq !== one.entry.seq + 1) return false
  if (next.entry.prev === one.hash || !isWhole(next)) return false
  const attests = afterNext?.entry.seq === next.entry.seq + 1 ? afterNext : undefined
  return attests === undefined || attests.entry.prev === next.hash
}

function faultAt(kind: ChainFault['kind'], { entry: { id, instance, seq } }: Seen): ChainFault {
  return { kind, id, instance, seq }
}

function summaryOf(chain: readonly Seen[]) {
  const seqs = chain.map(({ entry }) => entry.seq).toSorted((one, other) => one - other)
  const times = chain.map(({ entry }) => entry.at).toSorted((one, other) => one - other)
  return {
    instance: chain[0]?.entry.instance ?? '',
    entries: chain.length,
    firstSeq: seqs[0] ?? 0,
    lastSeq: seqs.at(-1) ?? 0,
    firstAt: times[0] ?? 0,
    lastAt: times.at(-1) ?? 0,
    erased: chain.filter(({ entry }) => entry.erased !== null).length,
  }
}

function toChained(entry: WireEntry): ChainedEntry {
  const { instance, seq, prev, salt, by_user: byUser, erased, hash: _hash, ...same } = entry
  return {
    ...same,
    ...withoutNulls(entry),
    requestId: entry.request_id ?? undefined,
    chain: {
      instance,
      seq,
      byUser,
      prev: prev ?? undefined,
      salt: salt ?? undefined,
      erased: erased === null ? undefined : withoutNulls(erased),
    },
  }
}

function withoutNulls({ actor, user, reason }: NonNullable<WireEntry['erased']>) {
  return { actor: actor ?? undefined, user: user ?? undefined, reason: reason ?? undefined }
}
