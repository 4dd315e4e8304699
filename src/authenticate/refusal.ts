// Builds the error that refuses a token, and compares names that look alike. Its text never holds a secret.

import { ServiceError } from '../lib/errors.ts'

/**
 * The client learns only that the token is invalid. The reason goes to the log.
 *
 * @param reason - never the token, its subject or its signature
 */
export function invalidToken(reason: string): ServiceError {
  return new ServiceError('invalid_token', { reason })
}

/** Whether two texts differ by a slash at the end and by capital letters alone, which is hard to see. */
export function isNear(one: string, other: string): boolean {
  const bare = (text: string) => text.replace(/\/$/, '').toLowerCase()
  return bare(one) === bare(other)
}
