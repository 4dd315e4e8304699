import { type Registry, USE_WINDOW_MS } from '../port.ts'
import type { SessionUse, UseOutcome } from '../records.ts'
import { isLive } from '../session-match.ts'
import type { MemoryState } from './state.ts'

/**
 * What the gateway asks of self-hosted sessions.
 *
 * @param state - the registry
 */
export function createUses(state: MemoryState): Pick<Registry, 'useSession' | 'endedAmong'> {
  return {
    useSession: async (use) => useSession(state, use),
    async endedAmong(sessions, now) {
      const ended = sessions.filter(({ id, user }) => {
        const record = state.byId.get(id)?.record
        return record?.user !== user || !isLive(record, now)
      })
      return ended.map(({ id }) => id)
    },
  }
}

function useSession(state: MemoryState, use: SessionUse): UseOutcome {
  const { id, user, maxPerMinute, nowMs } = use
  const row = state.byId.get(id)
  if (row?.record.user !== user || !isLive(row.record, nowMs / 1000)) return { kind: 'ended' }
  const running = row.window !== undefined && nowMs < row.window.endsMs ? row.window : undefined
  const window = running ?? { used: 0, endsMs: nowMs + USE_WINDOW_MS }
  if (window.used >= maxPerMinute) return { kind: 'limited', resetMs: window.endsMs - nowMs }
  window.used += 1
  row.window = window
  return { kind: 'ok', session: row.record }
}
