// Words an error in full, for operators.

import { ServiceError } from '../../lib/errors.ts'
import { scrub } from '../../lib/log.ts'

/**
 * An error in full, for operators: its reason, and those of the errors underneath; what looks like a
 * credential is blotted out.
 *
 * @param error - what was thrown
 */
export function reasonOf(error: unknown): string {
  return scrub(inFull(error))
}

function inFull(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  // Below its first line the CEL library draws the expression.
  const message = error.message.split('\n', 1)[0] ?? ''
  const own =
    error instanceof ServiceError ? error.reason : message || (codeIn(error) ?? error.name)
  if (error.cause === undefined) return own
  const under = inFull(error.cause)
  return own.includes(under) ? own : `${own}: ${under}`
}

/**
 * The system's code of a failure (`ECONNREFUSED`, `ENOTFOUND`), of the error or of one underneath.
 *
 * @param error - what was thrown
 */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = error instanceof ServiceError ? undefined : codeIn(error)
  return code ?? systemCode(error.cause)
}

function codeIn(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
