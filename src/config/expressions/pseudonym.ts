// The function `pseudonym()` of expressions: a name for a user that does not reveal who it is.

import { createHmac } from 'node:crypto'

/** The function that expressions call as `pseudonym(a, b, …)`. */
export type Pseudonym = (...parts: string[]) => string

/** The most parts that `pseudonym()` takes. */
export const MAX_PSEUDONYM_PARTS = 8

/**
 * The pseudonym is `u_` and base64url(HMAC-SHA256(key, parts)). The parts are hashed as a JSON array, so
 * `("ab", "c")` and `("a", "bc")` differ.
 *
 * @param key - at least 32 bytes
 */
export function createPseudonym(key: Uint8Array): Pseudonym {
  return (...parts) =>
    `u_${createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url')}`
}
