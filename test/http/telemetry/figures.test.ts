import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createFigures } from '../../../src/http/telemetry/figures.ts'
import { createMetrics } from '../../../src/http/telemetry/metrics.ts'
import type { Counted } from '../../../src/registry/interval-figures.ts'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { createFaultyRegistry } from '../../support/registry/faulty-registry.ts'
import { forEachTest } from '../../support/started.ts'

/** Ten seconds before a minute ends, which is the first of five. */
const START = 1_700_000_450
const MINUTE_MS = 60_000
const NOTHING: Counted = { mints: 0, refusals: {}, upstream: [], activeSessions: undefined }

// The store answers in turns of the event loop, which stay real.
beforeEach(() =>
  vi.useFakeTimers({
    now: START * 1000,
    toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'],
  }),
)
afterEach(() => vi.useRealTimers())

const store = forEachTest(() => createSqliteRegistry({ path: ':memory:' }))

/** An instance over the shared store; `counted` are its counts since its start. */
function instanceOf(instance: string) {
  const registry = createFaultyRegistry(store)
  const counted = { ...NOTHING }
  const snapshot = async () => ({ ...counted })
  const upstreams = () => []
  const figures = createFigures({
    snapshot,
    registry,
    instance,
    breakers: upstreams,
    now: Date.now,
  })
  return { ...figures, counted, registry }
}

