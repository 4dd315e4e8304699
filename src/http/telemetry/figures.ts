// Figures of this process over the last hour and the last day, for the console's pages.

import type { Registry } from 'prom-client'
import type { Clock } from '../../lib/clock.ts'

/** Counters of this process at one time, and what they say about the moment. */
export interface FiguresSnapshot {
  /** Sessions minted since the start. */
  readonly mints: number
  /** Mints refused since the start, by code. */
  readonly refusals: Readonly<Record<string, number>>
  /** Calls of the ChatKit API since the start, by how long they took at most (seconds; cumulative). */
  readonly upstream: readonly { readonly le: number; readonly count: number }[]
  /** Undefined while the store does not say. */
  readonly activeSessions: number | undefined
}

/** The counts of one interval. */
export interface FiguresSample {
  /** Unix seconds: its end. */
  readonly at: number
  readonly mints: number
  readonly refusals: Readonly<Record<string, number>>
  readonly upstreamCalls: number
  /** Milliseconds within which half of the calls ended; null without calls. */
  readonly upstreamP50: number | null
  /** Milliseconds within which 95 of 100 calls ended; null without calls. */
  readonly upstreamP95: number | null
  readonly activeSessions: number | null
}

/** {@link createFigures} */
export type Figures = ReturnType<typeof createFigures>

/** The time that samples cover. */
export type FiguresRange = 'hour' | 'day'

/** Length of an interval, in seconds, and how many of them are kept. */
export const RANGES = {
  hour: { seconds: 10, most: 360 },
  day: { seconds: 300, most: 288 },
} as const

/** What the console shows of this process. */
export interface ConsoleFigures {
  /** Oldest first. */
  samples(range?: FiguresRange): readonly FiguresSample[]
  /** Where calls of the ChatKit API go, by key and lane, and whether each refuses calls now. */
  upstreams(): readonly UpstreamLane[]
}

/** Calls of one kind with one API key. */
export interface UpstreamLane {
  /** Variable of the API key, and the base URL where a workflow has its own. */
  readonly key: string
  /** `mint`, `threads` or `cancel`. */
  readonly breaker: string
  /** The upstream has been failing: calls are refused until a probe succeeds. */
  readonly open: boolean
}

/**
 * Samples of the last hour and day, so that a page has figures to show where no Prometheus is at hand.
 *
 * @param snapshot - the counters now
 * @param now - the clock
 */
export function createFigures(snapshot: () => Promise<FiguresSnapshot>, now: Clock) {
  const rings = { hour: createRing(RANGES.hour.most), day: createRing(RANGES.day.most) }
  let timer: NodeJS.Timeout | undefined
  let count = 0

  async function sample(): Promise<void> {
    const isOfDay = count++ % (RANGES.day.seconds / RANGES.hour.seconds) === 0
    const current = await snapshot()
    const at = Math.floor(now() / 1000)
    rings.hour.add(current, at)
    if (isOfDay) rings.day.add(current, at)
  }

  return {
    samples: (range: FiguresRange = 'hour'): readonly FiguresSample[] => rings[range].samples(),
    start(): void {
      void sample()
      timer = setInterval(() => void sample(), RANGES.hour.seconds * 1000).unref()
    },
    stop: (): void => clearInterval(timer),
  }
}

/** The differences between one snapshot and the next, of the latest `most` intervals. */
function createRing(most: number) {
  const samples: FiguresSample[] = []
  let last: FiguresSnapshot | undefined
  return {
    samples: (): readonly FiguresSample[] => [...samples],
    add(current: FiguresSnapshot, at: number): void {
      if (last !== undefined) samples.push(between(last, current, at))
      if (samples.length > most) samples.shift()
      last = current
    },
  }
}

function between(last: FiguresSnapshot, current: FiguresSnapshot, at: number): FiguresSample {
  const before = new Map(last.upstream.map(({ le, count }) => [le, count]))
  const calls = current.upstream.map(({ le, count }) => ({
    le,
    count: count - (before.get(le) ?? 0),
  }))
  const refusals = Object.entries(current.refusals)
    .map(([code, count]) => [code, count - (last.refusals[code] ?? 0)] as const)
    .filter(([, count]) => count > 0)
  return {
    at,
    mints: current.mints - last.mints,
    refusals: Object.fromEntries(refusals),
    upstreamCalls: calls.at(-1)?.count ?? 0,
    upstreamP50: quantile(calls, 0.5),
    upstreamP95: quantile(calls, 0.95),
    activeSessions: current.activeSessions ?? null,
  }
}

/**
 * A quantile from cumulative buckets, linear within a bucket as Prometheus' `histogram_quantile` has
 * it; in the last, open one its lower bound.
 */
function quantile(buckets: FiguresSnapshot['upstream'], share: number): number | null {
  const total = buckets.at(-1)?.count ?? 0
  if (total === 0) return null
  const rank = share * total
  const at = buckets.findIndex(({ count }) => count >= rank)
  const lower = buckets[at - 1] ?? { le: 0, count: 0 }
  const bucket = buckets[at]
  if (bucket === undefined || !Number.isFinite(bucket.le)) return lower.le * 1000
  const part = (rank - lower.count) / (bucket.count - lower.count)
  return Math.round((lower.le + (bucket.le - lower.le) * part) * 1000)
}

const MINT_ROUTE = '/v1/sessions'

/**
 * Reads the counters that {@link FiguresSnapshot} has from the metrics.
 *
 * @param registry - with the requests' counter and the upstream's histogram
 */
export async function readSnapshot(
  registry: Registry,
): Promise<Omit<FiguresSnapshot, 'activeSessions'>> {
  const requests = await registry.getSingleMetric('chatkit_mint_requests_total')?.get()
  const refusals: Record<string, number> = {}
  let mints = 0
  for (const { labels, value } of requests?.values ?? []) {
    if (labels['method'] !== 'POST' || labels['route'] !== MINT_ROUTE) continue
    const code = String(labels['code'])
    if (code === 'ok') mints += value
    else refusals[code] = (refusals[code] ?? 0) + value
  }
  return { mints, refusals, upstream: await readUpstream(registry) }
}

async function readUpstream(registry: Registry): Promise<FiguresSnapshot['upstream']> {
  const upstream = await registry.getSingleMetric('chatkit_mint_upstream_seconds')?.get()
  const buckets = new Map<number, number>()
  for (const { labels, value } of upstream?.values ?? []) {
    const bound = 'le' in labels ? labels['le'] : undefined
    if (bound === undefined) continue
    const le = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)
    buckets.set(le, (buckets.get(le) ?? 0) + value)
  }
  return [...buckets].map(([le, count]) => ({ le, count })).sort((a, b) => a.le - b.le)
}
