import { vi } from 'vitest'
import { startRedis, type TestRedis } from './redis.ts'

/** Options of a primary whose replicas begin at once. */
export const PRIMARY = ['--repl-diskless-sync-delay', '0']

/**
 * A replica that confirms what its primary writes.
 *
 * @param port - of the server that it follows; that of the primary when absent
 */
export async function startReplica(primary: TestRedis, port = primary.port): Promise<TestRedis> {
  const replica = await startRedis(['--replicaof', '127.0.0.1', String(port)])
  await untilConfirming(primary)
  return replica
}

/** Until the replica has confirmed all that the primary has written: before its first word it counts as absent. */
export async function untilConfirming(primary: TestRedis): Promise<void> {
  await vi.waitFor(
    async () => {
      const info = await primary.cli('info', 'replication')
      const confirmed = /state=online,offset=(\d+)/.exec(info)?.[1]
      const written = /^master_repl_offset:(\d+)/m.exec(info)?.[1]
      if (confirmed === undefined || Number(confirmed) < Number(written)) {
        throw new Error(`the replica does not follow: ${info}`)
      }
    },
    { timeout: 20_000, interval: 50 },
  )
}
