import { CommanderError } from 'commander'
import { EnvironmentError } from '../../config/env.ts'
import { ConfigError } from '../../config/file/problems.ts'
import { SecretFileError } from '../../config/secret-file.ts'
import { type ErrorCode, ServiceError } from '../../lib/errors.ts'
import { CommandError, EXIT, type ExitCode } from './exit.ts'
import { exitCodeOf } from './exit-code.ts'
import type { Io } from './io.ts'
import { printable, remark } from './output.ts'

/**
 * Says on standard error what went wrong and what to do.
 *
 * @param error - what a command threw
 * @returns the exit code
 */
export function reportError(io: Io, error: unknown): ExitCode {
  // Commander has said it already: what is wrong, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
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

/** What an operator who asks the ChatKit API itself can do. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  upstream_auth_failed:
    'the ChatKit API does not accept the key; check OPENAI_API_KEY or --api-key, and its project.',
  workflow_unavailable:
    'the ChatKit API has no such workflow for this key; use a key of the project it lives in.',
  not_found: 'there is no such thing, or the key belongs to another project.',
  invalid_request: 'the ChatKit API refused the request; check ids and cursors.',
  upstream_rejected: 'the ChatKit API refused the request; check the values of the options.',
  upstream_rate_limited: 'the ChatKit API takes no more calls at the moment; try again later.',
  upstream_unavailable:
    'the ChatKit API cannot be reached or fails; check OPENAI_BASE_URL, or try again later.',
  upstream_timeout: 'the ChatKit API did not answer in time; try again later.',
  upstream_invalid_response:
    'the answer is not what the reference says; check OPENAI_BASE_URL or --base-url.',
}

function fromServiceError(error: ServiceError) {
  const { code, reason, detail } = error
  const advice = detail ?? ADVICE[code] ?? 'this did not work.'
  const lines = [advice, `code: ${code}`, `reason: ${printable(reason)}`]
  return { message: lines.join('\n'), exitCode: exitCodeOf(code) }
}
