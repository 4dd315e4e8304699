import { type Counters, mintCounter } from '../counters.ts'
import type { Registry } from '../port.ts'
import type { UserErase } from '../records.ts'
import type { MemoryState, Row } from './state.ts'
import { forgetSessions } from './sweep.ts'

/**
 * Forgets users.
 *
 * @param state - the registry
 * @param counters - its rate counters
 */
export function createErase(
  state: MemoryState,
  counters: Pick<Counters, 'forget'>,
): Pick<Registry, 'eraseUser'> {
  return {
    async eraseUser(order) {
      counters.forget(mintCounter(order.user))
      const rows = state.users.get(order.user)?.rows ?? []
      const ended = rows.filter((row) => hasEnded(row, order.now)).slice(0, order.limit)
      forgetSessions(state, new Set(ended))
      const entries = eraseEntries(state, order, order.limit - ended.length)
      const erased = ended.length + entries
      return { erased, more: erased === order.limit }
    },
  }
}

function hasEnded({ record }: Row, now: number): boolean {
  return record.status === 'cancelled' || record.expiresAt <= now
}

function eraseEntries(state: MemoryState, { user, keptAction }: UserErase, limit: number): number {
  const about = state.audit
    .filter(({ entry }) => entry.user === user && entry.action !== keptAction)
    .slice(0, limit)
  const gone = new Set(about)
  for (const { entry } of about) state.auditSeqs.delete(entry.id)
  if (gone.size > 0) state.audit = state.audit.filter((row) => !gone.has(row))
  return gone.size
}
