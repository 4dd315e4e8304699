import { createHmac, hash } from 'node:crypto'
import type { Secret } from './secret.ts'

/**
 * Hex SHA-256 of a client secret. Client secrets are long and random, so a plain hash cannot be
 * guessed back; there is no password to slow down for.
 *
 * @param secret - the client secret
 */
export function hashSecret(secret: Secret): string {
  return hash('sha256', secret.reveal())
}

/**
 * Makes the function that turns a user into what logs show: the same user reads alike in all lines
 * of one installation, and nobody without the key can tell who it is.
 *
 * @param key - random bytes, kept in the store
 */
export function createUserHash(key: Uint8Array): (user: string) => string {
  return (user) => createHmac('sha256', key).update(user).digest('hex').slice(0, 16)
}
