import { runClosedLoop } from '../load/closed-loop.ts'
import { repeat } from '../load/identity.ts'
import { runOpenLoop } from '../load/open-loop.ts'
import { noteFailures } from '../measure-cpu.ts'
import { residentMegabytes } from '../process-figures.ts'
import { atMost, type Report } from '../report/part.ts'
import { median } from '../report/statistics.ts'
import { figure, table, times } from '../report/tables.ts'
import { type Scene, sidesFor } from '../scene.ts'
import { type Server, startServer } from '../server.ts'
import type { Side } from '../sides.ts'
import { noteUnminted } from './latency.ts'

interface Found {
  readonly side: Side
  /** Megabytes: after the first mint (median of fresh processes), in the second half of the load (median), at most. */
  readonly idle: number
  readonly loaded: number
  readonly most: number
  /** Megabytes a minute at 200 mints a second; only in a long run. */
  readonly slope: number | undefined
}

const CONNECTIONS = 200
/** Holds 200 connections at about the same rate on every side. */
const UPSTREAM_MS = 150
const SECONDS = 5
const SAMPLE_MS = 100
const SIDES = { quick: ['limit', 'sqlite'], full: ['limit', 'memory', 'sqlite', 'redis'] }
const SLOPE = { sides: ['sqlite'], perSecond: 200, seconds: 300, runInSeconds: 60 }

/** Megabytes by which ours may be above the limit while idle, in a checkout and in the image. */
const MOST_ABOVE: Readonly<Record<string, number>> = { sqlite: 20, image: 20 }

/** Idle memory, and memory under load on 200 connections, the same for every side. */
export async function memoryPart(scene: Scene): Promise<Report> {
  const found: Found[] = []
  for (const side of [...sidesFor(scene, SIDES), ...scene.image()]) {
    scene.progress(`memory: ${side.name}`)
    const idle = await measureIdle(side, scene)
    const server = await startServer(side, scene)
    try {
      found.push({ ...(await measureMemory(server, scene)), idle })
    } finally {
      await server.end()
    }
  }
  return report(found)
}

async function measureIdle(side: Side, scene: Scene): Promise<number> {
  scene.upstream.delayMs = 0
  const levels: number[] = []
  for (let round = 0; round < scene.options.rounds; round++) {
    const server = await startServer(side, scene)
    levels.push(residentMegabytes(server.pid))
    await server.end()
  }
  return median(levels)
}

async function measureMemory(server: Server, scene: Scene): Promise<Omit<Found, 'idle'>> {
  const { options, identity, upstream } = scene
  upstream.delayMs = UPSTREAM_MS
  const { pid, port, side } = server
  const next = repeat(identity.requests('ES256', 2000))
  const seconds = SECONDS * options.scale
  const { samples, result } = await sampled(pid, () =>
    runClosedLoop({ port, next, connections: CONNECTIONS, seconds }),
  )
  noteFailures(server, result)
  const levels = samples.map(({ megabytes }) => megabytes)
  const loaded = median(levels.slice(levels.length >> 1))
  const slope =
    options.long && SLOPE.sides.includes(side.name) ? await measureSlope(server, scene) : undefined
  return { side, loaded, most: Math.max(...levels), slope }
}

interface Sample {
  readonly minutes: number
  readonly megabytes: number
}

async function sampled<T>(pid: number, work: () => Promise<T>) {
  const samples: Sample[] = []
  const began = performance.now()
  const timer = setInterval(() => {
    const minutes = (performance.now() - began) / 60_000
    samples.push({ minutes, megabytes: residentMegabytes(pid) })
  }, SAMPLE_MS)
  try {
    return { result: await work(), samples }
  } finally {
    clearInterval(timer)
  }
}

async function measureSlope(server: Server, { identity }: Scene): Promise<number> {
  const next = repeat(identity.requests('ES256', 2000))
  const load = { port: server.port, next, perSecond: SLOPE.perSecond, seconds: SLOPE.seconds }
  const { samples, result } = await sampled(server.pid, () =>
    runOpenLoop({ ...load, maxConnections: CONNECTIONS }),
  )
  noteUnminted(server, result)
  return slopeOf(samples.filter(({ minutes }) => minutes * 60 >= SLOPE.runInSeconds))
}

/** Least squares. */
export function slopeOf(samples: readonly Sample[]): number {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
  const x = mean(samples.map(({ minutes }) => minutes))
  const y = mean(samples.map(({ megabytes }) => megabytes))
  const products = samples.map(({ minutes, megabytes }) => (minutes - x) * (megabytes - y))
  return mean(products) / mean(samples.map(({ minutes }) => (minutes - x) ** 2))
}

function report(found: readonly Found[]): Report {
  const limit = found.find(({ side }) => side.name === 'limit')
  const overLimit = (loaded: number) => loaded / (limit?.loaded ?? Number.NaN)
  const rows = found.map(({ side, idle, loaded, most, slope }) => [
    side.title,
    ...[idle, loaded, most].map((value) => figure(value)),
    times(overLimit(loaded)),
    figure(slope, 2),
  ])
  const head = ['side', 'idle, MB', 'under load, MB', 'most, MB', '× limit', 'slope, MB a minute']
  const ours = found.filter(({ side }) => side.store !== undefined)
  return {
    title: `Memory with ${CONNECTIONS} connections under load`,
    how: `Resident memory; idle: of fresh processes after their first mint, median of the rounds; under load: closed loop of ${CONNECTIONS} connections on an upstream of ${UPSTREAM_MS} ms, the same load for each; median of the second half. The slope (\`--long\` only) is that of five minutes at 200 mints a second, the first left out.`,
    tables: [table(head, rows)],
    goals: ours.flatMap(({ side, idle, loaded, slope }) => [
      ...atMost(
        `idle memory above the limit, ${side.name}`,
        side.name in MOST_ABOVE ? idle - (limit?.idle ?? Number.NaN) : undefined,
        [MOST_ABOVE[side.name] ?? Number.NaN, 'MB'],
      ),
      ...atMost(`memory against the limit, ${side.name}`, overLimit(loaded), [1.2, '×']),
      ...atMost(`memory at 200 a second, ${side.name}`, slope, [1, 'MB a minute']),
    ]),
    figures: found,
  }
}
