// Races on Redis: with one call of the store at a time, and with calls beside each other.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createRedisRegistry } from '../../src/registry/redis.ts'
import { eventually } from '../support/eventually.ts'
import { patient } from '../support/registry/patient-registry.ts'
import { startRedis, type TestRedis, wantsRedis } from '../support/registry/redis.ts'
import { inProcess } from './in-process.ts'
import { race } from './race.ts'
import { expectNothingFound, patience, raceRuns } from './runs.ts'

const ONE_BY_ONE = raceRuns(30, 0.1)
const OVERLAPPING = raceRuns(270, 0.9)

describe.runIf(wantsRedis())('over Redis', () => {
  let redis: TestRedis
  let registries: readonly Registry[] = []

  beforeAll(async () => {
    redis = await startRedis()
    const options = {
      url: new Secret(redis.url),
      cluster: false,
      replicas: 0,
      log: createLog({ level: 'silent' }),
    }
    registries = Array.from({ length: 4 }, () => createRedisRegistry(options))
    for (const registry of registries) await eventually(() => registry.check())
  })
  afterAll(async () => {
    for (const registry of registries) await registry.close()
    await redis?.close()
  })

  test.each([
    { runs: ONE_BY_ONE, overlap: false, how: 'one call of the store at a time' },
    { runs: OVERLAPPING, overlap: true, how: 'calls of the store beside each other' },
  ])(
    'no order of events among three instances breaks a promise (Redis, $runs interleavings, $how)',
    async ({ runs, overlap }) => {
      const [observer, ...others] = registries
      if (observer === undefined) throw new Error('no registry')
      const instances = others.map((registry) => inProcess(registry))
      const details = await race({
        runs,
        overlap,
        store: () => ({ instances, observer: patient(observer) }),
      })
      expectNothingFound(details)
      expect(details.numRuns).toBe(runs)
    },
    patience(ONE_BY_ONE + OVERLAPPING),
  )
})
