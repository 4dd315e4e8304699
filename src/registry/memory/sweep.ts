import type { Retention } from '../records.ts'
import { dropExpired, identityKeys, type MemoryState, type Row, type UserState } from './state.ts'

/** A raised generation outlives every mint that may have read the one before it. */
const GENERATION_KEPT_SECONDS = 86_400

/**
 * Drops what has ended.
 *
 * @param state - the registry
 * @param retention - how long what has ended is kept
 */
export function sweepMemory(state: MemoryState, retention: Retention): void {
  const isOver = (row: Row) => row.endsAt < retention.sessionsEndedBefore
  forgetSessions(state, new Set(state.rows.filter(isOver)))
  for (const [name, user] of state.users) sweepUser(state, name, { user, now: retention.now })
  for (const [key, mark] of state.marks) {
    if (mark.keepUntil <= retention.now) state.marks.delete(key)
  }
  for (const [key, until] of state.remembered) {
    if (until <= retention.now) state.remembered.delete(key)
  }
  for (const { entry } of state.audit) {
    if (entry.at < retention.auditBefore) state.auditSeqs.delete(entry.id)
  }
  state.audit = state.audit.filter(({ entry }) => entry.at >= retention.auditBefore)
}

/**
 * Takes sessions off the books.
 *
 * @param state - the registry
 * @param gone - which
 */
export function forgetSessions(state: MemoryState, gone: ReadonlySet<Row>): void {
  if (gone.size === 0) return
  for (const row of gone) forget(state, row)
  state.rows = state.rows.filter((row) => !gone.has(row))
  for (const name of new Set([...gone].map((row) => row.record.user))) {
    const user = state.users.get(name)
    if (user !== undefined) user.rows = user.rows.filter((row) => !gone.has(row))
  }
}

function forget(state: MemoryState, row: Row): void {
  const { id, user } = row.record
  state.byId.delete(id)
  state.outbox.delete(id)
  state.users.get(user)?.active.delete(row)
  for (const key of identityKeys(row.record)) {
    const users = state.usersByIdentity.get(key)
    const left = (users?.get(user) ?? 0) - 1
    if (left > 0) users?.set(user, left)
    else users?.delete(user)
    if (users?.size === 0) state.usersByIdentity.delete(key)
  }
}

function sweepUser(state: MemoryState, name: string, of: { user: UserState; now: number }): void {
  const { user, now } = of
  if (user.block !== undefined && user.block.block.until <= now) user.block = undefined
  dropExpired(user, now)
  const idle = user.rows.length === 0 && user.block === undefined
  if (idle && user.changedAt + GENERATION_KEPT_SECONDS < now) state.users.delete(name)
}
