import { setImmediate } from 'node:timers/promises'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { type EraseParts, type EraseSummary, eraseUser } from '../../src/administer/erase.ts'
import { eraseFromSources } from '../../src/administer/erase-sources.ts'
import { createFailures, type Failure } from '../../src/administer/failures.ts'
import type { ChatKit } from '../../src/chatkit/port.ts'
import type { WorkflowName } from '../../src/lib/ids.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { chainedEntry, NOW, ownership } from '../contracts/registry-fixtures.ts'
import { userId } from '../support/ids.ts'
import { createFaultyRegistry, type FaultyRegistry } from '../support/registry/faulty-registry.ts'

// An erase goes on past what the store cannot do, and names it.

const alice = userId('alice')
const code = 'store_unavailable'

let registry: FaultyRegistry
const underWay: EraseParts['underWay'] = new Map()
beforeEach(() => {
  registry = createFaultyRegistry(createSqliteRegistry({ path: ':memory:' }))
})

/** The summary; `begun` is called once the user is blocked. */
async function erase(
  begun: () => void,
  flush: EraseParts['audit']['flush'] = async () => {},
  now = () => NOW * 1000,
): Promise<EraseSummary> {
  const told: EraseSummary[] = []
  const lines = eraseUser(
    {
      ...{ registry, sources: [], underWay },
      canceller: { cancelAll: async () => ({ cancelled: [], cancelling: [] }), inBackground() {} },
      ...{ audit: { flush }, now },
    },
    { user: alice, by: 'idp|ada', onEnd: async (one) => void (one && told.push(one)) },
  )
  await lines.next()
  begun()
  for await (const _line of lines);
  registry.failing.clear()
  const [summary] = told
  if (summary === undefined) throw new Error('no summary')
  return summary
}

/** The summary, with methods of the store that fail once the user is blocked. */
const eraseWithout = (...methods: (keyof Registry)[]) =>
  erase(() => {
    for (const method of methods) registry.failing.add(method)
  })

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

test('an erase that cannot block the user throws before its first line, and none is under way afterwards', async () => {
  registry.failing.add('revoke')
  await expect(erase(() => {})).rejects.toMatchObject({ code })
  expect(underWay.size).toBe(0)
  registry.failing.clear()
  expect(await erase(() => {})).toMatchObject({ complete: true })
  expect(underWay.size).toBe(0)
})

test('entries about the user that waited for the store are erased too, however many there are', async () => {
  const ids = Array.from({ length: 250 }, (_, at) => `aud_${at}`)
  const flush = () => registry.appendAudit(ids.map((id) => chainedEntry({ id, user: 'alice' })))
  expect(await erase(() => {}, flush)).toMatchObject({ complete: true, records_erased: 250 })
  expect((await registry.listAudit({ user: 'alice', limit: 1 }))?.data).toEqual([])
})

test('a long erase renews its block in time, and lifts it after a renewal that is under way', async () => {
  vi.useFakeTimers({ now: NOW * 1000, toFake: ['setInterval', 'clearInterval', 'Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const seconds = () => Date.now() / 1000
  const blockedFor = async () =>
    ((await registry.getBlock(alice, seconds()))?.until ?? 0) - seconds()
  const begun = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const erased = erase(begun.resolve, () => held.promise, Date.now)
  await begun.promise
  const pass = async (milliseconds: number) => {
    vi.advanceTimersByTime(milliseconds)
    for (let turns = 0; turns < 20; turns++) await setImmediate()
  }
  // A look at the block that fails is no failure of the erase.
  registry.failing.add('getBlock')
  await pass(59_000)
  registry.failing.clear()
  await pass(1_000)
  for (let minute = 2; minute <= 10; minute++) {
    await pass(60_000)
    expect(await blockedFor()).toBe(300)
  }
  registry.slowMs = 50
  vi.advanceTimersByTime(61_000)
  registry.slowMs = 0
  held.resolve()
  expect(await erased).toMatchObject({ complete: true, blocked_until: null })
  // The renewal of the eleventh minute, and the block that the erase began with.
  await expect.poll(() => registry.calls.filter((name) => name === 'revoke').length).toBe(12)
  await pass(61_000)
  expect(await blockedFor()).toBeLessThan(0)
})

test('things that cannot be deleted are failures: a thread with an id that threads do not have, and an attachment at a server that has left', async () => {
  await registry.claimOwnership(ownership({ id: 'file_1', kind: 'attachment', source: 'gone' }))
  const listThreads = async () => ({ data: [{ id: 'a/b', user: alice }], has_more: false })
  const name = 'support' as WorkflowName
  const chatkit = { listThreads } as unknown as ChatKit
  const sources = [{ name, workflows: [name], chatkit, threadsAt: undefined, onForeign() {} }]
  const counts = { threads_deleted: 0, threads_failed: 0, attachments_deleted: 0 }
  const failures = createFailures()
  const progress = { counts, failures, onThread: () => {} }
  await eraseFromSources({ registry, sources }, alice, progress)
  expect(counts).toEqual({ threads_deleted: 0, threads_failed: 1, attachments_deleted: 0 })
  expect(failures.named()).toEqual([
    { what: 'thread', workflow: 'support', id: 'a/b', code: 'invalid_request' },
    { what: 'attachment', workflow: 'gone', id: 'file_1', code: 'workflow_unavailable' },
  ])
})
