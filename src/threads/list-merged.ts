// One page of a list over several sources. Such a list pages forward only.

import { ServiceError } from '../lib/errors.ts'
import { type CursorScope, openCursor, refusingCursors, sealCursor } from './cursors.ts'
import { merge } from './merge.ts'
import { createReader } from './reader.ts'
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
 * A page in the reference's shape, but for `first_id` and `last_id`: they hold a position in each
 * source and so are opaque.
 *
 * @throws `invalid_request` for `before`, and for a cursor that was not made for this list
 */
export async function listMerged({ sources, kind, query, key }: MergedList, context: SourceCall) {
  const { user, order, limit, after, before } = query
  if (before !== undefined) throw forwardOnly()
  const scope = { kind, user, order, sources: sources.map(({ name }) => name) }
  const macKey = await key()
  const start = after === undefined ? [] : openCursor(macKey, scope, after)
  const page = await refusingCursors(after !== undefined, () => {
    const part = { user, order, limit: Math.max(1, limit) }
    const readers = sources.map((source, number) =>
      createReader(source, { ...part, after: start[number] ?? undefined }, context),
    )
    return merge(readers, { limit, order })
  })
  const cursorOf = (entry: (typeof page.entries)[number] | undefined) =>
    entry === undefined ? null : sealCursor(macKey, scope, entry.position)
  return {
    object: 'list' as const,
    data: page.entries.map(({ thread }) => thread),
    first_id: cursorOf(page.entries.at(0)),
    last_id: cursorOf(page.entries.at(-1)),
    has_more: page.hasMore,
  }
}

function forwardOnly(): ServiceError {
  return new ServiceError('invalid_request', {
    reason: '"before" on a list merged from several sources',
    detail:
      'A list merged from several sources pages forward only: it takes "after", not "before". With ' +
      '"workflow" it has one source and takes both.',
  })
}
