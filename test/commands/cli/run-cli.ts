import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Io } from '../../../src/commands/cli/io.ts'
import { runCli } from '../../../src/commands/cli/program.ts'
import type { Variables } from '../../../src/config/env.ts'
import { currentBundle } from '../../deploy/bundle.ts'
import { NODE, PREPARED, WITHOUT_ENV_FILE } from '../../support/service-process.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
export const BIN = join(ROOT, 'src/commands/chatkit-mint.js')

/** Result of a command line. */
export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly env?: Readonly<Record<string, string>>
  /** Standard input; closed at once when absent. */
  readonly input?: string
}

/**
 * The command line as a process of its own, with no environment but `env` and PATH. It comes from the bundle, which
 * takes half the CPU; {@link BIN} is the same in the checkout.
 */
export async function cli(words: readonly string[], running: Running = {}): Promise<Ended> {
  const { env = {}, input = '' } = running
  const bundled = join(currentBundle(NODE), 'commands/chatkit-mint.js')
  const child = spawn(NODE, [...PREPARED, bundled, ...words], {
    cwd: ROOT,
    env: { ...WITHOUT_ENV_FILE, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [[code], out, err] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ])
  return { code, out, err }
}

/** Runs it in this process, which is faster, and without a terminal. */
export async function quickCli(
  words: readonly string[],
  variables: Variables = {},
  { input = '', nowMs }: { readonly input?: string; readonly nowMs?: number } = {},
): Promise<Ended> {
  const { io, said, stdin } = streams(variables, false)
  stdin.end(input)
  const code = await runCli(words, nowMs === undefined ? io : { ...io, now: () => nowMs })
  return { code, ...said }
}

/** The answer of a command with `--json`; an error unless the command succeeds and remarks nothing. */
export async function cliJson<T = unknown>(
  words: readonly string[],
  variables: Variables,
): Promise<T> {
  const { code, out, err } = await quickCli([...words, '--json'], variables)
  if (code !== 0 || err !== '') throw new Error(`exit ${code}: ${err}`)
  return JSON.parse(out)
}

/** Streams that claim to be a terminal, and the text written to them. */
export function terminal(variables: Variables) {
  return streams(variables, true)
}

/** The streams of a command line in this process, with nothing of the real environment. */
export function streams(variables: Variables, isTTY: boolean) {
  const stream = () => Object.assign(new PassThrough(), { isTTY, columns: 100 })
  const [stdin, stdout, stderr] = [stream(), stream(), stream()]
  const said = { out: '', err: '' }
  stdout.on('data', (chunk) => {
    said.out += String(chunk)
  })
  stderr.on('data', (chunk) => {
    said.err += String(chunk)
  })
  const controller = new AbortController()
  const { signal } = controller
  const io: Io = { stdin, stdout, stderr, variables, now: Date.now, signal }
  return { io, said, stdin, stdout, stderr, controller }
}
