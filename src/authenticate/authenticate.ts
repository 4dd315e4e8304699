import { isInTime, judgeClaims } from './claims.ts'
import {
  chooseIssuer,
  createIssuers,
  type Issuer,
  type Issuers,
  type IssuersOptions,
} from './issuers.ts'
import type { KeyState } from './keys/issuer-keys.ts'
import { createVerifyLogoutToken, type VerifyLogoutToken } from './logout-token.ts'
import type { Principal } from './principal.ts'
import { invalidToken } from './refusal.ts'
import { readToken } from './token-shape.ts'
import { checkTokenType } from './token-type.ts'
import { createVerifiedTokens, type VerifiedToken } from './verified-tokens.ts'
import { verifySignature } from './verify-signature.ts'

/** From where a token came. */
export interface TokenSource {
  /** Name of the cookie; undefined for `Authorization: Bearer`. */
  readonly cookie?: string | undefined
}

/** Step 1 of a request: who asks. */
export interface Authenticator {
  /**
   * @param token - as it came
   * @param source - a token from a cookie counts only for issuers configured with that cookie
   * @throws ServiceError `invalid_token`, `token_expired`; `idp_unavailable` when the issuer's keys
   * are not known and cannot be had
   */
  authenticate(token: string, source?: TokenSource): Promise<Principal>
  /** See {@link createVerifyLogoutToken}. */
  readonly verifyLogoutToken: VerifyLogoutToken
  /**
   * Whether the keys of at least one issuer are usable. Keys that are missing or getting old are
   * fetched behind the answer, so that asking regularly keeps an idle service ready.
   */
  ready(): boolean
  /** Fetches missing keys of all issuers; settles when each has answered or failed. Never throws. */
  warm(): Promise<void>
  /** By issuer, for metrics. */
  keyStates(): ReadonlyMap<string, KeyState>
}

/**
 * @param options - settings and the ways to network, clock, log and secrets
 * @throws Error when an inline key set or a secret of the configuration cannot be used
 */
export function createAuthenticate(options: IssuersOptions): Authenticator {
  const issuers = createIssuers(options)
  const verified = createVerifiedTokens()
  const { now } = options
  const warm = async () => {
    await Promise.all(Array.from(issuers.values(), ({ keys }) => keys.warm()))
  }

  async function verify(token: string, source: TokenSource): Promise<VerifiedToken> {
    const unverified = readToken(token)
    const issuer = chooseIssuer(issuers, unverified.claims)
    const { settings, keys } = issuer
    checkSource(source, issuer)
    checkTokenType(unverified.header.typ, settings.tokenTypes)
    const keysVersion = await verifySignature(unverified, keys, settings.algorithms)
    return { issuer, keysVersion, ...judgeClaims(unverified.claims, settings, now) }
  }

  /** The signature need not be verified again while the same keys serve; all else is judged anew. */
  async function stillHolds(known: VerifiedToken, source: TokenSource): Promise<boolean> {
    const { issuer, keysVersion, times } = known
    checkSource(source, issuer)
    if ((await issuer.keys.version()) !== keysVersion) return false
    return isInTime(times, issuer.settings, now)
  }

  return {
    async authenticate(token, source = {}) {
      const known = verified.find(token)
      if (known !== undefined && (await stillHolds(known, source))) return known.principal
      verified.forget(token)
      const found = await verify(token, source)
      verified.remember(token, found)
      return found.principal
    },
    verifyLogoutToken: createVerifyLogoutToken({ issuers, now }),
    ready() {
      void warm()
      return [...keyStates(issuers).values()].some(({ usable }) => usable)
    },
    warm,
    keyStates: () => keyStates(issuers),
  }
}

function checkSource({ cookie }: TokenSource, { settings }: Issuer): void {
  if (cookie === undefined || cookie === settings.cookie) return
  throw invalidToken('the issuer does not take tokens from this cookie')
}

function keyStates(issuers: Issuers): ReadonlyMap<string, KeyState> {
  return new Map(Array.from(issuers, ([issuer, { keys }]) => [issuer, keys.state()]))
}
