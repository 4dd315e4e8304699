// Prints the error of a command on standard error, and gives the exit code.

import { EnvironmentError } from '../../config/env.ts'
import { ConfigError } from '../../config/file/problems.ts'
import { SecretFileError } from '../../config/secret-file.ts'
import { ServiceError } from '../../lib/errors.ts'
import { printable } from '../../lib/printable.ts'
import { reasonOf } from '../../lib/show.ts'
import { textOfCode } from '../../respond/codes.ts'
import { CommandError, EXIT, type ExitCode, exitCodeOf } from './exit.ts'
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
  if (
    error instanceof EnvironmentError ||
    error instanceof SecretFileError ||
    error instanceof ConfigError
  ) {
    return { message: error.message, exitCode: EXIT.config }
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { message: `unexpected failure: ${printable(message)}`, exitCode: EXIT.failed }
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
