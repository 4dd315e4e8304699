// Chooses the public keys that fit a token, and serves keys that never change. No network.

import type { CryptoKey, JWK } from 'jose'
import * as errors from 'jose/errors'
import { createLocalJWKSet } from 'jose/jwks/local'
import type { TokenHeader } from '../token-shape.ts'
import { type IssuerKeys, MAX_CANDIDATES } from './issuer-keys.ts'

/** Chooses the keys that may have signed a token. */
export type FindKeys = (header: TokenHeader) => Promise<readonly CryptoKey[]>

/** Chooses among public keys by `alg` and `kid`. Each key is imported once, when it is first needed. */
export function createFindKeys(keys: readonly JWK[]): FindKeys {
  const resolve = createLocalJWKSet({ keys: [...keys] })
  const found = new WeakMap<TokenHeader, readonly CryptoKey[]>()
  async function find({ alg, kid }: TokenHeader): Promise<readonly CryptoKey[]> {
    try {
      return [await resolve(kid === undefined ? { alg } : { alg, kid })]
    } catch (error) {
      // Several keys fit the token's algorithm: it has no kid, or they have one kid together.
      if (error instanceof errors.JWKSMultipleMatchingKeys) return firstOf(error)
      // No key fits, or the key that fits cannot be imported for this algorithm.
      return []
    }
  }
  return async (header) => {
    const fitting = found.get(header) ?? (await find(header))
    found.set(header, fitting)
    return fitting
  }
}

async function firstOf(keys: AsyncIterable<CryptoKey>): Promise<CryptoKey[]> {
  const first: CryptoKey[] = []
  for await (const key of keys) {
    first.push(key)
    if (first.length === MAX_CANDIDATES) break
  }
  return first
}

/** Each key by its `kid`, and by the one algorithm that it is for or else its kind. */
export function namesOf(keys: readonly JWK[]): readonly string[] {
  return keys.map(({ kid = 'no kid', alg, kty }) => `${kid} (${alg ?? kty})`)
}

/** Keys that are known from the start and never fetched. */
export function createFixedKeys(find: FindKeys, names: readonly string[] = []): IssuerKeys {
  return {
    local: true,
    find: async (header) => ({ keys: await find(header), version: 0 }),
    version: async () => 0,
    renewedSince: async () => false,
    state: () => ({ usable: true, ageSeconds: undefined }),
    names: () => names,
    warm: async () => {},
  }
}
