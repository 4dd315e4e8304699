// Races on one SQLite file, with one connection per instance. memory.test.ts tries the same statements.
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { patient } from '../support/registry/patient-registry.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { inProcess } from './in-process.ts'
import { race } from './race.ts'
import { expectNothingFound, patience, raceRuns } from './runs.ts'

const RUNS = raceRuns(300)
const path = join(scratchFolder(), 'mint.db')
const observer = patient(createSqliteRegistry({ path }))
const registries = Array.from({ length: 3 }, () => createSqliteRegistry({ path }))
const instances = registries.map((registry) => inProcess(registry))

afterAll(async () => {
  for (const registry of [observer, ...registries]) await registry.close()
})

test(
  `no order of events among three instances breaks a promise (SQLite, ${RUNS} interleavings)`,
  async () => {
    const details = await race({ runs: RUNS, store: () => ({ instances, observer }) })
    expectNothingFound(details)
    expect(details.numRuns).toBe(RUNS)
  },
  patience(RUNS),
)