/** Lets timers fire, and the writes of each minute end. */
async function pass(milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0; left -= MINUTE_MS) {
    await vi.advanceTimersByTimeAsync(Math.min(left, MINUTE_MS))
    for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Buckets of calls: some within 0.1 s, 0.2 s, 1 s and more. */
const calls = (...counts: readonly number[]): Counted['upstream'] =>
  [0.1, 0.2, 1, Number.POSITIVE_INFINITY].map((le, at) => ({ le, count: counts[at] ?? 0 }))

test('a minute is what all instances counted in it, and its percentiles are those of all calls together', async () => {
  const [one, two] = [instanceOf('ins_1'), instanceOf('ins_2')]
  for (const { start } of [one, two]) start()
  Object.assign(one.counted, {
    ...{ mints: 5, refusals: { rate_limited: 3 }, activeSessions: 6 },
    upstream: calls(50, 40, 10),
  })
  Object.assign(two.counted, { mints: 2, refusals: { rate_limited: 1 }, activeSessions: 7 })
  await pass(10_000)
  expect(await one.samples()).toEqual([])
  await pass(MINUTE_MS)
  const first = {
    at: START + 10,
    instances: 2,
    mints: 7,
    refusals: { rate_limited: 4 },
    upstreamP50: 100,
    upstreamP95: 600,
    activeSessions: 7,
  }
  expect(await one.samples()).toEqual([first])
  expect(await two.samples()).toEqual([first])
  one.counted.upstream = calls(60, 40, 10)
  two.counted.upstream = calls(0, 0, 90)
  await pass(2 * MINUTE_MS)
  const second = { mints: 0, refusals: {}, upstreamP50: null, upstreamP95: null }
  expect((await one.samples()).slice(1)).toMatchObject([
    second,
    // 10 calls within 0.1 s and 90 within 1 s; neither instance has these percentiles alone.
    { upstreamP50: 556, upstreamP95: 956 },
  ])
  expect((await one.samples()).map(({ refusals }) => refusals).slice(1)).toEqual([{}, {}])
})

test('the open bucket gives its lower bound', async () => {
  const one = instanceOf('ins_1')
  one.start()
  one.counted.upstream = calls(0, 0, 0, 5)
  await pass(2 * MINUTE_MS)
  expect(await one.samples()).toMatchObject([{ upstreamP50: 1000, upstreamP95: 1000 }, {}])
})

test('a minute that one instance could not write lacks its share, and one that none could write is a gap', async () => {
  const [one, two] = [instanceOf('ins_1'), instanceOf('ins_2')]
  for (const { start } of [one, two]) start()
  const mintsOf = async () => (await two.samples()).map(({ at, mints }) => [at - START - 10, mints])
  await pass(10_000)
  for (const away of [[one], [one, two], []]) {
    for (const { registry } of away) registry.failing.add('addFigures')
    for (const { counted } of [one, two]) counted.mints += 10
    await pass(MINUTE_MS)
    for (const { registry } of away) registry.failing.clear()
  }
  await pass(MINUTE_MS)
  expect(await mintsOf()).toEqual([
    [0, 0],
    [60, 10],
    [180, 20],
  ])
})

test('a lost answer of the store adds nothing twice', async () => {
  const one = instanceOf('ins_1')
  one.registry.losing.add('addFigures')
  one.start()
  one.counted.mints = 3
  await pass(MINUTE_MS)
  expect((await one.samples()).map(({ mints }) => mints)).toEqual([3])
})

test('a new start sees the past, and a stop writes the running minute', async () => {
  const one = instanceOf('ins_1')
  one.start()
  one.counted.mints = 3
  await one.stop()
  const calls = one.registry.calls.length
  const again = instanceOf('ins_2')
  again.start()
  again.counted.mints = 2
  await pass(10_000 + MINUTE_MS)
  expect((await again.samples()).map(({ mints, instances }) => [mints, instances])).toEqual([
    [5, 2],
  ])
  await pass(10 * MINUTE_MS)
  expect(one.registry.calls).toHaveLength(calls)
})

test('a stop while a minute is being written waits for that, counts nothing twice, and is the end', async () => {
  const registry = createFaultyRegistry(store)
  const snapshot = Promise.withResolvers<Counted>()
  const parts = { registry, instance: 'ins_1', breakers: () => [], now: Date.now }
  const figures = createFigures({ snapshot: () => snapshot.promise, ...parts })
  figures.start()
  await pass(10_000)
  const stopped = figures.stop()
  snapshot.resolve({ ...NOTHING, mints: 3 })
  await stopped
  expect(vi.getTimerCount()).toBe(0)
  await pass(2 * MINUTE_MS)
  expect((await figures.samples()).map(({ mints }) => mints)).toEqual([3, 0])
})

test('the latest figures have the running minute of this instance, and the minutes that others wrote', async () => {
  const [one, two] = [instanceOf('ins_1'), instanceOf('ins_2')]
  two.start()
  two.counted.mints = 10
  await pass(10_000)
  one.counted.mints = 1
  two.counted.mints = 11
  const { samples, instances } = await one.recent(15)
  expect(samples.map(({ mints }) => mints)).toEqual([10, 1])
  expect(instances).toEqual([
    { id: 'ins_2', lastWrote: START + 10, self: false },
    { id: 'ins_1', lastWrote: START + 10, self: true },
  ])
  await two.stop()
  expect((await one.recent(15)).instances[0]).toMatchObject({ lastWrote: START + 10 })
  await pass(14 * MINUTE_MS)
  expect((await one.recent(15)).instances.map(({ id }) => id)).toEqual(['ins_2', 'ins_1'])
  await pass(MINUTE_MS)
  expect((await one.recent(15)).instances.map(({ id }) => id)).toEqual(['ins_1'])
})

test('a day is kept by five minutes, and an hour by the minute', async () => {
  const one = instanceOf('ins_1')
  one.start()
  for (let minute = 0; minute < 25 * 60; minute++) {
    one.counted.mints += 1
    await pass(MINUTE_MS)
  }
  const [hour, day] = [await one.samples('hour'), await one.samples('day')]
  expect([hour.length, day.length]).toEqual([60, 288])
  expect([hour.at(-1), day.at(-1)]).toMatchObject([{ mints: 1 }, { mints: 5 }])
  expect(day.map(({ at }) => at)).toEqual(day.map(({ at }, nth) => (day[0]?.at ?? at) + nth * 300))
  // Only a little more is kept than is shown.
  const all = { from: 0, until: START * 2 }
  expect((await store.readFigures({ seconds: 60, ...all })).length).toBeLessThan(70)
  expect((await store.readFigures({ seconds: 300, ...all })).length).toBeLessThan(295)
})

test('a timer that is early writes nothing twice, and a clock that jumps loses no more than its minute', async () => {
  let ahead = 0
  const registry = createFaultyRegistry(store)
  const counted = { ...NOTHING, mints: 0 }
  const now = () => Date.now() + ahead
  const snapshot = async () => ({ ...counted })
  const figures = createFigures({ snapshot, registry, instance: 'i', breakers: () => [], now })
  figures.start()
  ahead = -20
  counted.mints = 1
  await pass(10_000)
  expect(registry.calls).toEqual([])
  await pass(20)
  expect(registry.calls).toEqual(['addFigures'])
  ahead = 600_000
  counted.mints = 2
  await pass(MINUTE_MS)
  counted.mints = 5
  await pass(MINUTE_MS + 6000)
  expect((await figures.samples()).map(({ mints }) => mints)).toEqual([1, 1, 3])
})

const UNTRACED = { requestId: 'req_1', traceparent: undefined }

test('the counts are read from the metrics, without live sessions while the store is down', async () => {
  let down = false
  const metrics = createMetrics({
    figures: async () => {
      if (down) throw new Error('down')
      return { activeSessions: 3, outboxLength: 0 }
    },
    keyAges: () => new Map(),
    breakers: () => [],
    mintsUnderWay: () => 0,
  })
  const call = { operation: 'create_session', status: 200, requestId: 'r', attempts: 1 } as const
  const upstream = { ...call, milliseconds: 40 }
  const answer = (method: string, route: string, code?: string) =>
    metrics.seen({
      ...{ method, route, code, milliseconds: 1, ...UNTRACED },
      status: code === undefined ? 200 : 403,
      facts: route === '/v1/sessions' && code === undefined ? { upstream } : {},
    })
  for (const code of [undefined, undefined, 'user_blocked']) answer('POST', '/v1/sessions', code)
  for (const code of [undefined, 'workflow_not_allowed', 'user_blocked'])
    answer('POST', '/v1/chatkit/sessions', code)
  answer('GET', '/v1/chatkit/sessions/:id')
  answer('DELETE', '/v1/sessions', 'user_blocked')
  answer('GET', '/livez')
  metrics.seen({
    ...{ method: 'DELETE', route: '/v1/sessions', status: 204, code: undefined, milliseconds: 1 },
    ...{ ...UNTRACED, facts: { upstream: { ...upstream, operation: 'cancel_session' } } },
  })
  const { upstream: buckets, ...rest } = await metrics.snapshot()
  const refusals = { user_blocked: 2, workflow_not_allowed: 1 }
  expect(rest).toEqual({ mints: 3, refusals, activeSessions: 3 })
  expect(buckets.filter(({ count }) => count > 0)).toEqual([{ le: 0.05, count: 3 }])
  expect(buckets.at(-1)).toEqual({ le: Number.POSITIVE_INFINITY, count: 0 })
  down = true
  await vi.advanceTimersByTimeAsync(11_000)
  expect((await metrics.snapshot()).activeSessions).toBeUndefined()
})
