// Runs an `npm run` command until Ctrl-C, and prints why it could not start.

import { npmScript } from '../config/env.ts'
import { codeIn } from '../lib/errors.ts'
import { reasonOf } from '../lib/show.ts'
import { EXIT, EXIT_OF_ERROR } from './cli/exit.ts'

/** A command that runs until it is closed. */
export interface RunningCommand {
  /** The text to print for the person who started it. */
  readonly introduction: string
  /** Prints one short line for each request that the service answers from now on. */
  showRequests(): void
  close(): Promise<void>
}

/** Milliseconds between two looks at whether npm's shell is still there. */
const SHELL_EVERY_MS = 500

/**
 * Starts a command, prints its introduction, and closes it at a signal.
 *
 * @param load - imports the function that starts it. The sign-in is a development dependency, which a
 * production install lacks
 */
export async function runUntilSignal(
  name: string,
  load: () => Promise<() => Promise<RunningCommand>>,
): Promise<void> {
  const shell = process.ppid
  const running = await startOrExit(name, await loadOrExit(name, load))
  process.stdout.write(running.introduction)
  running.showRequests()
  const stop = () => void running.close().then(() => process.exit(0))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop)
  if (npmScript === name) stopAfter(shell, stop)
}

/**
 * npm hands a SIGTERM to its shell and to nothing below it. The shell ends at once, and this process would stay, with
 * its ports. `exec` in the script, as `npm start` has it, is unknown to the shell of Windows.
 */
function stopAfter(shell: number, stop: () => void): void {
  const timer = setInterval(() => {
    if (process.ppid === shell) return
    clearInterval(timer)
    stop()
  }, SHELL_EVERY_MS)
}

async function loadOrExit<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (!(error instanceof Error) || codeIn(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    return fail(name, EXIT.unavailable, 'needs the development dependencies; run "npm ci" first')
  }
}

async function startOrExit(
  name: string,
  start: () => Promise<RunningCommand>,
): Promise<RunningCommand> {
  try {
    return await start()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const { message } = error
    const exitCode = EXIT_OF_ERROR[error.name]
    const where = error.name === 'StoreUnusableError' ? 'STORE_URL: ' : ''
    if (exitCode !== undefined) return fail(name, exitCode, where + message)
    const code = codeIn(error)
    if (code === undefined) return fail(name, EXIT.software, reasonOf(error))
    if (code === 'EADDRINUSE' && 'port' in error)
      return fail(name, EXIT.unavailable, `port ${error.port} is taken; set PORT to another`)
    return fail(name, EXIT.unavailable, `${message}; it needs to listen on loopback addresses`)
  }
}

function fail(name: string, code: number, why: string): never {
  process.stderr.write(`${name}: ${why}\n`)
  process.exit(code)
}
