import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import { warmUp } from '../fleet.ts'
import { runClosedLoop } from '../load/closed-loop.ts'
import { repeat } from '../load/identity.ts'
import { noteFailures } from '../measure-cpu.ts'
import { readsAndWrites } from '../process-figures.ts'
import type { Report } from '../report/part.ts'
import { figure, table } from '../report/tables.ts'
import { type Scene, sidesFor } from '../scene.ts'
import { type Server, startServer } from '../server.ts'
import type { Side } from '../sides.ts'

const counts = z.object({ promises: z.number(), bytes: z.number() })
type Counts = z.output<typeof counts> & { readonly calls: number }

interface Found {
  readonly side: Side
  /** Each per mint. */
  readonly promises: number
  readonly bytes: number
  readonly calls: number
}

const SIDES = { quick: ['limit', 'sqlite'], full: ['limit', 'sqlite', 'redis', 'hono'] }
const PRELOAD = new URL('../count-work.ts', import.meta.url).href
const SECONDS = 2
const CONNECTIONS = 32
const USERS = 2000
/** Pause between two looks for the file of the counts. */
const LOOK_MS = 5

/** Counts the work of a mint in figures that do not depend on the speed of the machine. */
export async function workPart(scene: Scene): Promise<Report> {
  const found: Found[] = []
  for (const side of sidesFor(scene, SIDES)) {
    scene.progress(`work: ${side.name}`)
    const { bytes, calls } = await countedOf(side, scene, 'bytes')
    const { promises } = await countedOf(side, scene, 'promises')
    found.push({ side, bytes, calls, promises })
  }
  const rows = found.map(({ side, calls, bytes, promises }) => [
    side.title,
    figure(calls, 1),
    figure(bytes / 1000, 1),
    figure(promises, 1),
  ])
  return {
    title: 'What a mint does',
    how: `Closed loop of ${CONNECTIONS} connections, tokens seen before, upstream at 0 ms. Calls that read or write, as the kernel counts them for the process (four are the least: request, upstream call and both answers; SQLite's file and the log come on top); what V8 allocates; promises.`,
    tables: [table(['side', 'reads and writes', 'allocated, kB', 'promises'], rows)],
    goals: [],
    figures: found,
  }
}

async function countedOf(side: Side, scene: Scene, count: 'bytes' | 'promises'): Promise<Counts> {
  const file = join(scene.newFolder('work'), 'counts.json')
  const [node = '', ...rest] = side.command
  const env = { ...side.env, COUNT: count, COUNTS_FILE: file }
  const command = [node, '--import', PRELOAD, ...rest]
  const server = await startServer({ ...side, command, env }, scene)
  try {
    await warmUp(server, scene)
    const next = repeat(scene.identity.requests('ES256', USERS))
    const run = (seconds: number) =>
      runClosedLoop({ port: server.port, next, connections: CONNECTIONS, seconds })
    await run(SECONDS * scene.options.scale)
    const before = await ask(server, file)
    const counted = await run(SECONDS * scene.options.scale)
    const after = await ask(server, file)
    noteFailures(server, counted)
    const perMint = (of: keyof Counts) => (after[of] - before[of]) / counted.mints
    return { promises: perMint('promises'), bytes: perMint('bytes'), calls: perMint('calls') }
  } finally {
    await server.end()
  }
}

/** The counts so far. */
async function ask({ pid }: Server, file: string): Promise<Counts> {
  rmSync(file, { force: true })
  const calls = readsAndWrites(pid)
  process.kill(pid, 'SIGUSR2')
  for (;;) {
    await setTimeout(LOOK_MS)
    try {
      return { ...counts.parse(JSON.parse(readFileSync(file, 'utf8'))), calls }
    } catch {
      // Not there yet, or not yet written to its end.
    }
  }
}
