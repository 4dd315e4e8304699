// Finds the issuer that a token names, and verifies that this issuer signed it.

import type { CryptoKey } from 'jose'
import { compactVerify } from 'jose/jws/compact/verify'
import { isAudience } from '../chatkit/signing/client-secret.ts'
import type { ServiceError } from '../lib/errors.ts'
import { show, showAll } from '../lib/show.ts'
import type { Issuer, Issuers } from './issuers.ts'
import type { IssuerKeys } from './keys/issuer-keys.ts'
import { invalidToken, isNear } from './refusal.ts'
import type { SignedToken, TokenHeader } from './token-shape.ts'

/**
 * The issuer that a token names. Until the signature is verified, anyone could have written that name.
 *
 * @throws ServiceError `invalid_token` when `iss` is not exactly that of a configured issuer
 */
export function chooseIssuer(issuers: Issuers, claims: Readonly<Record<string, unknown>>): Issuer {
  const { iss, aud } = claims
  if (typeof iss !== 'string') throw invalidToken('iss is not a string')
  const issuer = issuers.get(iss)
  if (issuer === undefined) throw unknownIssuer(iss, aud, [...issuers.keys()])
  return issuer
}

/** A slash or a capital letter makes another issuer, and is hard to see. A page may send the client secret by mistake. */
function unknownIssuer(iss: string, aud: unknown, configured: readonly string[]): ServiceError {
  const near = configured.find((one) => isNear(one, iss))
  const advice = isAudience(aud) ? ': send the token of the user, not the client secret' : ''
  const expected =
    near === undefined
      ? `expected ${showAll(configured)}${advice}`
      : `the config has ${show(near)}: write there what the token has`
  return invalidToken(`issuer ${show(iss)} is not configured, ${expected}`)
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
  throw known.keys.length === 0 ? noKey(token.header, keys) : wrongSignature(token.header)
}

/** A secret is its UTF-8 bytes; many backends sign with what the text decodes to. */
function wrongSignature({ alg }: TokenHeader): ServiceError {
  const advice = ': `secret_env` counts as it stands, neither base64 nor quotes are undone'
  return invalidToken(`the signature is wrong${alg.startsWith('HS') ? advice : ''}`)
}

function noKey({ alg, kid }: TokenHeader, keys: IssuerKeys): ServiceError {
  const wanted = `alg ${show(alg)} and ${kid === undefined ? 'no kid' : `kid ${show(kid)}`}`
  const has = showAll(keys.names())
  return invalidToken(`no key of the issuer fits ${wanted}; its keys are ${has}`)
}

/**
 * The part of {@link verifySignature} that needs no key.
 *
 * @throws ServiceError `invalid_token`
 */
export function checkAlgorithm(alg: string, algorithms: readonly string[]): void {
  if (algorithms.includes(alg)) return
  throw invalidToken(
    `alg ${show(alg)} is not on the issuer's list, expected ${showAll(algorithms)}`,
  )
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
