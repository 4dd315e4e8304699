// Remembers verified tokens: clients send the same token with every call, and its signature is verified once.
import { hash } from 'node:crypto'
import type { ReadClaims } from './claims.ts'
import type { Issuer } from './issuers.ts'

/** Everything that need not be found out again when the token is used again. Its times are judged anew. */
export interface VerifiedToken extends ReadClaims {
  readonly issuer: Issuer
  /** Version of the issuer's keys that verified it; see `IssuerKeys.version`. */
  readonly keysVersion: number
  /** Length of the token. */
  readonly characters: number
}

/**
 * The key under which a token is remembered: its SHA-256, so that no dump of the memory holds the
 * token of somebody who left long ago.
 *
 * @param token - as it came, even if it is malformed
 */
export function digestOf(token: string): string {
  return hash('sha256', token, 'base64url')
}

/**
 * A memory of two generations. A full young generation becomes the old one, and the old one is
 * dropped; a token that is used moves to the young one, so tokens in use stay.
 *
 * @param capacity - characters that the tokens of one generation may have in sum
 */
export function createVerifiedTokens(capacity = 4 * 1024 * 1024) {
  let young = new Map<string, VerifiedToken>()
  let old = new Map<string, VerifiedToken>()
  let characters = 0

  function add(digest: string, verified: VerifiedToken): void {
    if (characters + verified.characters > capacity) {
      old = young
      young = new Map()
      characters = 0
    }
    young.set(digest, verified)
    characters += verified.characters
  }

  return {
    find(digest: string): VerifiedToken | undefined {
      const known = young.get(digest)
      if (known !== undefined) return known
      const older = old.get(digest)
      if (older === undefined) return undefined
      old.delete(digest)
      add(digest, older)
      return older
    },
    /** Freezes the principal, because every request with the token gets the same object. */
    remember(digest: string, verified: VerifiedToken): void {
      freeze(verified.principal)
      add(digest, verified)
    },
    forget(digest: string): void {
      young.delete(digest)
      old.delete(digest)
    },
  }
}

/** Freezes a value with everything in it. The recursion ends: `readToken` limits the depth of claims. */
function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  for (const member of Object.values(value)) freeze(member)
  Object.freeze(value)
}
