// Builds the error that refuses a token, and the text that says why. That text never holds a secret.
import type { z } from 'zod'
import { ServiceError } from '../lib/errors.ts'

/**
 * The client learns only that the token is invalid. The reason goes to the log.
 *
 * @param reason - never the token, its subject or its signature
 */
export function invalidToken(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_token', { reason, cause })
}

/** The first member that does not fit, and why. Zod's messages name types and bounds, never the value. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'unexpected shape'
  return issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`
}
