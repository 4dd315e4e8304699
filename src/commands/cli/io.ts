// The streams, the environment, the clock and the files that commands use.

import { readFile } from 'node:fs/promises'
import { addAbortSignal, type Readable, type Writable } from 'node:stream'
import type { Variables } from '../../config/env.ts'
import type { Clock } from '../../lib/clock.ts'
import { systemCode } from '../../lib/errors.ts'
import { readBounded, TooLargeError } from '../../lib/read-bounded.ts'
import { CommandError, EXIT } from './exit.ts'

/** Standard output or standard error. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/**
 * Everything outside that a command uses. A command is a leaf of the tree in `program.ts`:
 *
 * ```ts
 * export function doctorCommand(io: Io): Command {
 *   return new Command('doctor')
 *     .description('…')
 *     .addOption(jsonOption())
 *     .action(async ({ json }: { json?: boolean }) => {
 *       if (json) await printJson(io, report)
 *       else await printTable(io, ['workflow', 'key'], rows)
 *       if (bad) throw failure('one workflow does not work')
 *     })
 * }
 * ```
 *
 * - Results go to standard output through `print`, `printJson`, `printTable` and `printFields` of `output.ts`,
 *   awaited: they wait for a slow reader, and make text from elsewhere harmless to a terminal. Remarks and
 *   progress go to standard error through `remark`.
 * - An action that returns means exit code 0. Anything else is thrown: `CommandError` of `exit.ts` with an exit
 *   code and what to do, a `ServiceError`, or an error of `EXIT_OF_ERROR` unchanged; `report-error.ts` prints them
 *   and knows their exit codes. An action never ends the process and prints no
 *   error by itself.
 * - Settings come from `readCliEnvironment(io.variables)` or `readEnvironment(io.variables)`.
 * - Long work hands `io.signal` on and lets its reason through when it aborts.
 */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
  /** Environment variables for the readers in `config/`; undefined means those of the process. */
  readonly variables: Variables | undefined
  readonly now: Clock
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
}

/**
 * Standard input to its end, as UTF-8, or until an interrupt.
 *
 * @param most - bytes
 * @param tooLong - the error for more
 */
export async function readInput(
  { stdin, signal }: Io,
  most = Number.POSITIVE_INFINITY,
  tooLong?: CommandError,
): Promise<string> {
  addAbortSignal(signal, stdin)
  try {
    return new TextDecoder().decode(await readBounded(stdin, most))
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof TooLargeError ? tooLong : error
  }
}

/** @throws {@link CommandError} when the file cannot be read */
export async function readTextFile(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error) => {
    throw unreadable(path, error)
  })
}

/** The error of a file that cannot be read. */
export function unreadable(path: string, error: unknown): CommandError {
  const code = systemCode(error) ?? 'unknown error'
  return new CommandError(EXIT.noInput, `cannot read ${path} (${code}).`)
}
