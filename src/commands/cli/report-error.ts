// Prints the error of a command on standard error, and gives the exit code.

import { ServiceError } from '../../lib/errors.ts'
import { printable } from '../../lib/printable.ts'
import { scrub } from '../../lib/secret.ts'
import { reasonOf } from '../../lib/show.ts'
import { textOfCode } from '../../respond/codes.ts'
import { CommandError, EXIT, EXIT_OF_ERROR, type ExitCode, exitCodeOf } from './exit.ts'
import type { Io } from './io.ts'
import { remark } from './output.ts'

/**
 * Prints what went wrong and what to do.
 *
 * @returns the exit code
 */
export function reportError(io: Io, error: unknown): ExitCode {
  const { message, exitCode } = asCommandError(error)
  if (message !== '') remark(io, `chatkit-mint: ${message}`)
  return exitCode
}

function asCommandError(error: unknown): Pick<CommandError, 'message' | 'exitCode'> {
  if (error instanceof CommandError) return error
  if (error instanceof ServiceError) return fromServiceError(error)
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  const exitCode = EXIT_OF_ERROR[name]
  if (exitCode !== undefined) return { message: scrub(message), exitCode }
  const unexpected = `unexpected failure: ${printable(`${name}: ${message}`)}`
  return { message: unexpected, exitCode: EXIT.failed }
}

/** At `--base-url` another chatkit-mint may answer, whose codes tell more than the status, as `user_blocked` does. */
function fromServiceError(error: ServiceError) {
  const { code, detail, refused } = error
  const told = textOfCode(refused?.code ?? '')?.direct
  const shown = told === undefined ? code : (refused?.code ?? code)
  const advice = told ?? detail ?? textOfCode(code)?.direct ?? 'this did not work.'
  const lines = [advice, `code: ${shown}`, `reason: ${printable(reasonOf(error))}`]
  return { message: lines.join('\n'), exitCode: exitCodeOf(shown) }
}
