// Makes the console's figures of all instances over the last hour and the last day. Each instance writes its
// counts to the store once a minute.

import { type Clock, unixSeconds } from '../../lib/clock.ts'
import type { Counted, IntervalFigures } from '../../registry/interval-figures.ts'
import type { Registry } from '../../registry/port.ts'

/** The counts of one interval, of all instances that wrote in it. */
export type FiguresSample = ReturnType<typeof sampleOf>

/** A process that wrote figures lately. An instance that restarts is another process. */
export type SeenInstance = ReturnType<typeof instancesOf>[number]

/** Calls of one kind with one API key. */
export interface UpstreamLane {
  /** Variable of the API key, and the base URL where a workflow has its own. */
  readonly key: string
  /** `mint`, `threads` or `cancel`. */
  readonly breaker: string
  /** The upstream has been failing: calls are refused until a probe succeeds. */
  readonly open: boolean
}

/** The time that the samples cover. */
export type FiguresRange = 'hour' | 'day'

/** Length of an interval, in seconds, and how many of them are shown. */
export const RANGES = { hour: { seconds: 60, most: 60 }, day: { seconds: 300, most: 288 } } as const

export type Figures = ReturnType<typeof createFigures>

/** The part that the console uses. */
export type ConsoleFigures = Omit<Figures, 'start' | 'stop'>

const MINUTE = 60
/** Seconds after its end from which an interval is shown: by then all instances have written it. */
const SETTLED_SECONDS = 5
const NOTHING: Counted = { mints: 0, refusals: {}, upstream: [], activeSessions: undefined }

/**
 * Writes the figures of this instance and reads those of all. A minute that the store did not accept is not
 * written again; it is missing if no other instance wrote it.
 *
 * @param snapshot - what this process counted since its start
 * @param instance - `ins_…`
 * @param breakers - the lanes of calls of the ChatKit API, and whether each refuses calls now
 */
export function createFigures({
  snapshot,
  registry,
  instance,
  breakers,
  now,
}: {
  readonly snapshot: () => Promise<Counted>
  readonly registry: Pick<Registry, 'addFigures' | 'readFigures'>
  readonly instance: string
  readonly breakers: () => readonly UpstreamLane[]
  readonly now: Clock
}) {
  const minuteNow = () => beginOf(unixSeconds(now), MINUTE)
  let minute = minuteNow()
  let last = NOTHING
  let timer: NodeJS.Timeout | undefined
  let ticking: Promise<void> = Promise.resolve()
  let stopped = false

  async function write(): Promise<void> {
    const at = minute
    const current = await snapshot()
    const counted = between(last, current)
    last = current
    minute = minuteNow()
    await registry.addFigures({ instance, at, ...counted }).catch(() => undefined)
  }

  /** Writes only when the minute has ended, because a timer may run some milliseconds early. */
  async function tick(): Promise<void> {
    if (minuteNow() !== minute) await write()
    schedule()
  }

  function schedule(): void {
    if (stopped) return
    const leftMs = MINUTE * 1000 - (now() % (MINUTE * 1000))
    timer = setTimeout(() => {
      ticking = tick()
    }, leftMs).unref()
  }

  return {
    /** The intervals that have ended, oldest first; an interval in which no instance wrote is left out. */
    async samples(range: FiguresRange = 'hour'): Promise<readonly FiguresSample[]> {
      const { seconds, most } = RANGES[range]
      const until = beginOf(unixSeconds(now) - SETTLED_SECONDS, seconds)
      const query = { seconds, from: until - seconds * most, until }
      return (await registry.readFigures(query)).map((one) => sampleOf(one, seconds))
    },
    /**
     * The last minutes, oldest first. The last one is the running minute, with the counts of this instance
     * alone.
     */
    async recent(minutes: number) {
      const until = minuteNow() + MINUTE
      const query = { seconds: MINUTE, from: until - minutes * MINUTE, until } as const
      const found = await registry.readFigures(query)
      const own = { ...between(last, await snapshot()), at: minute, instances: [instance] }
      return {
        samples: [...found, own].map((one) => sampleOf(one, MINUTE)),
        instances: instancesOf(found, { self: instance, now: unixSeconds(now) }),
      }
    },
    /** Live sessions of all instances; undefined while the store does not answer. */
    activeSessions: async () => (await snapshot()).activeSessions,
    upstreams: breakers,
    start: schedule,
    /** Writes the running minute, and stops. */
    async stop(): Promise<void> {
      stopped = true
      clearTimeout(timer)
      await ticking
      await write()
    },
  }
}

function beginOf(at: number, seconds: number): number {
  return at - (at % seconds)
}

function instancesOf(
  found: readonly IntervalFigures[],
  { self, now }: { readonly self: string; readonly now: number },
) {
  const seen = new Map<string, number>()
  for (const { at, instances } of found) {
    for (const id of instances) seen.set(id, Math.min(at + MINUTE, now))
  }
  seen.set(self, now)
  return Array.from(seen, ([id, lastWrote]) => ({
    /** `ins_…`, as in the audit. */
    id,
    /** Unix seconds: the end of the latest minute that it wrote. */
    lastWrote,
    /** Whether it is this process. */
    self: id === self,
  }))
}

function between(last: Counted, current: Counted): Counted {
  const before = new Map(last.upstream.map(({ le, count }) => [le, count]))
  const upstream = current.upstream.map(({ le, count }) => ({
    le,
    count: count - (before.get(le) ?? 0),
  }))
  const refusals = Object.entries(current.refusals)
    .map(([code, count]) => [code, count - (last.refusals[code] ?? 0)] as const)
    .filter(([, count]) => count > 0)
  return {
    mints: current.mints - last.mints,
    refusals: Object.fromEntries(refusals),
    // Empty buckets are kept, because the bound of each is the lower bound of the next.
    upstream: callsOf(upstream) === 0 ? [] : upstream,
    activeSessions: current.activeSessions,
  }
}

function sampleOf(
  { at, instances, mints, refusals, upstream, activeSessions }: IntervalFigures,
  seconds: number,
) {
  return {
    /** Unix seconds: its end. */
    at: at + seconds,
    instances: instances.length,
    mints,
    refusals,
    /** Milliseconds within which half of the calls ended; null without calls. */
    upstreamP50: quantile(upstream, 0.5),
    /** Milliseconds within which 95 of 100 calls ended; null without calls. */
    upstreamP95: quantile(upstream, 0.95),
    activeSessions: activeSessions ?? null,
  }
}

function callsOf(buckets: Counted['upstream']): number {
  return buckets.reduce((sum, { count }) => sum + count, 0)
}

/**
 * A quantile, linear within a bucket as Prometheus' `histogram_quantile` has it; in the open last bucket, that
 * bucket's lower bound.
 */
function quantile(buckets: Counted['upstream'], share: number): number | null {
  const rank = share * callsOf(buckets)
  let [below, lower] = [0, 0]
  for (const { le, count } of buckets) {
    if (count > 0 && below + count >= rank) {
      const part = Number.isFinite(le) ? ((le - lower) * (rank - below)) / count : 0
      return Math.round((lower + part) * 1000)
    }
    below += count
    lower = le
  }
  return null
}
