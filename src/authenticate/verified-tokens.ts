// Remembers verified tokens, so that a token sent with many requests has its signature verified once.

import type { IssuerSettings } from '../config/settings.ts'
import type { ReadClaims } from './claims.ts'
import type { IssuerKeys } from './keys/issuer-keys.ts'

/** The results that later requests with the same token reuse. The times are checked again each time. */
export interface VerifiedToken extends ReadClaims {
  /** The token's issuer's. */
  readonly settings: IssuerSettings
  /** The keys that verified it. */
  readonly keys: IssuerKeys
  /** Version of these keys; see `IssuerKeys.version`. */
  readonly keysVersion: number
  /** Length of the token. */
  readonly characters: number
}

/**
 * A cache with two generations. When the young generation is full, it becomes the old one, and the
 * former old one is dropped. A token that is used again moves to the young one, so tokens in use stay.
 *
 * @param capacity - most characters of all tokens of one generation together
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
    /** Forgets a token that `find` has just found, which moved it to the young generation. */
    forget(digest: string): void {
      young.delete(digest)
    },
  }
}

/** Freezes a value with everything in it. The recursion is bounded: `readToken` limits the depth of claims. */
function freeze(value: object): void {
  // Text, numbers and null count as frozen.
  if (Object.isFrozen(value)) return
  for (const member of Object.values(value)) freeze(member)
  Object.freeze(value)
}
