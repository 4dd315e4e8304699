import type { AuditEntry, Block, Ownership, SessionRecord } from '../records.ts'

/** A session with what the registry alone knows of it. */
export interface Row {
  readonly seq: number
  record: SessionRecord
  /** When it ends or ended: its expiry, or when the upstream confirmed the cancel. */
  endsAt: number
  /** The requests of its running minute. */
  window: { used: number; readonly endsMs: number } | undefined
}

/** An ownership with its place in the order of creation. */
export interface OwnedRow {
  readonly seq: number
  readonly ownership: Ownership
}

/** A block with its place in the order of creation. */
export interface BlockRow {
  readonly seq: number
  readonly block: Block
}

/** What is known of one user. */
export interface UserState {
  generation: number
  /** Unix seconds of the last change of the generation. */
  changedAt: number
  block: BlockRow | undefined
  rows: Row[]
  /** Rows with status `active`, in the order of creation; expired ones leave on the way. */
  readonly active: Set<Row>
  /** Unix seconds: before that, none of {@link UserState.active} expires. */
  nextExpiry: number
}

/** Everything, for as long as the process lives. */
export interface MemoryState {
  nextSeq: number
  rows: Row[]
  readonly byId: Map<string, Row>
  readonly users: Map<string, UserState>
  /** Identity key → users, each with the number of its sessions. */
  readonly usersByIdentity: Map<string, Map<string, number>>
  /** Session id → when its cancel is due, in milliseconds. */
  readonly outbox: Map<string, number>
  readonly marks: Map<string, { issuedBefore: number; keepUntil: number }>
  readonly remembered: Map<string, number>
  audit: { readonly seq: number; readonly entry: AuditEntry }[]
  readonly auditSeqs: Map<string, number>
  readonly keys: Map<string, Uint8Array>
  /** Thing → its owner, in the order of creation: all of them, and those of each user. */
  readonly owned: Map<string, OwnedRow>
  readonly ownedBy: Map<string, Map<string, OwnedRow>>
}

/** An empty registry. */
export function emptyState(): MemoryState {
  return {
    nextSeq: 1,
    rows: [],
    byId: new Map(),
    users: new Map(),
    usersByIdentity: new Map(),
    outbox: new Map(),
    marks: new Map(),
    remembered: new Map(),
    audit: [],
    auditSeqs: new Map(),
    keys: new Map(),
    owned: new Map(),
    ownedBy: new Map(),
  }
}

/**
 * The user's state, made when there is none.
 *
 * @param state - the registry
 * @param user - the mapped user
 */
export function userState(state: MemoryState, user: string): UserState {
  let found = state.users.get(user)
  if (found === undefined) {
    const none = { rows: [], active: new Set<Row>(), nextExpiry: Number.POSITIVE_INFINITY }
    found = { generation: 0, changedAt: 0, block: undefined, ...none }
    state.users.set(user, found)
  }
  return found
}

/**
 * Takes expired rows from the active ones.
 *
 * @param user - its state
 * @param now - Unix seconds
 */
export function dropExpired(user: UserState, now: number): void {
  user.nextExpiry = Number.POSITIVE_INFINITY
  for (const row of user.active) {
    if (row.record.expiresAt <= now) user.active.delete(row)
    else user.nextExpiry = Math.min(user.nextExpiry, row.record.expiresAt)
  }
}

/**
 * The block that holds now.
 *
 * @param user - its state
 * @param now - Unix seconds
 */
export function heldBlock(user: UserState | undefined, now: number): Block | undefined {
  const block = user?.block?.block
  return block !== undefined && now < block.until ? block : undefined
}

/**
 * One key per subject and per `sid` of an issuer; the length keeps the parts apart whatever they hold.
 *
 * @param issuer - `iss`
 * @param kind - which part
 * @param value - its value
 */
function identityKey(issuer: string, kind: 'subject' | 'sid', value: string): string {
  return `${kind} ${issuer.length} ${issuer}${value}`
}

/**
 * The keys of an identity: one for each part that is given.
 *
 * @param of - the identity, or a session
 */
export function identityKeys(of: {
  readonly issuer: string
  readonly subject?: string | undefined
  readonly sid?: string | undefined
}): readonly string[] {
  const keys: string[] = []
  if (of.subject !== undefined) keys.push(identityKey(of.issuer, 'subject', of.subject))
  if (of.sid !== undefined) keys.push(identityKey(of.issuer, 'sid', of.sid))
  return keys
}
