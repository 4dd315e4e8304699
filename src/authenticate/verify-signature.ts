import type { CryptoKey } from 'jose'
import { compactVerify } from 'jose/jws/compact/verify'
import type { IssuerKeys } from './keys/issuer-keys.ts'
import { invalidToken, show } from './refusal.ts'
import type { SignedToken } from './token-shape.ts'

/**
 * Verifies the signature of a token by the keys of the issuer it names; its claims are judged
 * afterwards, and elsewhere.
 *
 * A key exchanged under the same `kid`, or without any, shows only as a signature that fails. Hence
 * newer keys are asked for after a failure, too, within the limits of {@link IssuerKeys}.
 *
 * @param token - past the shape gate
 * @param keys - the issuer's
 * @param algorithms - `alg` values that are accepted; the token only chooses among them
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
  if (await anyVerifies(token, known.keys)) return known.version
  if (await keys.renewedSince(known.version)) {
    const newer = await keys.find(token.header)
    if (await anyVerifies(token, newer.keys)) return newer.version
  }
  const none = known.keys.length === 0
  throw invalidToken(none ? 'no key of the issuer fits alg and kid' : 'the signature is wrong')
}

/**
 * The part of {@link verifySignature} that needs no key.
 *
 * @param alg - header parameter
 * @param algorithms - `alg` values that are accepted
 * @throws ServiceError `invalid_token`
 */
export function checkAlgorithm(alg: string, algorithms: readonly string[]): void {
  if (!algorithms.includes(alg)) throw invalidToken(`alg ${show(alg)} is not on the issuer's list`)
}

async function anyVerifies(token: SignedToken, keys: readonly CryptoKey[]): Promise<boolean> {
  for (const key of keys) {
    if (await verifies(token, key)) return true
  }
  return false
}

async function verifies({ raw, header }: SignedToken, key: CryptoKey): Promise<boolean> {
  try {
    await compactVerify(raw, key, { algorithms: [header.alg] })
    return true
  } catch {
    // A wrong signature, or a key that is not of the algorithm: both mean that this key did not sign.
    return false
  }
}
