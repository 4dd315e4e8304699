// Tells operators which check of step 1 refuses a token. Its answer authorises nothing.

import type { IssuerSettings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { judgeClaims, type Principal, readClaims } from './claims.ts'
import { type Issuers, keysFor } from './issuers.ts'
import { checkTokenType, readToken, type TokenHeader, type UnverifiedToken } from './token-shape.ts'
import { checkAlgorithm, chooseIssuer, verifySignature } from './verify-signature.ts'

/** The results of all checks up to the first that refuses the token. */
export interface TokenExplanation {
  /** Undefined when the token is malformed. */
  readonly header: TokenHeader | undefined
  /** The configured issuer that the token names. */
  readonly issuer: IssuerSettings | undefined
  /** `not_checked`: an earlier check refused the token, or there are no keys to check it with. */
  readonly signature: 'valid' | 'not_valid' | 'not_checked'
  /** The error that the service would answer with; undefined when it would accept the token. */
  readonly refusal: ServiceError | undefined
  /** The user whom the token describes, also when it has expired and the service refuses it. */
  readonly principal: Principal | undefined
}

/**
 * Runs the checks of {@link Authenticator.authenticate} in the same order, up to the first that refuses.
 * The one check it leaves out is where the token came from, header or cookie.
 *
 * @param options - `offline` fetches nothing: a signature is checked only with keys of the config
 */
export async function explainToken(
  token: string,
  options: { readonly issuers: Issuers; readonly now: Clock; readonly offline: boolean },
): Promise<TokenExplanation> {
  const found: { -readonly [K in keyof TokenExplanation]: TokenExplanation[K] } = {
    header: undefined,
    issuer: undefined,
    signature: 'not_checked',
    refusal: undefined,
    principal: undefined,
  }
  let unverified: UnverifiedToken | undefined
  try {
    unverified = readToken(token)
    found.header = unverified.header
    const issuer = chooseIssuer(options.issuers, unverified.claims)
    const { settings } = issuer
    found.issuer = settings
    checkTokenType(unverified.header.typ, settings.tokenTypes)
    checkAlgorithm(unverified.header.alg, settings.algorithms)
    const keys = keysFor(issuer, unverified.header.alg)
    if (!options.offline || keys.local) {
      found.signature = 'not_valid'
      await verifySignature(unverified, keys, settings.algorithms)
      found.signature = 'valid'
    }
    found.principal = judgeClaims(unverified.claims, settings, options.now).principal
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    found.refusal = error
    if (error.code === 'idp_unavailable') found.signature = 'not_checked'
    // Expiry is the last check: all others have passed.
    if (error.code === 'token_expired' && unverified && found.issuer) {
      found.principal = readClaims(unverified.claims, found.issuer.issuer).principal
    }
  }
  return found
}
