import { writeFileSync } from 'node:fs'
import { createFleet, type Fleet } from './fleet.ts'
import { describeMachine, watchOthers } from './machine.ts'
import { type Options, type PartName, readOptions, USAGE, UsageError } from './options.ts'
import { algorithmsPart } from './parts/algorithms.ts'
import { cpuPart } from './parts/cpu.ts'
import { floodsPart } from './parts/floods.ts'
import { framesPart } from './parts/frames.ts'
import { installSizePart } from './parts/install-size.ts'
import { latencyPart } from './parts/latency.ts'
import { memoryPart } from './parts/memory.ts'
import { overloadPart } from './parts/overload.ts'
import { ratePart } from './parts/rate.ts'
import { redisPart } from './parts/redis.ts'
import { startPart } from './parts/start.ts'
import { storeSizePart } from './parts/store-size.ts'
import { workPart } from './parts/work.ts'
import type { Goal, Report } from './report/part.ts'
import { table } from './report/tables.ts'
import { createScene, type Scene } from './scene.ts'
import { killStarted } from './started.ts'

/** Exit codes of sysexits.h. */
const EX_USAGE = 64
const EX_SOFTWARE = 70
/** 128 and the number of SIGINT, as shells have it. */
const INTERRUPTED = 130

const PART_OF: Readonly<Record<PartName, (scene: Scene, fleet: Fleet) => Promise<Report>>> = {
  cpu: cpuPart,
  work: workPart,
  algorithms: algorithmsPart,
  latency: latencyPart,
  rate: ratePart,
  overload: overloadPart,
  start: startPart,
  memory: memoryPart,
  'store-size': storeSizePart,
  redis: redisPart,
  frames: framesPart,
  floods: floodsPart,
  'install-size': installSizePart,
}

type Reports = Partial<Record<PartName, Report>>

/** @returns whether every request was a mint that should have been one */
async function run(options: Options): Promise<boolean> {
  process.once('exit', killStarted)
  const scene = await createScene(options)
  stopOnSignal(scene)
  const machine = describeMachine(scene.cores)
  const others = watchOthers()
  const reports = await runParts(machine, scene)
  const othersCores = others()
  printGoals(Object.values(reports).flatMap(({ goals }) => goals))
  printFailures(scene.failures)
  printOthers(othersCores)
  if (options.json !== undefined) {
    const found = { machine, othersCores, options, failures: scene.failures, reports }
    writeFileSync(options.json, `${JSON.stringify(found, null, 2)}\n`)
  }
  return scene.failures.length === 0
}

function stopOnSignal(scene: Scene): void {
  const stop = () => {
    killStarted()
    void scene.close().finally(() => process.exit(INTERRUPTED))
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
}

/** Each part's tables are printed as soon as it has them. */
async function runParts(machine: string, scene: Scene): Promise<Reports> {
  const fleet = createFleet(scene)
  const reports: Reports = {}
  print(machine)
  for (const { name, why } of scene.missing) print(`Skipped: ${name} (${why}).`)
  try {
    for (const name of scene.options.only) {
      const report = await PART_OF[name](scene, fleet)
      print(`### ${report.title}`, report.how, ...report.tables)
      reports[name] = report
    }
  } finally {
    await fleet.close()
    await scene.close()
    scene.progress('done')
  }
  return reports
}

function printGoals(goals: readonly Goal[]): void {
  if (goals.length === 0) return
  const rows = goals.map(({ what, goal, measured, reached }) => {
    return [what, goal, measured, reached ? 'yes' : '**no**']
  })
  print('### Goals', table(['figure', 'goal', 'measured', 'reached'], rows))
}

function printFailures(failures: readonly string[]): void {
  if (failures.length === 0) return
  print('### Failures', failures.map((failure) => `- ${failure}`).join('\n'))
}

/** Above this many cores' worth of foreign work, figures are not to be published. */
const MOST_OTHERS = 0.1

function printOthers(cores: number | undefined): void {
  if (cores === undefined) return
  const advice = cores > MOST_OTHERS ? ': too much for figures that mean anything' : ''
  print(`Other processes used ${(100 * cores).toFixed(0)} % of a core meanwhile${advice}.`)
}

function print(...paragraphs: readonly string[]): void {
  for (const paragraph of paragraphs) process.stdout.write(`${paragraph}\n\n`)
}

async function main(commandLine: readonly string[]): Promise<number> {
  try {
    if (commandLine.includes('--help')) print(USAGE)
    else if (!(await run(readOptions(commandLine)))) return EX_SOFTWARE
    return 0
  } catch (error) {
    const usage = error instanceof UsageError
    process.stderr.write(`${usage ? error.message : describe(error)}\n`)
    return usage ? EX_USAGE : EX_SOFTWARE
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

process.exitCode = await main(process.argv.slice(2))
