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

/**
 * Makes untrusted text safe to show in a reason: at most 64 characters of printable ASCII, in quotes.
 *
 * @param text - a header parameter or an `iss`; never a subject or a signature
 */
export function show(text: string): string {
  const start = text.slice(0, 64).replace(/[^\x20-\x7e]/g, '?')
  return text.length > 64 ? `"${start}…"` : `"${start}"`
}

/** The first member that does not fit, and why. Zod's messages name types and bounds, never the value. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'unexpected shape'
  return issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`
}
