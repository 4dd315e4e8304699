import type { Thread } from '../chatkit/wire-thread.ts'
import type { Place } from './cursors.ts'
import type { Reader } from './reader.ts'

/** A thread of a merged list, and its place there. */
export interface Merged {
  readonly thread: Thread
  readonly place: Place
}

/** Which way the readers go through the list. */
export interface Walk {
  readonly limit: number
  /** The order in which the readers read. */
  readonly order: 'asc' | 'desc'
  /** They read against the order of the list, from a place back to its start. */
  readonly backwards: boolean
}

/**
 * Merges sources by `created_at`. Equal seconds: each source keeps its own order, and sources follow
 * each other in the config's order (newest first; the other way round when oldest first, so that one
 * order is the mirror of the other). The same id from two API keys is one thread of one project, and
 * appears once.
 *
 * @param readers - one per source, in the config's order
 * @param walk - which way, how far
 * @returns the threads in the order of the list
 */
export async function merge(
  readers: readonly Reader[],
  { limit, order, backwards }: Walk,
): Promise<{ readonly entries: readonly Merged[]; readonly hasMore: boolean }> {
  const entries: Merged[] = []
  const seen = new Set<string>()
  await fillAll(readers)
  while (entries.length < limit) {
    const next = nextOf(readers, order)
    if (next === undefined) break
    const { reader, thread } = next
    const twins = readers.filter((other) => isTwin(other, reader, thread))
    const places = (other: Reader) => {
      if (twins.includes(other)) return thread.id
      return backwards ? (other.head()?.id ?? null) : other.last()
    }
    const place = { at: readers.indexOf(reader), last: readers.map(places) }
    const repeated = !reader.source.selfHosted && seen.has(thread.id)
    if (!repeated) entries.push({ thread, place })
    if (!reader.source.selfHosted) seen.add(thread.id)
    for (const twin of twins) twin.take()
    if (entries.length < limit) await fillAll(readers)
  }
  const hasMore = readers.some((reader) => reader.hasMore())
  return { entries: backwards ? entries.reverse() : entries, hasMore }
}

async function fillAll(readers: readonly Reader[]): Promise<void> {
  await Promise.all(readers.map((reader) => reader.fill()))
}

/** Whether `other` is the reader of a thread, or has it next too, as a key of the same project. */
function isTwin(other: Reader, reader: Reader, { id }: Thread): boolean {
  if (other === reader) return true
  return !reader.source.selfHosted && !other.source.selfHosted && other.head()?.id === id
}

function nextOf(readers: readonly Reader[], order: Walk['order']) {
  const heads = readers.flatMap((reader) => {
    const thread = reader.head()
    return thread === undefined ? [] : { reader, thread }
  })
  // A thread that two readers have stands where the first of them does, whichever way they read.
  const unique = heads.filter(
    ({ reader, thread }) =>
      heads.find((one) => isTwin(one.reader, reader, thread))?.reader === reader,
  )
  const inOrder = order === 'desc' ? unique : unique.toReversed()
  return inOrder.reduce<(typeof unique)[number] | undefined>(
    (best, next) =>
      best === undefined || isEarlier(next.thread, best.thread, order) ? next : best,
    undefined,
  )
}

function isEarlier(one: Thread, other: Thread, order: Walk['order']): boolean {
  if (order === 'desc') return one.created_at > other.created_at
  return one.created_at < other.created_at
}
