import { cutPage, spanFor, takePage, walkSpan } from '../paging.ts'
import type { Registry } from '../port.ts'
import type { AuditQuery } from '../records.ts'
import { matchesQuery } from '../session-match.ts'
import { type BlockRow, heldBlock, type MemoryState } from './state.ts'

type Lists = Pick<
  Registry,
  | 'getSession'
  | 'listSessions'
  | 'listBlocks'
  | 'getBlock'
  | 'liftBlock'
  | 'appendAudit'
  | 'listAudit'
>

/**
 * Reading, and the audit trail.
 *
 * @param state - the registry
 */
export function createLists(state: MemoryState): Lists {
  return {
    getSession: async (id) => state.byId.get(id)?.record,
    async listSessions(query) {
      const span = spanFor(query, (id) => state.byId.get(id)?.seq)
      if (span === undefined) return undefined
      const rows = query.user === undefined ? state.rows : state.users.get(query.user)?.rows
      const walk = walkSpan(rows ?? [], span)
      const found = takePage(walk, query.limit, (row) => matchesQuery(row.record, query))
      return cutPage(
        found.map((row) => row.record),
        query.limit,
        span,
      )
    },
    async listBlocks(query) {
      const span = spanFor(query, (user) => state.users.get(user)?.block?.seq)
      if (span === undefined) return undefined
      const rows = blockRows(state)
      const found = takePage(walkSpan(rows, span), query.limit, (r) => query.now < r.block.until)
      return cutPage(
        found.map((row) => row.block),
        query.limit,
        span,
      )
    },
    getBlock: async (user, now) => heldBlock(state.users.get(user), now),
    async liftBlock(user, now, generation) {
      const known = state.users.get(user)
      if (generation !== undefined && generation !== (known?.generation ?? 0)) return false
      const stood = heldBlock(known, now) !== undefined
      if (known !== undefined) known.block = undefined
      return stood
    },
    async appendAudit(entries) {
      for (const entry of entries) {
        if (state.auditSeqs.has(entry.id)) continue
        const seq = state.nextSeq++
        state.audit.push({ seq, entry })
        state.auditSeqs.set(entry.id, seq)
      }
    },
    listAudit: async (query) => listAudit(state, query),
  }
}

async function listAudit(state: MemoryState, query: AuditQuery): ReturnType<Registry['listAudit']> {
  const span = spanFor({ ...query, order: 'desc' }, (id) => state.auditSeqs.get(id))
  if (span === undefined) return undefined
  const found = takePage(
    walkSpan(state.audit, span),
    query.limit,
    ({ entry }) =>
      (query.user === undefined || entry.user === query.user) &&
      (query.action === undefined || entry.action === query.action),
  )
  return cutPage(
    found.map((row) => row.entry),
    query.limit,
    span,
  )
}

function blockRows(state: MemoryState): readonly BlockRow[] {
  return [...state.users.values()]
    .map((user) => user.block)
    .filter((row) => row !== undefined)
    .sort((a, b) => a.seq - b.seq)
}
