// Step 1 of a request: finds out who sent a token, and refuses a token that cannot be trusted.

import { hash } from 'node:crypto'
import type { IssuerSettings } from '../config/settings.ts'
import { namesNoAudience } from './audience.ts'
import { judgeClaims, type Principal, timesProblem } from './claims.ts'
import { createIssuers, type IssuersOptions, keysFor } from './issuers.ts'
import { type LogoutCommand, verifyLogoutToken } from './logout-token.ts'
import { invalidToken } from './refusal.ts'
import { checkTokenType, readToken } from './token-shape.ts'
import { createVerifiedTokens, type VerifiedToken } from './verified-tokens.ts'
import { chooseIssuer, verifySignature } from './verify-signature.ts'

/** The functions that {@link createAuthenticator} makes. */
export type Authenticator = ReturnType<typeof createAuthenticator>

/** The part of the request that held the token: cookie, header, or neither for `Authorization: Bearer`. */
export interface TokenSource {
  /** Name of the cookie. */
  readonly cookie?: string
  /** Name of the token header, lower case. */
  readonly header?: string
}

/** @throws UnusableSettingError when an inline key set or a secret of the configuration cannot be used */
export function createAuthenticator({
  issuers: settings,
  now,
  log,
  dispatcher,
  secrets,
}: IssuersOptions) {
  const issuers = createIssuers({ issuers: settings, now, log, dispatcher, secrets })
  const verified = createVerifiedTokens()

  async function verify(token: string, source: TokenSource): Promise<VerifiedToken> {
    const unverified = readToken(token)
    const issuer = chooseIssuer(issuers, unverified.claims)
    const { settings } = issuer
    const keys = keysFor(issuer, unverified.header.alg)
    checkSource(source, settings, unverified.claims)
    checkTokenType(unverified.header.typ, settings.tokenTypes)
    const keysVersion = await verifySignature(unverified, keys, settings.algorithms)
    const { principal, times } = judgeClaims(unverified.claims, settings, now)
    return { settings, keys, keysVersion, characters: token.length, principal, times }
  }

  async function warm(): Promise<void> {
    await Promise.all(Array.from(issuers.values(), ({ keys }) => keys.warm()))
  }

  return {
    /**
     * @param token - the text of the token, unchanged
     * @param source - a token from a cookie or header counts only for issuers configured with it
     * @returns the same frozen object for the same token, while it is remembered
     * @throws ServiceError `invalid_token`, `token_expired`; `idp_unavailable` when the issuer's keys
     * are not known and cannot be fetched
     */
    async authenticate(token: string, source: TokenSource): Promise<Principal> {
      // The token itself is not kept, so that a memory dump does not show it.
      const digest = hash('sha256', token, 'base64url')
      const known = verified.find(digest)
      if (known !== undefined) {
        // A signature stays valid while the key set stays the same. Source and times are checked again, because
        // they can change between two requests with the same token.
        const { settings, keys, keysVersion, principal, times } = known
        checkSource(source, settings, principal.claims)
        const isCurrent = (await keys.version()) === keysVersion
        if (isCurrent && timesProblem(times, settings, now) === undefined) return principal
        verified.forget(digest)
      }
      const found = await verify(token, source)
      verified.remember(digest, found)
      return found.principal
    },
    /** See {@link verifyLogoutToken}. */
    verifyLogoutToken: (token: string): Promise<LogoutCommand> =>
      verifyLogoutToken(token, issuers, now),
    /**
     * Whether the keys of at least one issuer are usable. Fetches missing and ageing keys in the
     * background, so that regular readiness probes keep an idle service ready.
     */
    ready(): boolean {
      void warm()
      return Array.from(issuers.values()).some(
        ({ keys, secretKeys }) => secretKeys !== undefined || keys.state().usable,
      )
    },
    /** Fetches missing and ageing keys of all issuers. Settles when each fetch has ended; never throws. */
    warm,
    /**
     * Seconds since the keys of each issuer were fetched; undefined for keys that never were. Fetches missing and
     * ageing keys in the background: without it, the age would also grow while nobody signs in.
     */
    keyAges(): ReadonlyMap<string, number | undefined> {
      void warm()
      return new Map(Array.from(issuers, ([issuer, { keys }]) => [issuer, keys.state().ageSeconds]))
    },
  }
}

/**
 * A browser sends a cookie by itself, and a proxy may put it into a header. So such a token must name the app that it
 * was made for, unless its issuer never names one.
 */
function checkSource(
  { cookie, header }: TokenSource,
  settings: IssuerSettings,
  claims: Principal['claims'],
): void {
  if (cookie === undefined && header === undefined) return
  if (cookie !== undefined && cookie !== settings.cookie) {
    throw invalidToken('the issuer does not take tokens from this cookie')
  }
  if (header !== undefined && header !== settings.tokenHeader) {
    throw invalidToken(`the issuer does not take tokens from ${header}`)
  }
  if (settings.audienceWhenAbsent === 'accept' && namesNoAudience(claims)) {
    throw invalidToken(
      'claims: no audience, which audience_when_absent never accepts from a cookie or token_header',
    )
  }
}
