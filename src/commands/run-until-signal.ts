// Runs a command of `npm run` that goes on until Ctrl-C, and words why it could not start.

import { EXIT } from './cli/exit.ts'

/** Something that runs. */
export interface RunningCommand {
  /** Text for the one who started it. */
  readonly introduction: string
  /** From now on, one short line for each request that the service answers. */
  showRequests(): void
  close(): Promise<void>
}

/** Names of errors whose message says what is wrong with environment, config or options. */
const ABOUT_CONFIG = ['EnvironmentError', 'SetupError', 'UnusableSettingError']

/**
 * Starts something, prints its introduction, and ends it at a signal.
 *
 * @param name - of the command, for messages
 * @param load - imports what starts it: the sign-in is a development dependency, the one thing that a production
 * install lacks
 */
export async function runUntilSignal(
  name: string,
  load: () => Promise<() => Promise<RunningCommand>>,
): Promise<void> {
  const running = await startOrExit(name, await loadOrExit(name, load))
  process.stdout.write(running.introduction)
  running.showRequests()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void running.close().then(() => process.exit(0)))
  }
}

async function loadOrExit<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error
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
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof Error && ABOUT_CONFIG.includes(error.name))
      return fail(name, EXIT.config, message)
    if (error instanceof Error && error.name === 'StoreUnusableError')
      return fail(name, EXIT.ioError, `STORE_URL: ${message}`)
    if (codeOf(error) === undefined) return fail(name, EXIT.software, message)
    return fail(name, EXIT.unavailable, `${message}; it needs to listen on loopback addresses`)
  }
}

function fail(name: string, code: number, why: string): never {
  process.stderr.write(`${name}: ${why}\n`)
  process.exit(code)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
