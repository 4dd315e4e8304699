import type { Fleet } from '../fleet.ts'
import { once } from '../load/identity.ts'
import { runOpenLoop } from '../load/open-loop.ts'
import { atMost, type Report } from '../report/part.ts'
import { percentile } from '../report/statistics.ts'
import { figure, table } from '../report/tables.ts'
import type { Scene } from '../scene.ts'
import type { Side } from '../sides.ts'
import { noteUnminted } from './latency.ts'

interface Found {
  readonly side: Side
  readonly mints: number
  readonly failures: number
  readonly p50: number
  readonly p99: number
  readonly most: number
}

const PER_SECOND = 1000
const UPSTREAM_MS = 50
const SECONDS = { short: 8, long: 60 }
const SIDES = ['sqlite', 'redis']

/** A thousand mints a second, each with a new token. */
export async function ratePart(scene: Scene, fleet: Fleet): Promise<Report> {
  const { options, identity, upstream, progress } = scene
  const servers = await fleet.warm(scene.sides.filter(({ name }) => SIDES.includes(name)))
  const seconds = options.long ? SECONDS.long : SECONDS.short * options.scale
  const found: Found[] = []
  for (const server of servers) {
    progress(`rate: ${server.side.name}, ${seconds} s`)
    const next = once(identity.requests('ES256', Math.ceil(PER_SECOND * seconds * 1.2) + 500))
    upstream.delayMs = UPSTREAM_MS
    const load = { port: server.port, next, perSecond: PER_SECOND, seconds }
    const run = await runOpenLoop({ ...load, maxConnections: 2000 })
    noteUnminted(server, run)
    const latency = run.answers.filter(({ minted }) => minted).map(({ latencyMs }) => latencyMs)
    const failures = run.answers.length + run.unanswered - latency.length
    const [p50 = 0, p99 = 0, most = 0] = [0.5, 0.99, 1].map((share) => percentile(latency, share))
    found.push({ side: server.side, mints: latency.length, failures, p50, p99, most })
  }
  return report(found, seconds)
}

function report(found: readonly Found[], seconds: number): Report {
  const head = ['side', 'mints', 'p50, ms', 'p99, ms', 'most, ms', 'failures']
  const rows = found.map(({ side, mints, failures, p50, p99, most }) => [
    side.title,
    String(mints),
    ...[p50, p99, most].map((value) => figure(value, 1)),
    String(failures),
  ])
  return {
    title: `${PER_SECOND} mints a second for ${seconds} s, upstream at ${UPSTREAM_MS} ms`,
    how: 'Open loop as above, each token new (ES256); from the scheduled time to the answer, upstream included.',
    tables: [table(head, rows)],
    goals: found.flatMap(({ side, p99, failures }) => [
      ...atMost(`1,000 a second, p99, ${side.name}`, p99, [120, 'ms']),
      ...atMost(`1,000 a second, failures, ${side.name}`, failures, [0, 'requests', 0]),
    ]),
    figures: found,
  }
}
