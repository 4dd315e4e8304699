import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeAll, expect, it } from 'vitest'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { entry, NOW } from '../../contracts/registry-fixtures.ts'
import { plain } from '../../support/ids.ts'
import { fillSqlite } from '../../support/registry/fill-sqlite.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { forAllTests } from '../../support/started.ts'

// Filters that nearly all sessions fail: a million sessions would block the process for a second.

const OTHERS = 12_000
const path = join(scratchFolder(), 'mint.db')
const own = { workflow: 'rare', issuer: 'https://rare.example/' }
const registry = forAllTests(() => plain(createSqliteRegistry({ path })))
beforeAll(async () => {
  const at = async (id: string, createdAt: number) =>
    registry.record(entry({ ...own, id, createdAt, user: `user-${id}`, expiresAt: NOW + 60 }))
  await at('first', NOW)
  fillSqlite(path, OTHERS, NOW)
  await at('second', NOW + 1)
  await at('third', NOW + 2)
})

it.each([
  [{ issuer: 'https://none.example/' }],
  [{ status: 'expired' }],
  [{ workflow: 'support', status: 'expired' }],
  [{ workflow: 'support', issuer: own.issuer }],
] as const)(
  'a list looks for sessions with %j in steps, between which others have turns',
  async (of) => {
    let turns = 0
    let page: unknown
    const found = registry.listSessions({ ...of, limit: 20, order: 'desc', now: NOW })
    const ended = found.then((list) => {
      page = list
    })
    while (page === undefined) {
      await nextTurn()
      turns++
    }
    await ended
    expect(page).toEqual({ data: [], hasMore: false })
    expect(turns).toBeGreaterThanOrEqual(Math.floor(OTHERS / 5000))
  },
)

it.each([
  [{ order: 'desc', limit: 20 }, ['third', 'second', 'first'], false],
  [{ order: 'asc', limit: 20 }, ['first', 'second', 'third'], false],
  [{ order: 'asc', limit: 1 }, ['first'], true],
  [{ order: 'asc', limit: 2 }, ['first', 'second'], true],
  [{ order: 'asc', limit: 2, after: 'first' }, ['second', 'third'], false],
  [{ order: 'desc', limit: 2, after: 'second' }, ['first'], false],
  [{ order: 'desc', limit: 1, before: 'first' }, ['second'], true],
  [{ order: 'asc', limit: 20, before: 'third' }, ['first', 'second'], false],
] as const)(
  'a list finds the same page with %j, however many others lie between',
  async (page, ids, more) => {
    const found = await registry.listSessions({ issuer: own.issuer, ...page, now: NOW })
    expect(found?.data.map(({ id }) => id)).toEqual(ids)
    expect(found?.hasMore).toBe(more)
  },
)

it.each(['asc', 'desc'] as const)('a list (%s) loses nothing between its steps', async (order) => {
  const issuer = 'https://login.acme.example/'
  const found = await registry.listSessions({ issuer, limit: 20_000, order, now: NOW })
  const ids = Array.from({ length: OTHERS }, (_, at) => `other-${at}`)
  expect(found?.data.map(({ id }) => id)).toEqual(order === 'asc' ? ids : ids.toReversed())
})
