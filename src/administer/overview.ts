// Reads what an admin sees first: live sessions, waiting cancels and blocks.

import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { Audit } from '../registry/audit.ts'
import type { Registry } from '../registry/port.ts'
import { type AdminRequest, auditRead } from './audit.ts'

/** Most blocks that are counted; if there are more, `more` is true. */
const MOST_BLOCKS = 100

export function createReadOverview({
  registry,
  audit,
  now,
}: {
  readonly registry: Pick<Registry, 'figures' | 'listBlocks'>
  readonly audit: Pick<Audit, 'write'>
  readonly now: Clock
}) {
  return async (request: AdminRequest) => {
    await auditRead(audit, request)
    const seconds = unixSeconds(now)
    const [figures, blocks] = await Promise.all([
      registry.figures(seconds),
      registry.listBlocks({ limit: MOST_BLOCKS, order: 'desc', now: seconds }),
    ])
    return {
      ...figures,
      blocks: { count: blocks?.data.length ?? 0, more: blocks?.hasMore ?? false },
    }
  }
}
