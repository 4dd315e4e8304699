import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { NOW, ownership } from '../contracts/registry-fixtures.ts'
import { plain } from '../support/ids.ts'

/**
 * A process that waits for a signal of the test, then uses session `s1` and claims threads in turn. It prints `ok`
 * for each allowed use, and the id of each thread that it claimed.
 */
const { values } = parseArgs({
  options: {
    path: { type: 'string' },
    user: { type: 'string' },
    max: { type: 'string' },
    count: { type: 'string' },
  },
})
const { path = '', user = '', max = '0', count = '0' } = values
const registry = plain(createSqliteRegistry({ path }))
const use = {
  id: 's1',
  user: 'alice',
  maxPerMinute: Number(max),
  counts: 'run',
  nowMs: NOW * 1000,
} as const

/** Repeats a call that was refused because another process held the lock: it has written nothing. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'store_unavailable')) {
        throw error
      }
    }
  }
}

process.stdout.write('ready\n')
await once(process.stdin, 'data')
for (let at = 0; at < Number(count); at++) {
  const { kind } = await patiently(() => registry.useSession(use))
  if (kind === 'ok') process.stdout.write('ok\n')
  const id = `t${at}`
  const outcome = await patiently(() => registry.claimOwnership(ownership({ id, user })))
  if (outcome === 'claimed') process.stdout.write(`${id}\n`)
}
await registry.close()
process.stdin.destroy()
