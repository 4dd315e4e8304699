import { hash } from 'node:crypto'
import type { Times } from './claims.ts'
import type { Issuer } from './issuers.ts'
import type { Principal } from './principal.ts'

/** What was found out about a token, for its next use. */
export interface VerifiedToken {
  readonly issuer: Issuer
  /** The state of the issuer's keys that verified it; see `IssuerKeys.version`. */
  readonly keysVersion: number
  /** To be judged again at each use: what was in time once need not be now. */
  readonly times: Times
  /** Frozen, because every request with the token gets the same one. */
  readonly principal: Principal
}

/** Remembers verified tokens. Only whoever has the exact token finds what is remembered of it. */
export interface VerifiedTokens {
  /** @param token - as it came, shaped well or not */
  find(token: string): VerifiedToken | undefined
  /** @param token - past the shape gate, its signature and claims verified */
  remember(token: string, verified: VerifiedToken): void
  /** @param token - not to be found any more */
  forget(token: string): void
}

/** A request sends its token with every call: what it cost to verify is paid once. */
const GENERATION_CHARACTERS = 4 * 1024 * 1024

/**
 * A memory of two generations: the young one becomes the old one when its tokens have so many
 * characters together, and the old one goes; what is used stays. Kept under a SHA-256, so that no dump
 * of the memory holds a token of somebody who left long ago.
 *
 * @param capacity - characters of the tokens of one generation
 */
export function createVerifiedTokens(capacity = GENERATION_CHARACTERS): VerifiedTokens {
  let young = new Map<string, VerifiedToken>()
  let old = new Map<string, VerifiedToken>()
  let characters = 0

  function add(digest: string, token: string, verified: VerifiedToken): void {
    if (characters + token.length > capacity) {
      old = young
      young = new Map()
      characters = 0
    }
    young.set(digest, verified)
    characters += token.length
  }

  return {
    find(token) {
      const digest = digestOf(token)
      const known = young.get(digest)
      if (known !== undefined) return known
      const older = old.get(digest)
      if (older === undefined) return undefined
      old.delete(digest)
      add(digest, token, older)
      return older
    },
    remember(token, verified) {
      add(digestOf(token), token, { ...verified, principal: frozen(verified.principal) })
    },
    forget(token) {
      const digest = digestOf(token)
      young.delete(digest)
      old.delete(digest)
    },
  }
}

function digestOf(token: string): string {
  return hash('sha256', token, 'base64url')
}

/** With all that is in it; the shape gate bounds how deep that is. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const member of Object.values(value)) frozen(member)
  return Object.freeze(value)
}
