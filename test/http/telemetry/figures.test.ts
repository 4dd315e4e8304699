import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createFigures, type FiguresSnapshot } from '../../../src/http/telemetry/figures.ts'
import { createMetrics } from '../../../src/http/telemetry/metrics.ts'

const EVERY_MS = 10_000

beforeEach(() => vi.useFakeTimers({ now: 1_700_000_000_000 }))
afterEach(() => vi.useRealTimers())

function snapshotOf(changes: Partial<FiguresSnapshot> = {}): FiguresSnapshot {
  return { mints: 0, refusals: {}, upstream: [], activeSessions: 0, ...changes }
}

test('a sample is what came between two snapshots', async () => {
  let current = snapshotOf({ mints: 5, refusals: { user_blocked: 1 } })
  const figures = createFigures(async () => current, Date.now)
  figures.start()
  await vi.advanceTimersByTimeAsync(1)
  expect(figures.samples()).toEqual([])
  current = snapshotOf({
    mints: 12,
    refusals: { user_blocked: 1, rate_limited: 3 },
    upstream: [
      { le: 0.1, count: 50 },
      { le: 0.2, count: 90 },
      { le: 1, count: 100 },
      { le: Number.POSITIVE_INFINITY, count: 100 },
    ],
    activeSessions: 7,
  })
  await vi.advanceTimersByTimeAsync(EVERY_MS)
  expect(figures.samples()).toEqual([
    {
      at: 1_700_000_010,
      mints: 7,
      refusals: { rate_limited: 3 },
      upstreamCalls: 100,
      upstreamP50: 100,
      upstreamP95: 600,
      activeSessions: 7,
    },
  ])
  await vi.advanceTimersByTimeAsync(EVERY_MS)
  expect(figures.samples()[1]).toEqual({
    at: 1_700_000_020,
    mints: 0,
    refusals: {},
    upstreamCalls: 0,
    upstreamP50: null,
    upstreamP95: null,
    activeSessions: 7,
  })
  figures.stop()
})

test('an hour is kept, and nothing is sampled after the stop', async () => {
  const ask = vi.fn(async () => snapshotOf())
  const figures = createFigures(ask, Date.now)
  figures.start()
  await vi.advanceTimersByTimeAsync(400 * EVERY_MS)
  expect(figures.samples()).toHaveLength(360)
  figures.stop()
  const calls = ask.mock.calls.length
  await vi.advanceTimersByTimeAsync(10 * EVERY_MS)
  expect(ask.mock.calls.length).toBe(calls)
})

const UNTRACED = { requestId: 'req_1', traceparent: undefined }

test('they are read from the metrics; a store that is down leaves a gap', async () => {
  let down = false
  const metrics = createMetrics({
    now: Date.now,
    figures: async () => {
      if (down) throw new Error('down')
      return { activeSessions: 3, outboxLength: 0 }
    },
    keyAges: () => new Map(),
    breakers: () => [],
    mintsUnderWay: () => 0,
  })
  const answer = (status: number, code?: string) => {
    const upstream = {
      operation: 'create_session',
      status: 200,
      requestId: 'r',
      attempts: 1,
    } as const
    metrics.seen({
      method: 'POST',
      route: '/v1/sessions',
      status,
      code,
      milliseconds: 1,
      ...UNTRACED,
      trace: code === undefined ? { upstream: { ...upstream, milliseconds: 40 } } : {},
    })
  }
  metrics.figures.start()
  await vi.advanceTimersByTimeAsync(1)
  answer(200)
  answer(200)
  answer(403, 'user_blocked')
  metrics.seen({
    method: 'GET',
    route: '/livez',
    status: 200,
    code: undefined,
    milliseconds: 1,
    ...UNTRACED,
    trace: {},
  })
  await vi.advanceTimersByTimeAsync(EVERY_MS)
  const [first] = metrics.figures.samples()
  expect(first).toMatchObject({
    mints: 2,
    refusals: { user_blocked: 1 },
    upstreamCalls: 2,
    activeSessions: 3,
  })
  expect(first?.upstreamP50).toBeGreaterThan(25)
  expect(first?.upstreamP50).toBeLessThanOrEqual(50)
  down = true
  await vi.advanceTimersByTimeAsync(EVERY_MS)
  expect(metrics.figures.samples()[1]).toMatchObject({ mints: 0, activeSessions: null })
  metrics.figures.stop()
})

test('a day is kept too, in intervals of five minutes', async () => {
  let mints = 0
  const figures = createFigures(async () => snapshotOf({ mints: mints++ }), Date.now)
  figures.start()
  await vi.advanceTimersByTimeAsync(300_000)
  expect(figures.samples('day')).toMatchObject([{ at: 1_700_000_300, mints: 30 }])
  await vi.advanceTimersByTimeAsync(300 * 300_000)
  expect(figures.samples('day')).toHaveLength(288)
  expect(figures.samples('day').at(-1)).toMatchObject({ at: 1_700_090_300, mints: 30 })
  expect(figures.samples('hour')).toHaveLength(360)
  figures.stop()
})
