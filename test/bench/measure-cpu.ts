import { setTimeout } from 'node:timers/promises'
import { type ClosedRun, runClosedLoop } from './load/closed-loop.ts'
import type { NextRequest } from './load/identity.ts'
import { cpuMicroseconds } from './process-figures.ts'
import type { Server } from './server.ts'

export interface CpuRun {
  readonly next: NextRequest
  readonly seconds: number
}

/** Result of a run on one side. */
export interface CpuFigure {
  /** CPU of the server process for each mint, in microseconds. */
  readonly perMintUs: number
  readonly mintsPerSecond: number
}

/** Connections of the closed loop. */
const CONNECTIONS = 32
/** For what a server still has to do after its last answer, and before its first request. */
const SETTLE_MS = 30

/** Loads a side in a closed loop, reads its CPU from the kernel, and counts answers that are no mint. */
export async function measureCpu(server: Server, { next, seconds }: CpuRun): Promise<CpuFigure> {
  await setTimeout(SETTLE_MS)
  const before = cpuMicroseconds(server.pid)
  const run = await runClosedLoop({ port: server.port, next, connections: CONNECTIONS, seconds })
  await setTimeout(SETTLE_MS)
  const used = cpuMicroseconds(server.pid) - before
  noteFailures(server, run)
  return { perMintUs: used / run.mints, mintsPerSecond: run.mints / run.seconds }
}

/** Fails the run when an answer was no mint, or when there was no answer at all. */
export function noteFailures(
  server: Server,
  { mints, failures }: Pick<ClosedRun, 'mints' | 'failures'>,
): void {
  if (failures.size === 0 && mints > 0) return
  const counts = [...failures].map(([status, count]) => `${count} × ${status || 'broken'}`)
  server.fail(`${mints} mints, failures: ${counts.join(', ') || 'none'}`)
}
