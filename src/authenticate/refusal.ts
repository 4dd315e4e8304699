import type { z } from 'zod'
import { ServiceError } from '../lib/errors.ts'

/**
 * The refusal of a token: one dull code for the client, the precise reason for the log.
 *
 * @param reason - never the token, its subject or its signature
 * @param cause - the error underneath
 */
export function invalidToken(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_token', { reason, cause })
}

/**
 * A piece of text that the other side chose, made fit for a reason: at most 64 characters of
 * printable ASCII, in quotes.
 *
 * @param text - a header parameter or an `iss`; never a subject or a signature
 */
export function show(text: string): string {
  const start = text.slice(0, 64).replace(/[^\x20-\x7e]/g, '?')
  return text.length > 64 ? `"${start}…"` : `"${start}"`
}

/**
 * The first thing that a schema found wrong: which member, and what is wrong with its kind. Zod's
 * messages name types and bounds, never the value.
 *
 * @param error - of a failed parse
 */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'unexpected shape'
  return issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`
}
