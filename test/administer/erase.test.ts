import { beforeEach, expect, test } from 'vitest'
import { type EraseSummary, eraseUser } from '../../src/administer/erase.ts'
import type { Failure } from '../../src/administer/failures.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { NOW } from '../contracts/registry-fixtures.ts'
import { userId } from '../support/ids.ts'
import { createFaultyRegistry, type FaultyRegistry } from '../support/registry/faulty-registry.ts'

// An erase goes on past what the store cannot do, and names it.

const alice = userId('alice')
const code = 'store_unavailable'

let registry: FaultyRegistry
beforeEach(() => {
  registry = createFaultyRegistry(createSqliteRegistry({ path: ':memory:' }))
})

/** The summary, with methods of the store that fail once the user is blocked. */
async function eraseWithout(...methods: (keyof Registry)[]): Promise<EraseSummary> {
  const told: EraseSummary[] = []
  const lines = eraseUser(
    {
      ...{ registry, sources: [], onForeign: () => {}, underWay: new Map() },
      canceller: { cancelAll: async () => ({ cancelled: [], cancelling: [] }) },
      audit: { flush: async () => {} },
      now: () => NOW * 1000,
    },
    { user: alice, by: 'idp|ada', keptAction: 'erase', onEnd: async (one) => void told.push(one) },
  )
  await lines.next()
  for (const method of methods) registry.failing.add(method)
  for await (const _line of lines);
  registry.failing.clear()
  const [summary] = told
  if (summary === undefined) throw new Error('no summary')
  return summary
}

test.each<[keyof Registry, Failure[]]>([
  ['eraseUser', [{ what: 'records', code }]],
  [
    'listOwned',
    [
      { what: 'threads', code },
      { what: 'attachments', code },
    ],
  ],
  ['listSessions', [{ what: 'sessions', code }]],
])('a store that fails at %s keeps the user blocked', async (method, failures) => {
  const summary = await eraseWithout(method)
  expect(summary).toMatchObject({ complete: false, failed: failures.length, failures })
  expect(summary.blocked_until).toBe(NOW + 300)
  expect(await registry.getBlock(alice, NOW)).toBeDefined()
})

test('a block that the store cannot lift makes an erase incomplete, though all else is erased', async () => {
  expect(await eraseWithout('liftBlock')).toMatchObject({
    ...{ complete: false, failures: [{ what: 'block', code }] },
    blocked_until: NOW + 300,
  })
  expect(await eraseWithout()).toMatchObject({ complete: true, blocked_until: null })
})

test('a block that the store cannot show counts as one that holds', async () => {
  expect(await eraseWithout('getBlock')).toMatchObject({
    ...{ complete: false, blocked_until: NOW + 300 },
  })
})
