import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'

/** Cores for each process. Without `taskset`, or on one core, no process is bound. */
export interface Cores {
  /** Core of the measured server; nothing else runs there. */
  readonly server: number | undefined
  /** Core of everything else: load, upstream, Redis. */
  readonly rest: number | undefined
}

/** Binds this process, and by default its children, to the first core. */
export function bindCores(): Cores {
  const last = availableParallelism() - 1
  if (last < 1 || !bind(process.pid, 0)) return { server: undefined, rest: undefined }
  return { server: last, rest: 0 }
}

function bind(pid: number, core: number): boolean {
  try {
    execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A command line that runs on one core. */
export function onCore(core: number | undefined, command: readonly string[]): readonly string[] {
  return core === undefined ? command : ['taskset', '-c', String(core), ...command]
}

/** One line about the machine, for comparisons of figures. */
export function describeMachine({ server }: Cores): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const memory = Math.round(totalmem() / 2 ** 30)
  const bound = server === undefined ? 'cores not bound' : 'server alone on one core'
  return `${model}, ${cpus().length} cores, ${memory} GB, Linux ${release()}, Node ${process.versions.node}, ${bound}, load average ${loadAverage()}`
}

function loadAverage(): string {
  try {
    return readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}

/** CPU in hundredths of a second: of the whole machine, and of this process with its children. */
interface CpuTicks {
  readonly machine: number
  readonly own: number
}

/**
 * Share of a core that other processes have used since. On a busy machine figures mean little.
 *
 * @returns a function that is asked when the processes of this one have ended; undefined where there
 * is no `/proc`
 */
export function watchOthers(): () => number | undefined {
  const before = cpuTicks()
  const began = performance.now()
  return () => {
    const after = cpuTicks()
    if (before === undefined || after === undefined) return undefined
    const others = after.machine - before.machine - (after.own - before.own)
    return others / ((performance.now() - began) / 10)
  }
}

function cpuTicks(): CpuTicks | undefined {
  try {
    const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields('/proc/stat', /\n/)
    // Behind the name, which may hold anything: utime, stime, and those of children that have ended.
    const own = fields('/proc/self/stat', /^$/, /^.*\) /s).slice(11, 15)
    return { machine: user + nice + system + irq + softirq, own: own.reduce((a, b) => a + b, 0) }
  } catch {
    return undefined
  }
}

function fields(path: string, end: RegExp, skip = /^$/): readonly number[] {
  const text = readFileSync(path, 'utf8').replace(skip, '')
  const [first = ''] = text.split(end)
  return first.split(/\s+/).map(Number)
}
