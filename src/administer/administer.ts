// Joins what an admin may do, without HTTP. The admin API and the console call these functions.

import type { Settings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import type { Audit } from '../registry/audit.ts'
import type { Registry } from '../registry/port.ts'
import type { Revoke } from '../revoke/revoke.ts'
import type { Threads } from '../threads/threads.ts'
import { createAdministerAudit } from './audit.ts'
import { createReadOverview } from './overview.ts'
import type { Receipts } from './receipt.ts'
import { createAdministerRevokes } from './revokes.ts'
import { createAdministerSessions } from './sessions.ts'
import { createAdministerThreads } from './threads.ts'
import type { UserData } from './user-data.ts'
import { createAdministerUsers } from './users.ts'

/** The functions that {@link createAdminister} makes. */
export type Administer = ReturnType<typeof createAdminister>

/**
 * Every function takes the admin's request first, writes to the audit before it resolves, and throws
 * `store_unavailable` when the store does not answer.
 */
export function createAdminister({
  registry,
  audit,
  revoke,
  threads,
  userData,
  receipts,
  issuers,
  now,
}: {
  readonly registry: Pick<
    Registry,
    | ('getSession' | 'listSessions' | 'listAudit' | 'listUsers' | 'isKnown')
    | ('usersOf' | 'liftBlock' | 'getBlock' | 'listBlocks' | 'readStanding' | 'figures')
  >
  readonly audit: Pick<Audit, 'write' | 'flush'>
  readonly revoke: Pick<Revoke, 'revokeUser' | 'cancelSession'>
  readonly threads: Pick<Threads, 'list' | 'find' | 'listItems' | 'locate' | 'delete'>
  readonly userData: UserData
  /** Undefined without a signing key or a public URL. */
  readonly receipts: Receipts | undefined
  readonly issuers: Settings['issuers']
  readonly now: Clock
}) {
  return {
    ...createAdministerAudit({ registry, audit }),
    ...createAdministerSessions({ registry, revoke, audit }),
    ...createAdministerRevokes({ registry, revoke, audit, issuers, now }),
    ...createAdministerThreads({ threads, audit }),
    ...userData,
    ...createAdministerUsers({ registry, audit, threads, now }),
    ...receipts,
    readOverview: createReadOverview({ registry, audit, now }),
  }
}
