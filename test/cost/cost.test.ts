import { join } from 'node:path'
import { createClient } from '@redis/client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eachBounded } from '../../src/lib/concurrency.ts'
import { createLog } from '../../src/lib/log.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createRedisRegistry } from '../../src/registry/redis.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { entry, NOW } from '../contracts/registry-fixtures.ts'
import { fillSqlite } from '../support/registry/fill-sqlite.ts'
import { patient } from '../support/registry/patient-registry.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'
import { type Cost, compare, createMeasure, type Side, type Spent, spentHere } from './measure.ts'

// CPU per mint and per revoke beside few and beside many live sessions of other users. The long run,
// `npm run test:cost`, has a million.

const FEW = 100
const MANY = Number(process.env['COST_SESSIONS'] ?? 10_000)
/** The store of a million takes minutes to fill. */
const TIMEOUT_MS = MANY > 100_000 ? 1_200_000 : 180_000
const MOST_DIFFERENCE = 1.1
/**
 * Where step 3 is measured alone, without the cost of answering a request: extra microseconds for a store that is
 * larger than the caches of the processor or of SQLite. A request takes more than a hundred times as much.
 */
const CACHES_US = { sqlite: 10, redis: 0 }
/** Other work runs on the test machine, so it is enough that one of several comparisons holds. */
const TRIES = 5

/** Result of one comparison, for the test's output. */
function report(store: string, [few, many]: readonly Cost[]): string {
  const line = (of: keyof Cost) =>
    `${of} ${few?.[of].toFixed(1)} -> ${many?.[of].toFixed(1)} us (x${ratio([few, many], of).toFixed(2)})`
  return `${store}, CPU beside ${FEW} -> ${MANY} sessions: ${line('mint')}, ${line('revoke')}`
}

function ratio([few, many]: readonly (Cost | undefined)[], of: keyof Cost): number {
  return (many?.[of] ?? Number.NaN) / (few?.[of] ?? Number.NaN)
}

async function expectSameCost(store: string, attempt: () => Promise<readonly Cost[]>, freeUs = 0) {
  const reports: string[] = []
  let worst = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < TRIES && worst > MOST_DIFFERENCE; tries++) {
    const costs = await attempt()
    const over = costs.map(({ mint, revoke }, at) => {
      const free = at === 0 ? 0 : freeUs
      return { mint: mint - free, revoke: revoke - free }
    })
    worst = Math.min(worst, Math.max(ratio(over, 'mint'), ratio(over, 'revoke')))
    reports.push(report(store, costs))
  }
  process.stdout.write(`${reports.join('\n')}\n`)
  expect(worst, reports.join('\n')).toBeLessThanOrEqual(MOST_DIFFERENCE)
}

const compareSides = (sides: readonly Side[], batches: number) =>
  compare(sides.map(createMeasure), batches)

// `memory:` is the same code without a file.
test(
  'a mint beside many sessions costs what it costs beside few, in SQLite',
  async () => {
    const folder = scratchFolder()
    const sides = [FEW, MANY].map((sessions) => {
      const path = join(folder, `${sessions}.db`)
      const registry = createSqliteRegistry({ path })
      onTestFinished(() => registry.close())
      fillSqlite(path, sessions, NOW)
      return { registry, spent: spentHere }
    })
    await expectSameCost('SQLite', () => compareSides(sides, 16), CACHES_US.sqlite)
  },
  TIMEOUT_MS,
)

describe.runIf(wantsRedis())('in Redis', () => {
  let client: ReturnType<typeof createClient>
  const redis = forAllTests(() => startRedis())
  beforeAll(async () => {
    client = createClient({ url: redis.url })
    await client.connect()
  })
  afterAll(async () => {
    client?.destroy()
  })

  /** CPU of the server and of this process, its client. */
  const spent: Spent = async () => {
    const info = await client.sendCommand<string>(['INFO', 'cpu'])
    const seconds = ['used_cpu_sys', 'used_cpu_user'].map((name) =>
      Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]),
    )
    return seconds.reduce((sum, one) => sum + one * 1e6, await spentHere())
  }

  /** One server with two databases, so that both sides have the same neighbours. */
  async function openFilled(sessions: number, database: number): Promise<Side> {
    const url = new Secret(`${redis.url}/${database}`)
    const log = createLog({ level: 'silent' })
    const registry = patient(createRedisRegistry({ url, cluster: false, replicas: 0, log }))
    onTestFinished(() => registry.close())
    await registry.check()
    await fill(registry, sessions)
    return { registry, spent }
  }

  test(
    'a mint beside many sessions costs what it costs beside few, here and in the server',
    async () => {
      const sides = await Promise.all([FEW, MANY].map(openFilled))
      await expectSameCost('Redis', () => compareSides(sides, 12), CACHES_US.redis)
    },
    TIMEOUT_MS,
  )
})

/** Records live sessions of other users, five of each, through the registry itself. */
async function fill(registry: Registry, sessions: number): Promise<void> {
  const numbers = Array.from({ length: sessions }, (_, at) => at)
  await eachBounded(numbers, 50, async (at) => {
    const other = Math.floor(at / 5)
    const of = { id: `other-${at}`, user: `other-${other}`, subject: `subject-${other}` }
    await registry.record(entry({ ...of, expiresAt: NOW + 86_400 }))
  })
}
