// Reads one page of a list over several sources: reads them at the same time and merges their threads by
// `created_at`. Such a list pages forward only.

import type { CallOptions } from '../chatkit/port.ts'
import type { Thread, ThreadPage } from '../chatkit/wire/thread.ts'
import { ServiceError } from '../lib/errors.ts'
import { type CursorScope, type ListPosition, openCursor, sealCursor } from './cursors.ts'
import {
  blameCursor,
  createSourceReader,
  type SourceQuery,
  type SourceReader,
} from './source-reader.ts'
import type { ThreadSource } from './sources.ts'

/** The refusal of `before` for a list that has several sources. */
export class ForwardOnlyError extends ServiceError {
  constructor() {
    super('invalid_request', {
      reason: '"before" on a list merged from several sources',
      detail:
        'A list merged from several sources pages forward only: it takes "after", not "before". With ' +
        '"workflow" it has one source and takes both.',
    })
  }
}

/**
 * A page in the reference's shape, except that `first_id` and `last_id` are opaque: they hold a position in each
 * source. A page ends early where a source has lost many threads. A position holds also when its thread has been
 * deleted since; threads of the same second may then come again.
 *
 * @throws `invalid_request` for `before`, and for a cursor of another list
 */
export async function mergedList(
  {
    sources,
    kind,
    query,
    key,
  }: {
    /** In the config's order. */
    readonly sources: readonly ThreadSource[]
    readonly kind: CursorScope['kind']
    readonly query: SourceQuery
    /** Authenticates cursors; the same for all instances. */
    readonly key: Uint8Array
  },
  call: CallOptions | undefined,
): Promise<ThreadPage> {
  const { user, order, limit, after, before } = query
  if (before !== undefined) throw new ForwardOnlyError()
  const scope = { kind, user, order, sources }
  const start = after === undefined ? [] : openCursor(key, scope, after)
  const readers = sources.map((source, number) => {
    const from = { user, order, limit: Math.max(1, limit), position: start[number] ?? null }
    return createSourceReader(source, from, call)
  })
  const merged = merge(readers, limit, order)
  const entries = await merged.catch((error) => blameCursor(error, after !== undefined))
  const [first, last] = [entries.at(0), entries.at(-1)]
  const hasMore = readers.some(({ waiting, more }) => waiting.length > 0 || more)
  const position = last?.position ?? (hasMore && limit > 0 ? readers.map(lastOf) : undefined)
  return {
    object: 'list',
    data: entries.map(({ thread }) => thread),
    first_id: first === undefined ? null : sealCursor(key, scope, first.position),
    last_id: position === undefined ? null : sealCursor(key, scope, position),
    has_more: hasMore,
  }
}

const lastOf = ({ last }: SourceReader) => last

/** A thread of a merged list, and the position in each source after it. */
interface Merged {
  readonly thread: Thread
  readonly position: ListPosition
}

/**
 * Threads with equal seconds: each source keeps its own order. Sources follow each other in the config's order when
 * newest come first, and in reverse when oldest come first, so that one order is the reverse of the other. The same
 * id from two API keys is one thread of one project, and appears once.
 */
async function merge(
  readers: readonly SourceReader[],
  limit: number,
  order: SourceQuery['order'],
): Promise<readonly Merged[]> {
  const entries: Merged[] = []
  const seen = new Set<string>()
  do {
    await Promise.all(readers.map((reader) => reader.fill()))
    const next = nextOf(readers, order)
    if (next === undefined || limit === 0) break
    const { reader, thread } = next
    for (const same of readers.filter((other) => haveSameNext(other, reader))) same.take()
    const isHosted = reader.source.threadsAt === undefined
    const repeated = isHosted && seen.has(thread.id)
    if (!repeated) entries.push({ thread, position: readers.map(lastOf) })
    if (isHosted) seen.add(thread.id)
  } while (entries.length < limit)
  return entries
}

function nextOf(readers: readonly SourceReader[], order: SourceQuery['order']) {
  const direction = order === 'desc' ? 1 : -1
  let best: { readonly reader: SourceReader; readonly thread: Thread } | undefined
  for (const reader of order === 'desc' ? readers : readers.toReversed()) {
    const [thread] = reader.waiting
    // A source that has lost many threads does not know its next one yet, so the next of all is unknown.
    if (thread === undefined && reader.more) return undefined
    if (thread === undefined) continue
    // A thread that two readers have takes the position of the first of them, in either order.
    if (readers.find((other) => haveSameNext(other, reader)) !== reader) continue
    const lead = best === undefined ? 1 : direction * (thread.created_at - best.thread.created_at)
    if (lead > 0) best = { reader, thread }
  }
  return best
}

/** Whether both readers have the same hosted thread next; `one` has a thread waiting. */
function haveSameNext(one: SourceReader, other: SourceReader): boolean {
  if (one === other) return true
  if ((one.source.threadsAt ?? other.source.threadsAt) !== undefined) return false
  return one.waiting[0]?.id === other.waiting[0]?.id
}
