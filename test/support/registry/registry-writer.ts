import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { entry, NOW } from '../../contracts/registry-fixtures.ts'

/** Written to by a call that waits for the reader: `process.stdout` keeps in memory what a busy one has not read. */
const STDOUT = 1

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
  const recording = registry.record(entry({ id, user: 'shared' }, { cap, now: NOW }))
  // It fails when the lock was held for longer than one call waits: nothing was recorded, nothing is printed.
  const outcome = await recording.catch(() => undefined)
  if (outcome?.kind === 'recorded') writeSync(STDOUT, `${id}\n`)
}
await registry.close()
