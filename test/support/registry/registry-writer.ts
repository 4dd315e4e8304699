import { parseArgs } from 'node:util'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { entry, NOW } from '../../contracts/registry-fixtures.ts'

/**
 * A process that records sessions in one SQLite file, and prints the id of each that was answered.
 * `--count 0` goes on until it is killed.
 */
const { values } = parseArgs({
  options: { path: { type: 'string' }, name: { type: 'string' }, count: { type: 'string' } },
})
const { path = '', name = '', count = '0' } = values
const registry = createSqliteRegistry({ path })
const end = Number(count) === 0 ? Number.POSITIVE_INFINITY : Number(count)
for (let at = 0; at < end; at++) {
  const id = `${name}-${at}`
  const cap = { max: 10_000, whenFull: 'deny' } as const
  try {
    const outcome = await registry.record(entry({ id, user: 'shared' }, { cap, now: NOW }))
    if (outcome.kind === 'recorded') process.stdout.write(`${id}\n`)
  } catch {
    // The lock was held for longer than one call waits: nothing was recorded, nothing is printed.
  }
}
await registry.close()
