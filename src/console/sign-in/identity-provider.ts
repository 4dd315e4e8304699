import * as oidc from 'openid-client'
import type { ConsoleSettings } from '../../config/settings.ts'
import type { Clock } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { isSecureUrl } from '../../lib/loopback.ts'
import type { Secret } from '../../lib/secret.ts'
import { createProviderFetch } from './provider-fetch.ts'

/** What has to be remembered between the way to the identity provider and the way back. */
export interface SignInAttempt {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

/** The identity provider, as a relying party sees it (OpenID Connect Core 1.0 §3.1, with PKCE). */
export interface IdentityProvider {
  /**
   * @param again - whether it shall ask for a sign-in although one stands
   * @throws `idp_unavailable`
   */
  begin(again: boolean): Promise<SignInAttempt & { readonly url: URL }>
  /**
   * The claims of the ID token that the code is good for.
   *
   * @param callback - where the provider sent the browser, with its query; `state` already checked
   * @param attempt - from {@link IdentityProvider.begin}
   * @throws `idp_unavailable`; `invalid_request` when code or ID token is not good
   */
  redeem(callback: URL, attempt: SignInAttempt): Promise<Readonly<Record<string, unknown>>>
}

/** What {@link createIdentityProvider} needs. */
export interface IdentityProviderOptions {
  readonly settings: ConsoleSettings
  readonly redirectUri: string
  /** The client's secret; undefined when it is gone. */
  readonly clientSecret: () => Secret | undefined
  readonly now: Clock
}

/** A provider's endpoints seldom move; a failure is not repeated for every click. */
const KNOWN_FOR_MS = 3_600_000
const FAILED_FOR_MS = 2_000

/**
 * Discovery happens at the first sign-in, not at start: a provider that is down must not keep the
 * service down.
 *
 * @param options - issuer, client, time
 */
export function createIdentityProvider(options: IdentityProviderOptions): IdentityProvider {
  const { settings, redirectUri, now } = options
  let known: { configuration: Promise<oidc.Configuration>; until: number } | undefined

  function configuration(): Promise<oidc.Configuration> {
    if (known !== undefined && now() < known.until) return known.configuration
    const entry = { configuration: discover(options), until: now() + KNOWN_FOR_MS }
    entry.configuration.catch(() => {
      entry.until = now() + FAILED_FOR_MS
    })
    known = entry
    return entry.configuration
  }

  return {
    async begin(again) {
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
    async redeem(callback, { state, nonce, verifier }) {
      const checks = {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      }
      const client = await configuration()
      try {
        const tokens = await oidc.authorizationCodeGrant(client, callback, checks)
        const claims = tokens.claims()
        // The library asks for the authorized party only where there are several audiences.
        const { clientId } = settings
        const isForUs = (claims?.azp ?? clientId) === clientId
        if (claims?.iss === settings.issuer && isForUs) return claims
      } catch (error) {
        throw refusalOf(error)
      }
      throw notGood('no ID token of this issuer for this client')
    },
  }
}

async function discover(options: IdentityProviderOptions): Promise<oidc.Configuration> {
  const { issuer, clientId } = options.settings
  const url = new URL(issuer)
  // Signatures are checked too, although the token comes straight from the provider: keys are cheap.
  const execute = [oidc.enableNonRepudiationChecks]
  if (url.protocol === 'http:') execute.push(oidc.allowInsecureRequests)
  try {
    const configuration = await oidc.discovery(url, clientId, undefined, authenticate(options), {
      execute,
      timeout: 5,
      [oidc.customFetch]: createProviderFetch(url),
    })
    const found = configuration.serverMetadata()
    // OpenID Connect Discovery 1.0 §4.3: byte for byte.
    if (found.issuer !== issuer) throw new Error('the discovery document is of another issuer')
    if (!isSecureUrl(new URL(found.authorization_endpoint ?? ''))) {
      throw new Error('authorization_endpoint is not https')
    }
    return configuration
  } catch (cause) {
    throw unavailable('discovery', cause)
  }
}

/** `client_secret_basic` unless the provider only takes `client_secret_post`. */
function authenticate({ clientSecret }: IdentityProviderOptions): oidc.ClientAuth {
  return (server, client, body, headers) => {
    const secret = clientSecret()?.reveal()
    if (secret === undefined) throw unavailable('client', new Error('its secret is gone'))
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const post = !methods.includes('client_secret_basic') && methods.includes('client_secret_post')
    const choose = post ? oidc.ClientSecretPost : oidc.ClientSecretBasic
    choose(secret)(server, client, body, headers)
  }
}

/** Who is to blame: the provider (unreachable, or it refuses our client), or this one sign-in. */
function refusalOf(error: unknown): ServiceError {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ServiceError) return cause
  }
  // 401 of the token endpoint: it is our credentials that it refuses (RFC 6749 §5.2).
  if (error instanceof oidc.WWWAuthenticateChallengeError) {
    return unavailable('token endpoint: the client is refused', undefined)
  }
  if (error instanceof oidc.ResponseBodyError && error.error !== 'invalid_grant') {
    return unavailable(`token endpoint: ${error.error}`, undefined)
  }
  return notGood(error instanceof Error ? error.message : 'unknown', error)
}

function notGood(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_request', { reason: `console sign-in: ${reason}`, cause })
}

function unavailable(what: string, cause: unknown): ServiceError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new ServiceError('idp_unavailable', { reason: `console sign-in: ${what}${why}`, cause })
}
