import type { Thread } from '../chatkit/wire/thread.ts'
import type { ListPosition } from './cursors.ts'
import type { Reader } from './reader.ts'

/** A thread of a merged list, and how far each source has been read with it. */
export interface Merged {
  readonly thread: Thread
  readonly position: ListPosition
}

/**
 * Merges sources by `created_at`. Equal seconds: each source keeps its own order, and sources follow
 * each other in the config's order (newest first; the other way round when oldest first, so that one
 * order is the mirror of the other). The same id from two API keys is one thread of one project, and
 * appears once.
 *
 * @param readers - one per source, in the config's order
 */
export async function merge(
  readers: readonly Reader[],
  { limit, order }: { readonly limit: number; readonly order: 'asc' | 'desc' },
): Promise<{ readonly entries: readonly Merged[]; readonly hasMore: boolean }> {
  const entries: Merged[] = []
  const seen = new Set<string>()
  await fillAll(readers)
  while (entries.length < limit) {
    const next = nextOf(readers, order)
    if (next === undefined) break
    const { reader, thread } = next
    for (const twin of readers.filter((other) => isTwin(other, reader, thread))) twin.take()
    const repeated = !reader.source.selfHosted && seen.has(thread.id)
    if (!repeated) entries.push({ thread, position: readers.map((one) => one.last()) })
    if (!reader.source.selfHosted) seen.add(thread.id)
    if (entries.length < limit) await fillAll(readers)
  }
  return { entries, hasMore: readers.some((reader) => reader.hasMore()) }
}

async function fillAll(readers: readonly Reader[]): Promise<void> {
  await Promise.all(readers.map((reader) => reader.fill()))
}

/** Whether `other` is the reader of a thread, or has it next too, as a key of the same project. */
function isTwin(other: Reader, reader: Reader, { id }: Thread): boolean {
  if (other === reader) return true
  return !reader.source.selfHosted && !other.source.selfHosted && other.head()?.id === id
}

function nextOf(readers: readonly Reader[], order: 'asc' | 'desc') {
  let best: { readonly reader: Reader; readonly thread: Thread } | undefined
  for (const reader of order === 'desc' ? readers : readers.toReversed()) {
    const thread = reader.head()
    if (thread === undefined) continue
    // A thread that two readers have stands where the first of them does, in either order.
    if (readers.find((other) => isTwin(other, reader, thread)) !== reader) continue
    if (best === undefined || isEarlier(thread, best.thread, order)) best = { reader, thread }
  }
  return best
}

function isEarlier(one: Thread, other: Thread, order: 'asc' | 'desc'): boolean {
  if (order === 'desc') return one.created_at > other.created_at
  return one.created_at < other.created_at
}
