// Hashes client secrets for the registry, and users for the log.
import { createHmac, hash } from 'node:crypto'
import type { Secret } from './secret.ts'

/**
 * Hex SHA-256 of a client secret. Client secrets are long and random, so nobody can find one by
 * guessing, and a slow password hash is not needed.
 */
export function hashSecret(secret: Secret): string {
  return hash('sha256', secret.reveal())
}

/**
 * Makes the function that hashes a user for the log: 16 hex digits. A user has the same hash in all
 * lines of one installation, and nobody without the key can find out who it is.
 *
 * @param key - random bytes, kept in the registry
 */
export function createUserHash(key: Uint8Array): (user: string) => string {
  return (user) => createHmac('sha256', key).update(user).digest('hex').slice(0, 16)
}
