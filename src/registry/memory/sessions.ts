import { ServiceError } from '../../lib/errors.ts'
import { type Counters, mintCounter } from '../counters.ts'
import { FIRST_LEASE_MS, type Registry } from '../port.ts'
import type {
  EndReason,
  NewEntry,
  RecordOutcome,
  RevokeOrder,
  RevokeOutcome,
  SessionRecord,
  StandingQuery,
  TokenIdentity,
  UserStanding,
} from '../records.ts'
import { isLive, isOfIdentity } from '../session-match.ts'
import {
  dropExpired,
  heldBlock,
  identityKeys,
  type MemoryState,
  type Row,
  type UserState,
  userState,
} from './state.ts'

type SessionSteps = Pick<
  Registry,
  'readStanding' | 'beginMint' | 'record' | 'revoke' | 'beginCancel'
>

/**
 * The steps on one user. Each runs without a pause, which is what makes it atomic.
 *
 * @param state - the registry
 * @param counters - its rate counters
 */
export function createSessionSteps(
  state: MemoryState,
  counters: Pick<Counters, 'consume'>,
): SessionSteps {
  return {
    readStanding: async (question) => readStanding(state, question),
    beginMint: async (question, limit) => ({
      rate: counters.consume(mintCounter(question.user), limit),
      standing: readStanding(state, question),
    }),
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

function readStanding(
  state: MemoryState,
  { user, identity, currentSecretHash, now }: StandingQuery,
): UserStanding {
  const known = state.users.get(user)
  return {
    generation: known?.generation ?? 0,
    blockedUntil: heldBlock(known, now)?.until,
    loggedOutAt: state.marks.size === 0 ? undefined : latestMark(state, identity, now),
    liveSessions: known === undefined ? 0 : countLive(known, now),
    current: known === undefined ? undefined : bySecret(known, currentSecretHash)?.record,
  }
}

function latestMark(state: MemoryState, identity: TokenIdentity, now: number): number | undefined {
  const standing = identityKeys(identity)
    .map((key) => state.marks.get(key))
    .filter((mark) => mark !== undefined && now < mark.keepUntil)
    .map((mark) => mark?.issuedBefore ?? 0)
  return standing.length === 0 ? undefined : Math.max(...standing)
}

function record(state: MemoryState, entry: NewEntry): RecordOutcome {
  const { session, now } = entry
  const user = userState(state, session.user)
  if (user.generation !== entry.generation || heldBlock(user, now)) return { kind: 'blocked' }
  const known = state.byId.get(session.id)
  if (known !== undefined) return repeated(known, session)

  const candidate = bySecret(user, entry.replaces)
  const replaced = candidate && isLive(candidate.record, now) ? candidate : undefined
  const counting = countLive(user, now) - (replaced === undefined ? 0 : 1)
  const tooMany = counting + 1 - entry.cap.max
  if (tooMany > 0 && entry.cap.whenFull === 'deny') return { kind: 'full' }

  const ended: SessionRecord[] = []
  if (replaced !== undefined) ended.push(endRow(state, replaced, { why: 'replaced', now }))
  if (tooMany > 0) {
    for (const row of liveRows(user, now).slice(0, tooMany)) {
      ended.push(endRow(state, row, { why: 'evicted', now }))
    }
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
  user.nextExpiry = Math.min(user.nextExpiry, session.expiresAt)
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

/** Asked twice by each mint: a user's rows are looked through only when one of them has expired. */
function countLive(user: UserState, now: number): number {
  if (now >= user.nextExpiry) dropExpired(user, now)
  return user.active.size
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
