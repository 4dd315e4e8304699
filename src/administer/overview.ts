// Reads what an admin sees first: live sessions, waiting cancels, blocks, and the processes at work.

import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { Audit } from '../registry/audit.ts'
import type { AuditEntry } from '../registry/audit-entry.ts'
import type { Registry } from '../registry/port.ts'
import { type AdminRequest, auditRead } from './audit.ts'

/** Blocks that are counted; of more it is only said that there are more. */
const MOST_BLOCKS = 100
/** Latest audit entries that are read to find the processes at work. */
const MOST_ENTRIES = 500
/** An instance that wrote nothing for so many seconds is not named. */
const INSTANCE_SECONDS = 600

/** A process that wrote to the audit lately; each start of an instance is one. */
export interface SeenInstance {
  /** `ins_…` */
  readonly id: string
  /** Unix seconds of its latest entry. */
  readonly lastWrote: number
  /** Whether it is the process that answers. */
  readonly self: boolean
}

/** Makes the function that reads the overview. */
export function createReadOverview({
  registry,
  audit,
  now,
}: {
  readonly registry: Pick<Registry, 'figures' | 'listBlocks' | 'listAudit'>
  readonly audit: Audit
  readonly now: Clock
}) {
  return async (request: AdminRequest) => {
    await auditRead(audit, request)
    await audit.flush()
    const seconds = unixSeconds(now)
    const [figures, blocks, entries] = await Promise.all([
      registry.figures(seconds),
      registry.listBlocks({ limit: MOST_BLOCKS, order: 'desc', now: seconds }),
      registry.listAudit({ limit: MOST_ENTRIES, since: seconds - INSTANCE_SECONDS }),
    ])
    return {
      ...figures,
      blocks: { count: blocks?.data.length ?? 0, more: blocks?.hasMore ?? false },
      instances: instancesOf(entries?.data ?? [], request.requestId),
    }
  }
}

/** This process is the one that wrote the entry of the request itself. */
function instancesOf(entries: readonly AuditEntry[], requestId: string): readonly SeenInstance[] {
  const seen = new Map<string, SeenInstance>()
  for (const { chain, at, requestId: by } of entries) {
    if (chain === undefined) continue
    const { instance: id } = chain
    const { lastWrote = 0, self = false } = seen.get(id) ?? {}
    seen.set(id, { id, lastWrote: Math.max(lastWrote, at), self: self || by === requestId })
  }
  return [...seen.values()]
}
