// Races among processes on one SQLite file; a crash kills a process.
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { patient } from '../support/registry/patient-registry.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { inOwnProcess } from './in-own-process.ts'
import { race } from './race.ts'
import { expectNothingFound, patience, raceRuns } from './runs.ts'

const RUNS = raceRuns(40, 0.05)
const path = join(scratchFolder(), 'mint.db')
const observer = patient(createSqliteRegistry({ path }))
const processes = [inOwnProcess(path), inOwnProcess(path), inOwnProcess(path)]

afterAll(async () => {
  for (const one of processes) await one.close()
  await observer.close()
})

test(
  `no order of events among three processes on one SQLite file breaks a promise (${RUNS} interleavings)`,
  async () => {
    const instances = processes.map(({ start }) => start)
    const store = () => ({ instances, observer })
    const details = await race({ runs: RUNS, overlap: true, store })
    expectNothingFound(details)
    expect(details.numRuns).toBe(RUNS)
  },
  patience(RUNS * 3),
)
