// Signs admins in at the identity provider, as its relying party (OpenID Connect Core 1.0 §3.1, with PKCE).

import * as oidc from 'openid-client'
import type { Dispatcher } from 'undici'
import { clockProblem } from '../../authenticate/claims.ts'
import { discoverProvider, withNewKeys } from '../../authenticate/relying-party.ts'
import { readIdToken } from '../../authenticate/token-shape.ts'
import type { ConsoleSettings } from '../../config/settings.ts'
import type { Clock } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { Secret } from '../../lib/secret.ts'
import { reasonOf } from '../../lib/show.ts'

/** The values that the browser keeps while the admin is at the provider. */
interface SignInAttempt {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

interface Provider {
  readonly settings: ConsoleSettings
  readonly redirectUri: string
  /** The client's secret; undefined when its variable or file is gone. */
  readonly clientSecret: () => Secret | undefined
  readonly dispatcher: Dispatcher
  /** Seconds by which the provider's clock may differ from ours. */
  readonly clockTolerance: number
  readonly now: Clock
}

export type IdentityProvider = ReturnType<typeof createIdentityProvider>

/**
 * Milliseconds for which a discovery is kept, because endpoints seldom change; a failed one is not repeated sooner. When
 * the clock is set back by more, the provider is asked again.
 */
const KNOWN_FOR_MS = 3_600_000
const FAILED_FOR_MS = 2_000

/** Discovery happens at the first sign-in, so that the service starts even while the provider is down. */
export function createIdentityProvider({
  settings,
  redirectUri,
  clientSecret,
  dispatcher,
  clockTolerance,
  now,
}: Provider) {
  const authentication = authenticate(clientSecret)
  let known: { configuration: Promise<oidc.Configuration>; at: number; keptMs: number } | undefined

  function configuration(): Promise<oidc.Configuration> {
    if (known !== undefined && Math.abs(now() - known.at) < known.keptMs) return known.configuration
    const { issuer, clientId } = settings
    const party = { issuer, clientId, authentication, dispatcher }
    const entry = { configuration: discoverProvider(party), at: now(), keptMs: KNOWN_FOR_MS }
    entry.configuration.catch(() => Object.assign(entry, { at: now(), keptMs: FAILED_FOR_MS }))
    known = entry
    return entry.configuration
  }

  return {
    /**
     * @param again - whether the provider must ask for a new sign-in even if it has one
     * @throws `idp_unavailable`
     */
    async begin(again: boolean): Promise<SignInAttempt & { readonly url: URL }> {
      const attempt = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
      }
      const url = oidc.buildAuthorizationUrl(await configuration(), {
        redirect_uri: redirectUri,
        scope: 'openid profile',
        state: attempt.state,
        nonce: attempt.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(attempt.verifier),
        code_challenge_method: 'S256',
        ...(again && { prompt: 'login' }),
      })
      return { ...attempt, url }
    },
    /**
     * Exchanges the code for the claims of its ID token.
     *
     * @param callback - the address that the provider sent the browser to; its `state` was checked before
     * @throws `idp_unavailable`; `invalid_request` when the code or the ID token is not valid
     */
    async redeem(
      callback: URL,
      { state, nonce, verifier }: SignInAttempt,
    ): Promise<Readonly<Record<string, unknown>>> {
      const checks = {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      }
      const client = withNewKeys(await configuration(), authentication, clockTolerance)
      try {
        const tokens = await oidc.authorizationCodeGrant(client, callback, checks)
        const claims = tokens.claims()
        // The library checks the authorized party only when there are several audiences.
        const { clientId } = settings
        const isForUs = (claims?.azp ?? clientId) === clientId
        if (claims === undefined || claims.iss !== settings.issuer || !isForUs) {
          throw notGood('no ID token of this issuer for this client')
        }
        // The library takes the last of repeated keys, any end, and a time of issue ahead of our clock, whose sign-in no
        // logout would end.
        readIdToken(tokens.id_token ?? '')
        const { iat, exp, nbf } = claims
        const problem = clockProblem({ iat, exp, nbf }, clockTolerance, now() / 1000)
        if (problem !== undefined) throw problem
        return claims
      } catch (error) {
        const refusal = refusalOf(error)
        // Its endpoints may have moved.
        if (refusal.code === 'idp_unavailable') known = undefined
        throw refusal
      }
    },
  }
}

/** `client_secret_basic` unless the provider only takes `client_secret_post`. */
function authenticate(clientSecret: Provider['clientSecret']): oidc.ClientAuth {
  return (server, client, body, headers) => {
    const secret = clientSecret()?.reveal()
    if (secret === undefined) throw unavailable('client', new Error('its secret is gone'))
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const post = !methods.includes('client_secret_basic') && methods.includes('client_secret_post')
    const choose = post ? oidc.ClientSecretPost : oidc.ClientSecretBasic
    choose(secret)(server, client, body, headers)
  }
}

/** openid-client's codes for an answer that no token endpoint gives: a page of a proxy, or of nothing there. */
const NO_ANSWERS = new Set(['OAUTH_RESPONSE_IS_NOT_CONFORM', 'OAUTH_RESPONSE_IS_NOT_JSON'])

/** Tells a failure of the provider (unreachable, or it refuses our client) from one of this sign-in. */
function refusalOf(error: unknown): ServiceError {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!(cause instanceof ServiceError)) continue
    const isOfToken = cause.code === 'invalid_token' || cause.code === 'token_expired'
    return isOfToken ? notGood(cause.reason, cause) : cause
  }
  const fault = error instanceof oidc.ResponseBodyError ? error.error : undefined
  // A 401 of the token endpoint means that it refuses our credentials (RFC 6749 §5.2).
  if (error instanceof oidc.WWWAuthenticateChallengeError || fault === 'invalid_client') {
    const advice = 'compare client_id and client_secret_env of `console` with the provider'
    return unavailable(`token endpoint: the client is refused: ${advice}`, undefined)
  }
  if (fault !== undefined && fault !== 'invalid_grant') {
    return unavailable(`token endpoint: ${fault}`, undefined)
  }
  if (error instanceof oidc.ClientError && NO_ANSWERS.has(error.code ?? '')) {
    const status = error.cause instanceof Response ? ` (${error.cause.status})` : ''
    return unavailable(`token endpoint: ${error.message}${status}`, undefined)
  }
  return notGood(reasonOf(error), error)
}

function notGood(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_request', { reason: `console sign-in: ${reason}`, cause })
}

function unavailable(what: string, cause: unknown): ServiceError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new ServiceError('idp_unavailable', { reason: `console sign-in: ${what}${why}`, cause })
}
