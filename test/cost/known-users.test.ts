import { join } from 'node:path'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { createClient } from '@redis/client'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { eachBounded } from '../../src/lib/concurrency.ts'
import { createLog } from '../../src/lib/log.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { UserQuery } from '../../src/registry/known-users.ts'
import { createRedisRegistry } from '../../src/registry/redis.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { entry, NOW, type PlainRegistry } from '../contracts/registry-fixtures.ts'
import { plain } from '../support/ids.ts'
import { patient } from '../support/registry/patient-registry.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'
import { fillUsersOfRedis, fillUsersOfSqlite } from './fill-users.ts'

// A page of users costs the same beside few and beside many other users, counted in rows that SQLite returns and in
// commands that Redis runs. The plans show that SQLite reads no further rows. The long run, `npm run test:cost`, has
// a million users.

const FEW = 100
const MANY = Number(process.env['COST_SESSIONS'] ?? 5000)
const TIMEOUT_MS = MANY > 100_000 ? 600_000 : 60_000
/** Bound on rows or commands of a page of {@link LIMIT} users. */
const MOST = 60
const LIMIT = 10

const numbered = (at: number): string => String(at).padStart(6, '0')

/**
 * All kinds of pages beside this number of users, and the number of users on each. A search for `u` finds each by
 * both names.
 */
const pagesOf = (users: number): readonly (readonly [string, Partial<UserQuery>, number])[] => {
  const [last, middle] = [`u_${numbered(users - 1)}`, 'u_000050']
  return [
    ['the first', {}, LIMIT],
    ['after one', { after: middle }, LIMIT],
    ['all names', { q: 'U' }, LIMIT],
    ['all names, after one', { q: 'u', after: middle }, LIMIT],
    ['all names, after the last', { q: 'u', after: last }, 0],
    ['second names', { q: 'user' }, LIMIT],
    ['second names, after one', { q: 'user', after: middle }, LIMIT],
    ['one name', { q: 'u_000007' }, 1],
    ['no name', { q: 'v' }, 0],
    ['no name of 512 characters', { q: 'u'.repeat(512) }, 0],
  ]
}

async function mintUsers(registry: PlainRegistry): Promise<void> {
  const numbers = Array.from({ length: FEW }, (_, at) => numbered(at))
  await eachBounded(numbers, 1, async (at) => {
    await registry.record(entry({ id: `s${at}`, user: `u_${at}`, subject: `user_${at}` }))
  })
}

/** One side of the comparison. */
interface Side {
  readonly registry: PlainRegistry
  readonly users: number
  /** Rows or commands of the store in this work. */
  readonly countOf: (work: () => Promise<unknown>) => Promise<number>
}

async function expectSamePages([few, many]: readonly [Side, Side]): Promise<void> {
  const counted = async ({ registry, users, countOf }: Side) => {
    const counts: [string, number, number][] = []
    for (const [name, query] of pagesOf(users)) {
      let found = -1
      const count = await countOf(async () => {
        const page = await registry.listUsers({ limit: LIMIT, now: NOW, ...query })
        found = page?.data.length ?? -1
        if (found > 0) expect(page?.data[0]).toMatchObject({ liveSessions: 1, lastSeen: NOW })
      })
      counts.push([name, found, count])
    }
    return counts
  }
  const counts = await counted(many)
  expect(counts.map(([name, found]) => [name, found])).toEqual(
    pagesOf(MANY).map(([name, , found]) => [name, found]),
  )
  expect(counts).toEqual(await counted(few))
  expect(counts.filter(([, , count]) => count > MOST)).toEqual([])
}

test(
  'a page of users reads no more rows of SQLite beside many other users, and all by an index',
  async () => {
    const all = vi.spyOn(StatementSync.prototype, 'all')
    const get = vi.spyOn(StatementSync.prototype, 'get')
    onTestFinished(() => {
      vi.restoreAllMocks()
    })
    const texts = new Set<string>()
    const sideOf = (users: number) => {
      const path = join(scratchFolder(), `${users}.db`)
      const registry = plain(createSqliteRegistry({ path }))
      onTestFinished(() => registry.close())
      const countOf = async (work: () => Promise<unknown>) => {
        for (const spy of [all, get]) spy.mockClear()
        await work()
        const rows = all.mock.results.flatMap(({ value }) => value as unknown[])
        const statements = [...all.mock.contexts, ...get.mock.contexts] as readonly StatementSync[]
        for (const { sourceSQL } of statements) texts.add(sourceSQL)
        return rows.length + get.mock.results.length
      }
      return { path, registry, users, countOf }
    }
    const [few, many] = [sideOf(FEW), sideOf(MANY)]
    await mintUsers(few.registry)
    fillUsersOfSqlite(many.path, MANY)
    await expectSamePages([few, many])
    const db = new DatabaseSync(many.path)
    onTestFinished(() => db.close())
    expect(texts.size).toBe(6)
    for (const text of texts) expect([text, planOf(db, text)]).toEqual([text, SEARCHES])
  },
  TIMEOUT_MS,
)

function planOf(db: DatabaseSync, text: string): readonly string[] {
  return db
    .prepare(`EXPLAIN QUERY PLAN ${text}`)
    .all()
    .map(({ detail }) => String(detail))
}

/** Every step of a plan finds its rows by an index and in order: none scans, and none sorts. */
const SEARCHES = expect.toSatisfy((steps: readonly string[]) =>
  steps.every((step) =>
    /^(SEARCH \w+ USING (COVERING )?INDEX \w+ \(|SCALAR SUBQUERY \d+$|SCAN CONSTANT ROW$)/.test(
      step,
    ),
  ),
)

test.each([
  'SELECT * FROM known_users WHERE lower(name) = ?',
  'SELECT * FROM known_users ORDER BY name, user',
  'SELECT * FROM known_users WHERE seq > ? ORDER BY subject',
])('a plan that scans or sorts would be seen: %s', async (text) => {
  const path = join(scratchFolder(), 'empty.db')
  await createSqliteRegistry({ path }).close()
  const db = new DatabaseSync(path)
  onTestFinished(() => db.close())
  expect(planOf(db, text)).not.toEqual(SEARCHES)
})

describe.runIf(wantsRedis())('in Redis', () => {
  const few = forAllTests(() => startRedis())
  const many = forAllTests(() => startRedis())

  async function sideOf({ url }: typeof few, users: number): Promise<Side> {
    const location = { url: new Secret(url), cluster: false, replicas: 0 }
    const log = createLog({ level: 'silent' })
    // With a longer deadline: a call that a busy machine makes slow is not to be counted twice.
    const registry = plain(patient(createRedisRegistry({ ...location, callMs: 5_000, log })))
    const client = await createClient({ url }).connect()
    onTestFinished(async () => {
      client.destroy()
      await registry.close()
    })
    async function countOf(work: () => Promise<unknown>): Promise<number> {
      await client.configResetStat()
      await work()
      const reads = (await client.info('commandstats')).matchAll(
        /^cmdstat_(?:z\w+|h\w+):calls=(\d+)/gm,
      )
      return Array.from(reads, ([, calls]) => Number(calls)).reduce((sum, one) => sum + one, 0)
    }
    return { registry, users, countOf }
  }

  test(
    'a page of users takes no more commands beside many other users',
    async () => {
      const sides = [await sideOf(few, FEW), await sideOf(many, MANY)] as const
      await mintUsers(sides[0].registry)
      await fillUsersOfRedis(many.url, MANY)
      await expectSamePages(sides)
    },
    TIMEOUT_MS,
  )
})
