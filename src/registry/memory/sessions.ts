import { ServiceError } from '../../lib/errors.ts'
import { FIRST_LEASE_MS, type Registry } from '../port.ts'
import type {
  EndReason,
  NewEntry,
  RecordOutcome,
  RevokeOrder,
  RevokeOutcome,
  SessionRecord,
} from '../records.ts'
import { isLive, isOfIdentity } from '../session-match.ts'
import {
  heldBlock,
  identityKeys,
  type MemoryState,
  type Row,
  type UserState,
  userState,
} from './state.ts'

type SessionSteps = Pick<Registry, 'readGuard' | 'record' | 'revoke' | 'beginCancel'>

/**
 * The steps on one user. Each runs without a pause, which is what makes it atomic.
 *
 * @param state - the registry
 */
export function createSessionSteps(state: MemoryState): SessionSteps {
  return {
    async readGuard({ user, identity, currentSecretHash, now }) {
      const known = state.users.get(user)
      const marks = identityKeys(identity)
        .map((key) => state.marks.get(key))
        .filter((mark) => mark !== undefined && now < mark.keepUntil)
        .map((mark) => mark?.issuedBefore ?? 0)
      return {
        generation: known?.generation ?? 0,
        blockedUntil: heldBlock(known, now)?.until,
        loggedOutAt: marks.length === 0 ? undefined : Math.max(...marks),
        liveSessions: known === undefined ? 0 : liveRows(known, now).length,
        current: known === undefined ? undefined : bySecret(known, currentSecretHash)?.record,
      }
    },
    record: async (entry) => record(state, entry),
    revoke: async (order) => revoke(state, order),
    async beginCancel(id, now) {
      const row = state.byId.get(id)
      if (row !== undefined && isLive(row.record, now))
        endRow(state, row, { why: 'cancelled', now })
      return row?.record
    },
  }
}

function record(state: MemoryState, entry: NewEntry): RecordOutcome {
  const { session, now } = entry
  const user = userState(state, session.user)
  if (user.generation !== entry.generation || heldBlock(user, now)) return { kind: 'blocked' }
  const known = state.byId.get(session.id)
  if (known !== undefined) return repeated(known, session)

  const replaced = bySecret(user, entry.replaces)
  const live = liveRows(user, now)
  const counting = live.filter((row) => row !== replaced)
  const tooMany = counting.length + 1 - entry.cap.max
  if (tooMany > 0 && entry.cap.whenFull === 'deny') return { kind: 'full' }

  const ended: SessionRecord[] = []
  if (replaced !== undefined && live.includes(replaced)) {
    ended.push(endRow(state, replaced, { why: 'replaced', now }))
  }
  for (const row of counting.slice(0, Math.max(0, tooMany))) {
    ended.push(endRow(state, row, { why: 'evicted', now }))
  }
  addRow(state, user, session)
  return { kind: 'recorded', ended }
}

function repeated(known: Row, session: SessionRecord): RecordOutcome {
  if (known.record.user !== session.user || known.record.secretHash !== session.secretHash) {
    throw new ServiceError('internal_error', { reason: 'session id is taken by another session' })
  }
  return known.record.status === 'active' ? { kind: 'recorded', ended: [] } : { kind: 'blocked' }
}

function addRow(state: MemoryState, user: UserState, session: SessionRecord): void {
  const seq = state.nextSeq++
  const row: Row = { seq, record: session, endsAt: session.expiresAt, window: undefined }
  state.rows.push(row)
  state.byId.set(session.id, row)
  user.rows.push(row)
  user.active.add(row)
  for (const key of identityKeys(session)) {
    const users = state.usersByIdentity.get(key) ?? new Map<string, number>()
    users.set(session.user, (users.get(session.user) ?? 0) + 1)
    state.usersByIdentity.set(key, users)
  }
}

function revoke(state: MemoryState, order: RevokeOrder): RevokeOutcome {
  const { now } = order
  const user = userState(state, order.user)
  user.generation += 1
  user.changedAt = now
  if (order.block !== undefined && order.block.until > (heldBlock(user, now)?.until ?? 0)) {
    const block = { user: order.user, ...order.block, createdAt: now }
    user.block = { seq: state.nextSeq++, block }
  }
  for (const row of liveRows(user, now)) {
    if (isOfIdentity(row.record, order.identity)) {
      endRow(state, row, { why: order.endReason, now })
    }
  }
  const cancelling = user.rows
    .map((row) => row.record)
    .filter((of) => of.status === 'cancelling' && now < of.expiresAt)
    .filter((of) => isOfIdentity(of, order.identity))
  return { cancelling, blockedUntil: heldBlock(user, now)?.until }
}

/** Live rows in the order of creation. */
function liveRows(user: UserState, now: number): readonly Row[] {
  return [...user.active].filter((row) => now < row.record.expiresAt)
}

function bySecret(user: UserState, secretHash: string | undefined): Row | undefined {
  if (secretHash === undefined) return undefined
  return user.rows.findLast((row) => row.record.secretHash === secretHash)
}

function endRow(state: MemoryState, row: Row, how: { why: EndReason; now: number }): SessionRecord {
  row.record = { ...row.record, status: 'cancelling', endReason: how.why }
  state.users.get(row.record.user)?.active.delete(row)
  state.outbox.set(row.record.id, how.now * 1000 + FIRST_LEASE_MS)
  return row.record
}
