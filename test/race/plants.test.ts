// Shows that the race finds faults: each planted one must make it fail.
import { expect, test } from 'vitest'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { inProcess } from './in-process.ts'
import { PLANTS } from './plants.ts'
import { race } from './race.ts'
import { patience } from './runs.ts'

/** The rarest of them breaks a promise in one of about 200 interleavings. */
const RUNS = 5000

test.each(Object.entries(PLANTS))(
  'the races find it when %s',
  async (_name, plant) => {
    const observer = createSqliteRegistry({ path: ':memory:' })
    const instance = inProcess(observer, plant)
    const instances = [instance, instance, instance]
    const { failed } = await race({
      runs: RUNS,
      once: true,
      store: () => ({ instances, observer }),
    })
    await observer.close()
    expect(failed).toBe(true)
  },
  patience(RUNS),
)
