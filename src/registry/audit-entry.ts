// An entry of the audit: the hash that chains each entry of an instance to the one before it, and the row that a
// store keeps.

import { hash } from 'node:crypto'
import { z } from 'zod'
import { jsonOrUndefined } from '../lib/json.ts'
import { count, readerOf, text } from './rows.ts'

/** Kinds of entries, in the order of lists of them. `dropped` says how many were dropped while the store was away. */
export const AUDIT_ACTIONS = [
  ...(['mint', 'cancel', 'revoke', 'unblock', 'sign_out', 'logout'] as const),
  ...([
    'export',
    'erase',
    'delete_thread',
    'admin_read',
    'admin_sign_in',
    'admin_attempt',
  ] as const),
  ...(['introspection_attempt', 'backend_attempt', 'dropped'] as const),
] as const

export type AuditAction = (typeof AUDIT_ACTIONS)[number]

const erasedDigests = z.object({
  actor: text.optional(),
  user: text.optional(),
  reason: text.optional(),
})

const auditRow = z
  .object({
    id: text,
    /** Seconds. */
    at: count,
    /**
     * `issuer|subject`; the subject is empty after a logout of a `sid` alone. Undefined when the actor was the
     * user and has been erased.
     */
    actor: text.optional(),
    action: text,
    /** The ChatKit user that the action concerned. */
    user: text.optional(),
    outcome: z.enum(['ok', 'refused', 'failed']),
    /**
     * Why, or on what: the workflow of a mint, the code of a refusal, the route of a read, the id of what was cancelled
     * or deleted.
     */
    reason: text.optional(),
    requestId: text.optional(),
    /** Random for each start of a process; with the rest, undefined in versions that did not chain their entries. */
    instance: text.optional(),
    /** From 1, without gaps. */
    chainSeq: count.optional(),
    /** Hash of the instance's previous entry; undefined for the first one. */
    prev: text.optional(),
    /** Salt of the digests of user, reason and actor; undefined once the entry has been erased. */
    salt: text.optional(),
    /** The actor is also the user concerned, so that an erase removes the actor too. */
    byUser: count.optional(),
    /** The digests of what was erased; undefined if nothing was. */
    erased: text.transform(jsonOrUndefined).pipe(erasedDigests).optional(),
  })
  .transform(({ id, at, actor, action, user, outcome, reason, requestId, ...link }) => {
    const { instance, chainSeq, prev, salt, byUser, erased } = link
    const seq = instance === undefined ? 0 : count.parse(chainSeq)
    const chain = instance && { instance, seq, prev, salt, byUser: byUser === 1, erased }
    return {
      ...{ id, at, action, user, outcome, reason, requestId },
      // An erased actor is empty in SQLite, whose column is NOT NULL, and absent in Redis.
      actor: actor || undefined,
      chain: chain || undefined,
    }
  })

export type AuditEntry = Readonly<z.output<typeof auditRow>>

/** @throws `ZodError` when a field is missing or of the wrong type */
export const toAuditEntry = readerOf<AuditEntry>(auditRow)

/** An entry's link in the chain of one instance, and what its hash needs: see {@link entryHash}. */
export type AuditLink = Readonly<NonNullable<AuditEntry['chain']>>

/** Digests in base64url; undefined for a field that the entry never had. */
export type ErasedDigests = Readonly<z.output<typeof erasedDigests>>

export interface AuditFilter {
  readonly user?: string | undefined
  readonly actor?: string | undefined
  readonly action?: string | undefined
  /** Leaves out the entries with this action. */
  readonly notAction?: string | undefined
  /** Entries from this second on. */
  readonly since?: number | undefined
  /** Entries before this second. */
  readonly until?: number | undefined
}

export interface AuditQuery extends AuditFilter {
  readonly limit: number
  readonly after?: string | undefined
}

export type ChainedEntry = AuditEntry & { readonly chain: AuditLink }

/** False for entries of versions that did not chain them. */
export function isChained(entry: AuditEntry): entry is ChainedEntry {
  return entry.chain !== undefined
}

/**
 * The hash that the instance's next entry holds: base64url SHA-256 of the entry's canonical JSON. It holds user
 * and reason, and the actor if that is the user, as salted digests, so that an erase can remove the text and
 * the salt without changing the hash.
 *
 * The JSON is in the form of RFC 8785 (JCS): the members are written in the order of their names (§3.2.3),
 * strings and whole numbers as `JSON.stringify` writes them (§3.2.2), and nothing is nested.
 */
export function entryHash(entry: ChainedEntry): string {
  const { action, actor, at, chain, id, outcome, requestId } = entry
  const { instance, prev, seq } = chain
  const text = JSON.stringify({
    action,
    actor: (chain.byUser ? digestIn(entry, 'actor') : actor) ?? null,
    at,
    id,
    instance,
    outcome,
    prev: prev ?? null,
    reason: digestIn(entry, 'reason') ?? null,
    request_id: requestId ?? null,
    seq,
    user: digestIn(entry, 'user') ?? null,
  })
  return hash('sha256', text, 'base64url')
}

/**
 * The entry without user, reason and salt, and without the actor if that is the user. Its hash stays the same.
 */
export function erasedEntry(entry: ChainedEntry): ChainedEntry {
  const { chain } = entry
  const erased = {
    actor: chain.byUser ? digestIn(entry, 'actor') : undefined,
    user: digestIn(entry, 'user'),
    reason: digestIn(entry, 'reason'),
  }
  return {
    ...entry,
    actor: chain.byUser ? undefined : entry.actor,
    user: undefined,
    reason: undefined,
    chain: { ...chain, salt: undefined, erased },
  }
}

/**
 * Without the salt nobody can find the text by guessing, and the digests of one text differ from entry to
 * entry.
 */
function digestIn(entry: ChainedEntry, field: keyof ErasedDigests): string | undefined {
  const value = entry[field]
  const { salt, erased } = entry.chain
  if (salt === undefined) return erased?.[field]
  return value === undefined ? undefined : hash('sha256', `${salt}.${field}.${value}`, 'base64url')
}

/** The fields of a row, the inverse of {@link toAuditEntry}. */
export function fromAuditEntry(entry: AuditEntry) {
  const { id, at, actor, action, user, outcome, reason, requestId, chain } = entry
  return {
    id,
    at,
    actor,
    action,
    user,
    outcome,
    reason,
    request_id: requestId,
    instance: chain?.instance,
    chain_seq: chain?.seq,
    prev: chain?.prev,
    salt: chain?.salt,
    by_user: chain?.byUser ? 1 : undefined,
    erased: chain?.erased && JSON.stringify(chain.erased),
  }
}
