import { createCounters } from './counters.ts'
import { createErase } from './memory/erase.ts'
import { createLists } from './memory/lists.ts'
import { createOutbox } from './memory/outbox.ts'
import { createOwnership } from './memory/ownership.ts'
import { createSessionSteps } from './memory/sessions.ts'
import { emptyState, identityKeys, type MemoryState } from './memory/state.ts'
import { sweepMemory } from './memory/sweep.ts'
import { createUses } from './memory/uses.ts'
import type { Registry } from './port.ts'
import type { LogoutMark } from './records.ts'
import { isLive } from './session-match.ts'

/**
 * The registry in memory: for one instance, and gone with it. Keeps no durable word, so it is for
 * development and tests.
 */
export function createMemoryRegistry(): Registry {
  const state = emptyState()
  const counters = createCounters()
  return {
    ...createSessionSteps(state, counters),
    ...createOutbox(state),
    ...createUses(state),
    ...createOwnership(state),
    ...createLists(state),
    ...createErase(state, counters),
    async usersOf(identity) {
      const found = identityKeys(identity).map((key) => state.usersByIdentity.get(key))
      return [...new Set(found.flatMap((users) => [...(users?.keys() ?? [])]))]
    },
    markLogout: async (mark) => addMark(state, mark),
    consume: async (key, limit) => counters.consume(key, limit),
    peek: async (key, limit) => counters.peek(key, limit),
    remembers: async (key, now) => (state.remembered.get(key) ?? 0) > now,
    async rememberOnce(key, ttlSeconds, now) {
      if ((state.remembered.get(key) ?? 0) > now) return false
      state.remembered.set(key, now + ttlSeconds)
      return true
    },
    async keptKey(name, make) {
      const bytes = state.keys.get(name) ?? make()
      state.keys.set(name, bytes)
      return bytes
    },
    sweep: async (retention) => sweepMemory(state, retention),
    async figures(now) {
      const active = state.rows.filter((row) => isLive(row.record, now))
      return { activeSessions: active.length, outboxLength: state.outbox.size }
    },
    async check() {},
    async close() {},
  }
}

function addMark(state: MemoryState, mark: LogoutMark): void {
  for (const key of identityKeys(mark)) {
    const known = state.marks.get(key)
    state.marks.set(key, {
      issuedBefore: Math.max(mark.issuedBefore, known?.issuedBefore ?? 0),
      keepUntil: Math.max(mark.keepUntil, known?.keepUntil ?? 0),
    })
  }
}
