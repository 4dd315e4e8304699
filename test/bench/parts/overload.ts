import { warmUp } from '../fleet.ts'
import { runClosedLoop } from '../load/closed-loop.ts'
import { repeat } from '../load/identity.ts'
import { type OpenRun, runOpenLoop, type Timed } from '../load/open-loop.ts'
import { atLeast, atMost, type Goal, type Report } from '../report/part.ts'
import { percentile } from '../report/statistics.ts'
import { figure, table } from '../report/tables.ts'
import { type Scene, sidesFor } from '../scene.ts'
import { type Server, startServer } from '../server.ts'
import type { Side } from '../sides.ts'

interface Found {
  readonly side: Side
  readonly capacity: number
  readonly goodput: number
  readonly mintP99: number
  readonly refusalP99: number
  /** Number of failed mints by status; 0 = no answer. */
  readonly refusals: Readonly<Record<number, number>>
  readonly normalAfterMs: number
  readonly loadLateP99: number
}

const UPSTREAM_MS = 20
const TIMES = 3
const CONNECTIONS = 2000
const SECONDS = { capacity: 2, overload: 4, after: 5.5 }
/** A mint counts only if it takes no longer than a client waits. */
const GOOD_WITHIN_MS = 1000
/** A mint that takes longer on top of the upstream is not back to normal. */
const NORMAL_ADDED_MS = 50
/** Share of the capacity after the overload. */
const AFTERWARDS = 0.3
const SIDES = { quick: ['sqlite'], full: ['sqlite', 'redis'] }

/** Mints at three times the capacity of the server, and its recovery. */
export async function overloadPart(scene: Scene): Promise<Report> {
  const found: Found[] = []
  for (const side of sidesFor(scene, SIDES)) {
    scene.progress(`overload: ${side.name}`)
    const server = await startServer(side, scene)
    try {
      await warmUp(server, scene)
      found.push(await overload(server, scene))
    } finally {
      await server.end()
    }
  }
  return report(found)
}

async function overload(server: Server, { options, identity, upstream }: Scene): Promise<Found> {
  const next = repeat(identity.requests('ES256', 5000))
  const { port, side } = server
  upstream.delayMs = UPSTREAM_MS
  const seconds = {
    capacity: SECONDS.capacity * options.scale,
    overload: SECONDS.overload * options.scale,
    after: SECONDS.after * options.scale,
  }
  const closed = { port, next, connections: 250, seconds: seconds.capacity }
  const { mints, seconds: took } = await runClosedLoop(closed)
  const capacity = mints / took
  const open = { port, next, maxConnections: CONNECTIONS, patienceMs: GOOD_WITHIN_MS }
  const [during, after] = await Promise.all([
    runOpenLoop({ ...open, perSecond: TIMES * capacity, seconds: seconds.overload }),
    // Not after the last answer of the overload, but after its last request.
    later(seconds.overload, () =>
      runOpenLoop({ ...open, perSecond: AFTERWARDS * capacity, seconds: seconds.after }),
    ),
  ])
  return {
    side,
    capacity,
    normalAfterMs: normalAfter(after),
    ...figuresOf(during, seconds.overload),
  }
}

async function later<T>(seconds: number, run: () => Promise<T>): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  return run()
}

function figuresOf({ answers, unanswered, lateMs }: OpenRun, seconds: number) {
  const good = answers.filter(({ minted, latencyMs }) => minted && latencyMs <= GOOD_WITHIN_MS)
  const failed = answers.filter(({ minted }) => !minted)
  const refusals: Record<number, number> = unanswered === 0 ? {} : { 0: unanswered }
  for (const { status } of failed) refusals[status] = (refusals[status] ?? 0) + 1
  const p99 = (of: readonly Timed[]) =>
    percentile(
      of.map(({ latencyMs }) => latencyMs),
      0.99,
    )
  return {
    goodput: good.length / seconds,
    mintP99: p99(answers.filter(({ minted }) => minted)),
    refusalP99: p99(failed.filter(({ status }) => status !== 0)),
    refusals,
    loadLateP99: percentile(lateMs, 0.99),
  }
}

/** When the last request left that was refused or slow, in milliseconds after the overload. */
function normalAfter({ answers }: OpenRun): number {
  const bad = answers.filter(
    ({ minted, latencyMs, heldMs }) => !minted || latencyMs - heldMs > NORMAL_ADDED_MS,
  )
  return Math.max(0, ...bad.map(({ dueMs }) => dueMs))
}

function report(found: readonly Found[]): Report {
  const head = [
    ...['side', 'capacity, mints/s', 'goodput, mints/s', 'of capacity', 'mints p99, ms'],
    ...['refusals p99, ms', 'not minted, by status', 'normal after, s', 'load late p99, ms'],
  ]
  const rows = found.map((one) => [
    one.side.title,
    figure(one.capacity),
    figure(one.goodput),
    `${figure((100 * one.goodput) / one.capacity)} %`,
    figure(one.mintP99),
    figure(one.refusalP99),
    Object.entries(one.refusals)
      .map(([status, count]) => `${status === '0' ? 'none' : status}: ${count}`)
      .join(', ') || '–',
    figure(one.normalAfterMs / 1000, 1),
    figure(one.loadLateP99, 1),
  ])
  return {
    title: `${TIMES} times capacity, upstream at ${UPSTREAM_MS} ms`,
    how: `Capacity: closed loop of 250 connections. Then an open loop at ${TIMES} times that over at most ${CONNECTIONS} connections (who finds none within 1 s gives up), and 30 % of it afterwards. Goodput: mints within 1 s of their scheduled time; mints p99: of all mints; normal: no refusal, at most ${NORMAL_ADDED_MS} ms added.`,
    tables: [table(head, rows)],
    goals: found.flatMap(goalsOf),
    figures: found,
  }
}

function goalsOf({ side, capacity, goodput, refusalP99, normalAfterMs }: Found): readonly Goal[] {
  const at = `at three times capacity, ${side.name}`
  const share = (100 * goodput) / capacity
  return [
    ...atLeast(`goodput ${at}`, share, [80, '% of capacity', 0]),
    ...atMost(`refusals p99 ${at}`, refusalP99, [100, 'ms', 0]),
    ...atMost(`normal after ${at}`, normalAfterMs / 1000, [5, 's', 1]),
  ]
}
