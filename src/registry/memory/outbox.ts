import type { Registry } from '../port.ts'
import type { CancelClaim, SessionRecord } from '../records.ts'
import type { MemoryState, Row } from './state.ts'

/**
 * The cancel outbox.
 *
 * @param state - the registry
 */
export function createOutbox(
  state: MemoryState,
): Pick<Registry, 'confirmCancel' | 'claimCancels' | 'postponeCancel'> {
  return {
    async confirmCancel(ids, now) {
      for (const id of ids) {
        const row = state.byId.get(id)
        if (row?.record.status === 'cancelling') close(state, row, now)
      }
    },
    claimCancels: async (claim) => claimDue(state, claim),
    async postponeCancel(id, dueAtMs) {
      if (state.outbox.has(id)) state.outbox.set(id, dueAtMs)
    },
  }
}

function claimDue(state: MemoryState, claim: CancelClaim): readonly SessionRecord[] {
  const due = [...state.outbox].filter(([, at]) => at <= claim.nowMs).sort((a, b) => a[1] - b[1])
  const claimed: SessionRecord[] = []
  for (const [id] of due) {
    const row = state.byId.get(id)
    if (row === undefined) state.outbox.delete(id)
    else if (row.record.expiresAt * 1000 <= claim.nowMs) close(state, row, row.record.expiresAt)
    else if (claimed.length < claim.limit) {
      state.outbox.set(id, claim.nowMs + claim.leaseMs)
      claimed.push(row.record)
    }
  }
  return claimed
}

function close(state: MemoryState, row: Row, at: number): void {
  row.record = { ...row.record, status: 'cancelled' }
  row.endsAt = Math.min(row.endsAt, at)
  state.outbox.delete(row.record.id)
}
