import { ServiceError } from '../lib/errors.ts'
import { type CursorScope, openCursor, type Place, sealCursor } from './cursors.ts'
import { proveOwn, refusingCursors } from './list-one.ts'
import { merge } from './merge.ts'
import { createReader, type Reader } from './reader.ts'
import type { SourceCall, SourceQuery } from './source-page.ts'
import type { ThreadSource } from './sources.ts'

/** A list over several sources. */
export interface MergedList {
  readonly sources: readonly ThreadSource[]
  /** Whose list it is, for its cursors. */
  readonly kind: CursorScope['kind']
  readonly query: SourceQuery
  /** For cursors; the same for all instances. */
  readonly key: () => Promise<Uint8Array>
}

/**
 * A page of several sources, in the reference's shape but for `first_id` and `last_id`, which stand
 * for a place in each of them and so are opaque.
 *
 * @param list - sources, whose, which
 * @param context - what accompanies the calls
 * @throws `invalid_request` for a cursor that was not made for this list, and for two cursors
 */
export async function listMerged(list: MergedList, context: SourceCall) {
  const { sources, query } = list
  const scope = scopeOf(list)
  const key = await list.key()
  const start = startOf(query)
  const backwards = start?.way === 'back'
  const place = start && openCursor(key, scope, start.cursor)
  const order = backwards ? opposite(query.order) : query.order
  const page = await refusingCursors(start !== undefined, async () => {
    const at = { list, place, backwards, order }
    const readers = await Promise.all(
      sources.map((source, number) => openReader({ ...at, source, number }, context)),
    )
    return merge(readers, { limit: query.limit, order, backwards })
  })
  const cursorOf = (entry: (typeof page.entries)[number] | undefined) =>
    entry === undefined ? null : sealCursor(key, scope, entry.place)
  return {
    object: 'list' as const,
    data: page.entries.map(({ thread }) => thread),
    first_id: cursorOf(page.entries.at(0)),
    last_id: cursorOf(page.entries.at(-1)),
    has_more: page.hasMore,
  }
}

function scopeOf({ sources, kind, query }: MergedList): CursorScope {
  const { user, order } = query
  return { kind, user, order, sources: sources.map(({ name }) => name) }
}

function startOf({ after, before }: SourceQuery) {
  if (after !== undefined && before !== undefined) throw twoCursors()
  if (after !== undefined) return { cursor: after, way: 'on' } as const
  return before === undefined ? undefined : ({ cursor: before, way: 'back' } as const)
}

interface Opening {
  readonly list: MergedList
  readonly place: Place | undefined
  readonly backwards: boolean
  readonly order: 'asc' | 'desc'
  readonly source: ThreadSource
  readonly number: number
}

/**
 * Back from a place goes the other way round, from the same thread of each source. That thread itself
 * comes before the place, and so belongs to the page, wherever it is not the place's own.
 */
async function openReader(opening: Opening, context: SourceCall): Promise<Reader> {
  const { list, place, backwards, order, source, number } = opening
  const { user, limit } = list.query
  const after = place?.last[number] ?? undefined
  const query = { user, order, limit: Math.max(1, limit), after }
  if (!backwards || place === undefined) return createReader(source, { query }, context)
  if (after === undefined) return createReader(source, { query, empty: true }, context)
  if (isPlaceItself(opening, after)) return createReader(source, { query }, context)
  const first = await proveOwn(source, { id: after, user }, context.call)
  return createReader(source, { query, first }, context)
}

/** Also where another API key of the same project shows the place's thread. */
function isPlaceItself({ list, place, source, number }: Opening, after: string): boolean {
  if (place === undefined) return false
  if (number === place.at) return true
  const own = list.sources[place.at]
  return place.last[place.at] === after && !source.selfHosted && own?.selfHosted === false
}

function opposite(order: 'asc' | 'desc'): 'asc' | 'desc' {
  return order === 'asc' ? 'desc' : 'asc'
}

function twoCursors(): ServiceError {
  return new ServiceError('invalid_request', {
    reason: 'two cursors on a merged list',
    detail: 'A list over several workflows takes "after" or "before", not both.',
  })
}
