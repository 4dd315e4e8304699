import type { CryptoKey, JWK, LocalJWKSet } from 'jose'
import * as errors from 'jose/errors'
import { createLocalJWKSet } from 'jose/jwks/local'
import type { TokenHeader } from '../token-shape.ts'
import { usableKeys } from './acceptable-keys.ts'
import { type IssuerKeys, MAX_CANDIDATES } from './issuer-keys.ts'

/** Chooses the keys that may have signed a token. */
export type FindKeys = (header: TokenHeader) => Promise<readonly CryptoKey[]>

/**
 * Chooses among public keys by `alg` and `kid`. Each key is imported once, when it is first needed.
 *
 * @param keys - as `usableKeys` gives them
 */
export function createFindKeys(keys: readonly JWK[]): FindKeys {
  const resolve = createLocalJWKSet({ keys: [...keys] })
  return ({ alg, kid }) => matching(resolve, kid === undefined ? { alg } : { alg, kid })
}

async function matching(
  resolve: LocalJWKSet,
  header: { alg: string; kid?: string },
): Promise<CryptoKey[]> {
  try {
    return [await resolve(header)]
  } catch (error) {
    // A token without kid, and several keys of its kind.
    if (error instanceof errors.JWKSMultipleMatchingKeys) return firstOf(error)
    // No key fits, or one that cannot be imported for this algorithm: either way none verifies.
    return []
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

/**
 * The keys that stand in the config file.
 *
 * @param jwks - a JWK set
 * @throws ServiceError `idp_unavailable` when the set would be refused from the network, too
 */
export function createInlineKeys(jwks: unknown): IssuerKeys {
  return createFixedKeys(createFindKeys(usableKeys(jwks)))
}

/**
 * Keys that are always there and never fetched.
 *
 * @param find - chooses among them
 */
export function createFixedKeys(find: FindKeys): IssuerKeys {
  return {
    find: async (header) => ({ keys: await find(header), version: 0 }),
    version: async () => 0,
    renewedSince: async () => false,
    state: () => ({ usable: true, ageSeconds: undefined }),
    warm: async () => {},
  }
}
