// Finds the issuer that a token names, and verifies that this issuer signed it.
import type { CryptoKey } from 'jose'
import { compactVerify } from 'jose/jws/compact/verify'
import type { Issuer, Issuers } from './issuers.ts'
import type { IssuerKeys } from './keys/issuer-keys.ts'
import { invalidToken, show } from './refusal.ts'
import type { SignedToken } from './token-shape.ts'

/**
 * The issuer that a token names. Until the signature is verified, anyone could have written that name.
 *
 * @throws ServiceError `invalid_token` when `iss` is not exactly that of a configured issuer
 */
export function chooseIssuer(issuers: Issuers, claims: Readonly<Record<string, unknown>>): Issuer {
  const { iss } = claims
  if (typeof iss !== 'string') throw invalidToken('iss is not a string')
  const issuer = issuers.get(iss)
  if (issuer === undefined) throw invalidToken(`issuer ${show(iss)} is not configured`)
  return issuer
}

/**
 * Verifies the signature of a token with the keys of its issuer. Does not look at the claims.
 *
 * An issuer may replace a key under the same `kid`, or use no `kid`. Then only a failing signature shows
 * the change. So a failure also asks for newer keys, as often as {@link IssuerKeys} allows.
 *
 * @param algorithms - the `alg` values that the issuer may use
 * @returns the version of the keys that verified it
 * @throws ServiceError `invalid_token`; `idp_unavailable` when no keys are known
 */
export async function verifySignature(
  token: SignedToken,
  keys: IssuerKeys,
  algorithms: readonly string[],
): Promise<number> {
  checkAlgorithm(token.header.alg, algorithms)
  const known = await keys.find(token.header)
  if (await isSignedByAny(token, known.keys)) return known.version
  if (await keys.renewedSince(known.version)) {
    const newer = await keys.find(token.header)
    if (await isSignedByAny(token, newer.keys)) return newer.version
  }
  const none = known.keys.length === 0
  throw invalidToken(none ? 'no key of the issuer fits alg and kid' : 'the signature is wrong')
}

/**
 * The part of {@link verifySignature} that needs no key.
 *
 * @throws ServiceError `invalid_token`
 */
export function checkAlgorithm(alg: string, algorithms: readonly string[]): void {
  if (!algorithms.includes(alg)) throw invalidToken(`alg ${show(alg)} is not on the issuer's list`)
}

async function isSignedByAny(
  { raw, header }: SignedToken,
  keys: readonly CryptoKey[],
): Promise<boolean> {
  for (const key of keys) {
    try {
      await compactVerify(raw, key, { algorithms: [header.alg] })
      return true
    } catch {
      // The signature is wrong, or the key does not fit the algorithm: this key did not sign the token.
    }
  }
  return false
}
