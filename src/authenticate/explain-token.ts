import type { IssuerSettings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { judgeClaims, principalOf } from './claims.ts'
import { chooseIssuer, type Issuers } from './issuers.ts'
import type { Principal } from './principal.ts'
import { readToken, type TokenHeader, type UnverifiedToken } from './token-shape.ts'
import { checkTokenType } from './token-type.ts'
import { checkAlgorithm, verifySignature } from './verify-signature.ts'

/** What could be found out about a token, up to the check that refuses it. */
export interface TokenExplanation {
  /** Undefined when the token is of no shape that can be read. */
  readonly header: TokenHeader | undefined
  /** The configured issuer that the token names. */
  readonly issuer: IssuerSettings | undefined
  /** `not_checked`: not reached, or no keys to check it with. */
  readonly signature: 'valid' | 'not_valid' | 'not_checked'
  /** What the service would answer; undefined when it would accept the token. */
  readonly refusal: ServiceError | undefined
  /** Whom it speaks of. There is one for an expired token, too, which the service refuses. */
  readonly principal: Principal | undefined
}

/** What {@link explainToken} needs. */
export interface ExplainOptions {
  readonly issuers: Issuers
  readonly now: Clock
  /** Fetches nothing: the signature is checked only where the keys are at hand. */
  readonly offline: boolean
}

/**
 * The checks of {@link Authenticator.authenticate}, one by one and in its order, for operators: it
 * tells where they end. Its answer authorises nothing.
 *
 * @param token - as it came
 * @param options - issuers with their keys, the clock
 */
export async function explainToken(
  token: string,
  options: ExplainOptions,
): Promise<TokenExplanation> {
  const told: { -readonly [K in keyof TokenExplanation]: TokenExplanation[K] } = {
    header: undefined,
    issuer: undefined,
    signature: 'not_checked',
    refusal: undefined,
    principal: undefined,
  }
  let unverified: UnverifiedToken | undefined
  try {
    unverified = readToken(token)
    told.header = unverified.header
    const { settings, keys } = chooseIssuer(options.issuers, unverified.claims)
    told.issuer = settings
    checkTokenType(unverified.header.typ, settings.tokenTypes)
    checkAlgorithm(unverified.header.alg, settings.algorithms)
    if (!options.offline || isLocal(settings)) {
      told.signature = 'not_valid'
      await verifySignature(unverified, keys, settings.algorithms)
      told.signature = 'valid'
    }
    told.principal = judgeClaims(unverified.claims, settings, options.now).principal
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    told.refusal = error
    if (error.code === 'idp_unavailable') told.signature = 'not_checked'
    // Expiry is the last check: all others have passed.
    if (error.code === 'token_expired' && unverified && told.issuer) {
      told.principal = principalOf(unverified.claims, told.issuer.issuer)
    }
  }
  return told
}

function isLocal({ keys }: IssuerSettings): boolean {
  return keys.kind === 'jwks' || keys.kind === 'secret'
}
