import { createHash } from 'node:crypto'
import type { AuditEntry, AuditLink, ChainedEntry } from '../../src/registry/audit-entry.ts'
import type { Ownership } from '../../src/registry/owned-records.ts'
import type { Registry } from '../../src/registry/port.ts'
import type {
  NewEntry,
  SessionQuery,
  SessionRecord,
  UserRevoke,
} from '../../src/registry/records.ts'
import type { Plain, PlainPort } from '../support/ids.ts'

/** A registry as tests call it. */
export type PlainRegistry = PlainPort<Registry>

/** The suites' present time, in Unix seconds; it never changes. */
export const NOW = 1_800_000_000

/** A store on which instances can be opened; empty at first. */
export interface ContractStore {
  /** Opens another instance on the same store. */
  open(): Promise<Registry>
  /** Closes every instance and the store. */
  close(): Promise<void>
}

/** The argument of each suite. */
export interface Suite {
  /** The registry under test, while a test runs. */
  readonly registry: PlainRegistry
  /** Three instances on one store. */
  instances(): Promise<readonly PlainRegistry[]>
}

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

export const session = (of: Partial<Plain<SessionRecord>> & { id: string }) =>
  ({
    user: 'alice',
    workflow: 'support',
    issuer: 'https://idp.example/',
    subject: 'alice-sub',
    sid: undefined,
    secretHash: hashOf(`secret of ${of.id}`),
    status: 'active',
    endReason: undefined,
    createdAt: NOW,
    expiresAt: NOW + 600,
    ...of,
  }) as SessionRecord

export const entry = (
  of: Partial<Plain<SessionRecord>> & { id: string },
  more: Partial<Plain<NewEntry>> = {},
) =>
  ({
    session: session(of),
    generation: 0,
    cap: { max: 20, whenFull: 'evict_oldest' },
    now: NOW,
    ...more,
  }) as NewEntry

export const order = (of: Partial<Plain<UserRevoke>> = {}) =>
  ({ user: 'alice', endReason: 'revoked', by: 'ada', now: NOW, ...of }) as UserRevoke

export const query = (of: Partial<SessionQuery> = {}): SessionQuery => ({
  limit: 20,
  order: 'desc',
  now: NOW,
  ...of,
})

export const standingQuery = (user = 'alice', currentSecretHash?: string) => ({
  user,
  identity: { issuer: 'https://idp.example/', subject: 'alice-sub' },
  currentSecretHash,
  exactFrom: 1,
  now: NOW,
})

/** What a sweep drops: all that ended before a time. */
export const retention = (before: number, now = NOW) => ({
  sessionsEndedBefore: before,
  auditBefore: before,
  usersSeenBefore: before,
  now,
})

export const ownership = (of: Partial<Plain<Ownership>> & { id: string }) =>
  ({ source: 'support', kind: 'thread', user: 'alice', createdAt: NOW, ...of }) as Ownership

export const auditEntry = (of: Partial<AuditEntry> & { id: string }): AuditEntry => ({
  at: NOW,
  actor: 'https://idp.example/|ada',
  action: 'revoke',
  user: undefined,
  outcome: 'ok',
  reason: undefined,
  requestId: undefined,
  chain: undefined,
  ...of,
})

/** The same with a place in the chain of one instance. */
export const chainedEntry = (
  of: Partial<AuditEntry> & { id: string },
  place: Partial<AuditLink> = {},
): ChainedEntry => ({
  ...auditEntry(of),
  chain: {
    instance: 'ins_1',
    seq: 1,
    prev: undefined,
    salt: 'salt',
    byUser: false,
    erased: undefined,
    ...place,
  },
})

export const ids = (records: readonly { readonly id: string }[] | undefined): readonly string[] =>
  (records ?? []).map((record) => record.id)

/** Ids of a page; the test fails without a page. */
export function pageIds(
  page: { readonly data: readonly { readonly id: string }[] } | undefined,
): readonly string[] {
  if (page === undefined) throw new Error('no page: the cursor was not known')
  return ids(page.data)
}
