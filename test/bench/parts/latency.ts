import type { Fleet } from '../fleet.ts'
import { type OpenRun, runOpenLoop } from '../load/open-loop.ts'
import { cpuMicroseconds } from '../process-figures.ts'
import { atMost, type Report } from '../report/part.ts'
import { median, percentile, spread } from '../report/statistics.ts'
import { figure, table, withSpread } from '../report/tables.ts'
import { type Scene, sidesFor } from '../scene.ts'
import type { Server } from '../server.ts'
import type { Side } from '../sides.ts'

interface Found {
  readonly side: Side
  /** Per round, in milliseconds. */
  readonly p50: number[]
  readonly p99: number[]
  /** Per round, in microseconds. */
  readonly perMintUs: number[]
}

const PER_SECOND = 300
const UPSTREAM_MS = 150
const SECONDS = 1.2
/** Until the connections stand. */
const RUN_IN_MS = 300
const SIDES = {
  quick: ['limit', 'memory', 'sqlite', 'redis'],
  full: ['limit', 'memory', 'sqlite', 'redis', 'hono', 'express', 'fastapi'],
}

/** Measures the time that each side adds to an upstream of 150 ms, at 300 mints a second. */
export async function latencyPart(scene: Scene, fleet: Fleet): Promise<Report> {
  const { options, progress } = scene
  const servers = await fleet.warmWithSeen(sidesFor(scene, SIDES))
  const found = servers.map(({ side }): Found => ({ side, p50: [], p99: [], perMintUs: [] }))
  const lateMs: number[] = []
  for (let round = 0; round < options.rounds; round++) {
    progress(`latency: round ${round + 1} of ${options.rounds}`)
    for (const [at, server] of servers.entries()) {
      const { added, perMintUs, late } = await measureAdded(server, scene, fleet)
      found[at]?.p50.push(percentile(added, 0.5))
      found[at]?.p99.push(percentile(added, 0.99))
      found[at]?.perMintUs.push(perMintUs)
      lateMs.push(late)
    }
  }
  return report(found, median(lateMs))
}

async function measureAdded(server: Server, { options, upstream }: Scene, { seen }: Fleet) {
  upstream.delayMs = UPSTREAM_MS
  const seconds = RUN_IN_MS / 1000 + SECONDS * options.scale
  const load = { port: server.port, next: seen, perSecond: PER_SECOND, seconds }
  const before = cpuMicroseconds(server.pid)
  const run = await runOpenLoop({ ...load, maxConnections: 1000 })
  const used = cpuMicroseconds(server.pid) - before
  noteUnminted(server, run)
  return {
    added: addedBy(run, RUN_IN_MS),
    perMintUs: used / run.answers.length,
    late: percentile(run.lateMs, 0.99),
  }
}

/** Time of each mint beyond the upstream's own delay, in milliseconds. */
function addedBy({ answers }: OpenRun, fromMs: number): readonly number[] {
  return answers
    .filter(({ dueMs, minted }) => minted && dueMs >= fromMs)
    .map(({ latencyMs, heldMs }) => latencyMs - heldMs)
}

/** Fails the run when a request was no mint. */
export function noteUnminted(server: Server, { answers, unanswered }: OpenRun): void {
  const failed = answers.filter(({ minted }) => !minted)
  if (failed.length === 0 && unanswered === 0) return
  const statuses = [...new Set(failed.map(({ status }) => status))].join(', ')
  const counts = `${failed.length} of ${answers.length} failed (${statuses})`
  server.fail(`${counts}, ${unanswered} unanswered`)
}

function report(found: readonly Found[], lateP99: number): Report {
  const head = ['side', 'added p50, ms', 'added p99, ms', 'CPU per mint, µs']
  const rows = found.map(({ side, p50, p99, perMintUs }) => [
    side.title,
    withSpread(spread(p50), 2),
    withSpread(spread(p99), 2),
    figure(median(perMintUs)),
  ])
  const goals = found
    .filter(({ side }) => side.store !== undefined)
    .flatMap(({ side, p50, p99 }) => [
      ...atMost(`added p50, ${side.name}`, median(p50), [1, 'ms']),
      ...atMost(`added p99, ${side.name}`, median(p99), [5, 'ms']),
    ])
  return {
    title: `Latency added to an upstream of ${UPSTREAM_MS} ms at ${PER_SECOND} mints a second`,
    how: `Open loop (arrivals fixed beforehand, Poisson), seen tokens; from the scheduled time to the answer, less the time for which the upstream held that request. The load itself was late by ${figure(lateP99, 2)} ms (p99), which is in the figures.`,
    tables: [table(head, rows)],
    goals,
    figures: found,
  }
}
