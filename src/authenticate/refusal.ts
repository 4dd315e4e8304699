// Builds the error that refuses a token. Its text never holds a secret.
import { ServiceError } from '../lib/errors.ts'

/**
 * The client learns only that the token is invalid. The reason goes to the log.
 *
 * @param reason - never the token, its subject or its signature
 */
export function invalidToken(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_token', { reason, cause })
}
