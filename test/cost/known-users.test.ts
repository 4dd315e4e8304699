import { join } from 'node:path'
import { StatementSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { eachBounded } from '../../src/lib/concurrency.ts'
import { createLog } from '../../src/lib/log.ts'
import { Secret } from '../../src/lib/secret.ts'
import { createRedisRegistry } from '../../src/registry/redis.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { entry, NOW, type PlainRegistry } from '../contracts/registry-fixtures.ts'
import { plain } from '../support/ids.ts'
import { patient } from '../support/registry/patient-registry.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'

// A page of users costs the same beside few and beside many other users, counted in rows that SQLite gives and in
// commands that Redis runs. query-plans.test.ts shows that SQLite reads no row that it does not give.

const FEW = 100
const MANY = 5000
const PAGES = ['first', 'all', 'second names', 'one', 'none', 'last', 'later'] as const

/** Users `u_<n>`, all of them with subjects `user_<n>`: a search for `u` finds each by both names. */
async function fill(registry: PlainRegistry, users: number): Promise<void> {
  const numbers = Array.from({ length: users }, (_, at) => String(at).padStart(6, '0'))
  await eachBounded(numbers, 50, async (at) => {
    await registry.record(entry({ id: `s${at}`, user: `u_${at}`, subject: `user_${at}` }))
  })
}

/** One page each: of 10 users, of one, of none, and of those where all second names were found before. */
function read(registry: PlainRegistry, page: (typeof PAGES)[number], users: number) {
  const list = { limit: 10, now: NOW }
  const last = `u_${String(users - 1).padStart(6, '0')}`
  switch (page) {
    case 'first':
      return registry.listUsers(list)
    case 'all':
      return registry.listUsers({ ...list, q: 'U' })
    case 'second names':
      return registry.listUsers({ ...list, q: 'user' })
    case 'one':
      return registry.listUsers({ ...list, q: 'u_000007' })
    case 'none':
      return registry.listUsers({ ...list, q: 'v' })
    case 'last':
      return registry.listUsers({ ...list, q: 'u', after: last })
    case 'later':
      return registry.listUsers({ ...list, after: 'u_000050' })
  }
}

const FOUND = { first: 10, all: 10, 'second names': 10, one: 1, none: 0, last: 0, later: 10 }

async function expectSamePages(
  [few, many]: readonly [PlainRegistry, PlainRegistry],
  countOf: (work: () => Promise<unknown>) => Promise<number>,
): Promise<void> {
  for (const page of PAGES) {
    const sizes: number[] = []
    const count = (registry: PlainRegistry, users: number) =>
      countOf(async () => {
        sizes.push((await read(registry, page, users))?.data.length ?? -1)
      })
    const counts = [await count(few, FEW), await count(many, MANY)]
    expect([page, sizes]).toEqual([page, [FOUND[page], FOUND[page]]])
    expect([page, counts[1]]).toEqual([page, counts[0]])
    expect(counts[1]).toBeLessThan(60)
  }
}

test('a page of users reads no more rows of SQLite beside many other users', async () => {
  const open = async (users: number) => {
    const registry = plain(createSqliteRegistry({ path: join(scratchFolder(), `${users}.db`) }))
    onTestFinished(() => registry.close())
    await fill(registry, users)
    return registry
  }
  const sides = [await open(FEW), await open(MANY)] as const
  const all = vi.spyOn(StatementSync.prototype, 'all')
  const get = vi.spyOn(StatementSync.prototype, 'get')
  onTestFinished(() => {
    vi.restoreAllMocks()
  })
  await expectSamePages(sides, async (work) => {
    for (const spy of [all, get]) spy.mockClear()
    await work()
    const rows = all.mock.results.flatMap(({ value }) => value as unknown[])
    return rows.length + get.mock.results.length
  })
})

describe.runIf(wantsRedis())('in Redis', () => {
  const few = forAllTests(() => startRedis())
  const many = forAllTests(() => startRedis())

  function open(url: string): PlainRegistry {
    const location = { url: new Secret(url), cluster: false, replicas: 0 }
    const log = createLog({ level: 'silent' })
    const registry = patient(createRedisRegistry({ ...location, log }))
    onTestFinished(() => registry.close())
    return plain(registry)
  }

  test('a page of users takes no more commands beside many other users', async () => {
    const sides = [open(few.url), open(many.url)] as const
    await fill(sides[0], FEW)
    await fill(sides[1], MANY)
    await expectSamePages(sides, async (work) => {
      for (const redis of [few, many]) await redis.cli('config', 'resetstat')
      await work()
      const stats = await Promise.all([few, many].map((redis) => redis.cli('info', 'commandstats')))
      const reads = stats.join().matchAll(/^cmdstat_(?:z\w+|h\w+):calls=(\d+)/gm)
      return Array.from(reads, ([, calls]) => Number(calls)).reduce((sum, one) => sum + one, 0)
    })
  }, 60_000)
})
