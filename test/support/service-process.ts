import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { readEnvFile } from '../../src/config/env-file.ts'
import { currentBundle } from '../deploy/bundle.ts'
import { endAfterTest } from './started.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** The Node that `npm ci` brings. */
export const NODE = join(ROOT, 'node_modules/.bin/node')
/** Before each entry point, as in the npm scripts: with it compiled code is kept from start to start. */
export const PREPARED = ['--import', join(ROOT, 'src/check-node.js')]
/** A developer's own `.env` must not change a test: a name that the environment has, blank or not, wins over it. */
export const WITHOUT_ENV_FILE: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '',
  ...Object.fromEntries(Object.keys(readEnvFile()?.variables ?? {}).map((name) => [name, ''])),
}
const READY_WITHIN_MS = 35_000

export interface ProcessOptions {
  /** YAML of the config file. */
  readonly config: string
  /** Beside `HOST=127.0.0.1`, `PORT=0`, `STORE_URL=memory:`; nothing is inherited but PATH. */
  readonly env?: Readonly<Record<string, string>>
  /** Arguments to node before the entry point. */
  readonly nodeArguments?: readonly string[]
  /**
   * The bundle when absent, as the image starts it: this takes half the CPU. Tests about starting use the checkout, as
   * `npm start` does. With `SERVICE_FROM=checkout` all tests do, and stack traces name lines of the source.
   */
  readonly from?: 'bundle' | 'checkout'
}

/** A process and its output so far. */
export interface Spawned {
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** Lines of standard output that are JSON objects. */
  log(): Record<string, unknown>[]
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Waits until `found` gives something, and fails with the output when the process ends first. */
  until<T>(found: () => T | undefined): Promise<T>
}

export interface ServiceProcess extends Spawned {
  readonly url: string
  /** Temporary directory of this process, with its config file. */
  readonly directory: string
  /** SIGKILL if it still runs, and the directory goes. */
  close(): Promise<void>
}

/** Any command of ours, from the root of the project. */
export function spawnNode(
  commandLine: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Spawned {
  const child = spawn(NODE, [...PREPARED, ...commandLine], {
    cwd: ROOT,
    env: { ...WITHOUT_ENV_FILE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  }
  const exited = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  return {
    child,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    log: () => jsonLines(said.stdout),
    exited,
    until: (found) => until(found, { exited, said }),
  }
}

/** The service with a config file of its own, which may refuse to start. */
export function spawnService(options: ProcessOptions): Spawned & Pick<ServiceProcess, 'directory'> {
  const directory = mkdtempSync(join(tmpdir(), 'chatkit-mint-'))
  const file = join(directory, 'config.yaml')
  writeFileSync(file, options.config)
  const env = {
    HOST: '127.0.0.1',
    PORT: '0',
    METRICS_PORT: '0',
    STORE_URL: 'memory:',
    CONFIG_FILE: file,
    ...options.env,
  }
  const from = options.from ?? process.env['SERVICE_FROM']
  const entry =
    from === 'checkout' ? join(ROOT, 'src/main.ts') : join(currentBundle(NODE), 'service/main.js')
  return { ...spawnNode([...(options.nodeArguments ?? []), entry], env), directory }
}

/** Starts the service and waits until it says that it listens. One that a test starts ends after it. */
export async function startServiceProcess(options: ProcessOptions): Promise<ServiceProcess> {
  const spawned = spawnService(options)
  const close = async () => {
    spawned.child.kill('SIGKILL')
    await spawned.exited
    rmSync(spawned.directory, { recursive: true, force: true })
  }
  endAfterTest(close)
  try {
    const url = await spawned.until(() => {
      return spawned.log().find(({ msg }) => msg === 'listening')?.['url'] as string | undefined
    })
    return { ...spawned, url, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Runs the service until it ends by itself. */
export async function runToEnd(options: ProcessOptions) {
  const spawned = spawnService(options)
  const ended = await Promise.race([
    spawned.exited,
    setTimeout(READY_WITHIN_MS, undefined, { ref: false }),
  ])
  spawned.child.kill('SIGKILL')
  await spawned.exited
  rmSync(spawned.directory, { recursive: true, force: true })
  if (ended === undefined) throw new Error(`still running: ${spawned.stdout()}`)
  return { code: ended.code, stdout: spawned.stdout(), stderr: spawned.stderr() }
}

async function until<T>(
  found: () => T | undefined,
  process: { exited: Promise<unknown>; said: { stdout: string; stderr: string } },
): Promise<T> {
  let ended = false
  void process.exited.then(() => {
    ended = true
  })
  for (const start = performance.now(); performance.now() - start < READY_WITHIN_MS; ) {
    const result = found()
    if (result !== undefined) return result
    if (ended) break
    await setTimeout(10)
  }
  throw new Error(`did not come:\n${process.said.stdout}${process.said.stderr}`)
}

/** Memory of a process on Linux, in MB. */
export function residentMb({ child }: Pick<Spawned, 'child'>): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024
}

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line))
}

/** Ends what is left of a process group. */
export function endGroup(leader: number | undefined): void {
  try {
    process.kill(-(leader ?? Number.NaN), 'SIGKILL')
  } catch {
    // Nothing is left.
  }
}
