import { cutPage, spanFor, takePage, walkSpan } from '../paging.ts'
import type { Registry } from '../port.ts'
import type { OwnedQuery, OwnedThing, Ownership } from '../records.ts'
import type { MemoryState } from './state.ts'

type OwnershipSteps = Pick<
  Registry,
  'claimOwnership' | 'ownersOf' | 'listOwned' | 'releaseOwnership'
>

/**
 * Who owns what at self-hosted servers.
 *
 * @param state - the registry
 */
export function createOwnership(state: MemoryState): OwnershipSteps {
  return {
    async claimOwnership(claim) {
      const key = keyOf(claim)
      if (state.owned.has(key)) return 'taken'
      const row = { seq: state.nextSeq++, ownership: claim }
      const own = state.ownedBy.get(claim.user) ?? new Map<string, typeof row>()
      state.owned.set(key, row)
      state.ownedBy.set(claim.user, own.set(key, row))
      return 'claimed'
    },
    ownersOf: async (things) =>
      things.map((thing) => state.owned.get(keyOf(thing))?.ownership.user),
    listOwned: async (query) => listOwned(state, query),
    async releaseOwnership(thing) {
      const key = keyOf(thing)
      const owner = state.owned.get(key)?.ownership.user ?? ''
      const own = state.ownedBy.get(owner)
      state.owned.delete(key)
      own?.delete(key)
      if (own?.size === 0) state.ownedBy.delete(owner)
    },
  }
}

function listOwned(
  state: MemoryState,
  query: OwnedQuery,
): Awaited<ReturnType<Registry['listOwned']>> {
  const { kind, workflow, user } = query
  const of = user === undefined ? state.owned : state.ownedBy.get(user)
  const isListed = (one: Ownership) =>
    one.kind === kind && (workflow === undefined || one.workflow === workflow)
  const rows = [...(of?.values() ?? [])].filter((row) => isListed(row.ownership))
  const span = spanFor(query, (cursor) => {
    const [first, second] = rows.filter((row) => row.ownership.id === cursor)
    return second === undefined ? first?.seq : undefined
  })
  if (span === undefined) return undefined
  const found = takePage(walkSpan(rows, span), query.limit, () => true)
  return cutPage(
    found.map((row) => row.ownership),
    query.limit,
    span,
  )
}

/** JSON keeps the parts apart whatever they hold. */
function keyOf({ workflow, kind, id }: OwnedThing): string {
  return JSON.stringify([workflow, kind, id])
}
