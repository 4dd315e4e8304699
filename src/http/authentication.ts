import type { Authenticator } from '../authenticate/authenticate.ts'
import { readCredential } from '../authenticate/credentials.ts'
import type { Principal } from '../authenticate/principal.ts'
import type { RateLimit, Settings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Registry } from '../registry/port.ts'
import { addressKey, createClientAddress } from './client-address.ts'
import type { AppContext } from './context.ts'
import { allowedOrigin, type Origins } from './origins.ts'
import { setRateLimitHeaders } from './rate-limit-headers.ts'
import { countAuthorization } from './raw-headers.ts'

/** What {@link createAuthentication} needs. */
export interface AuthenticationOptions {
  readonly authenticator: Authenticator
  readonly registry: Pick<Registry, 'consume'>
  readonly origins: Origins
  readonly settings: Settings
  readonly now: Clock
}

/** Step 1 over HTTP: the token of a request, verified. */
export type Authentication = (
  c: AppContext,
  options: { readonly cookiesAllowed: boolean },
) => Promise<Principal>

/**
 * Finds and verifies the token, and counts failures per address. Only failures are counted and only
 * they are refused: a good token from a shared address must work beside someone else's bad ones.
 *
 * @param options - step 1, the counters, the config
 * @returns a function that throws `missing_token`, `invalid_token`, `token_expired`,
 * `idp_unavailable`, `invalid_request`; `rate_limited` instead of a 401 over the limit
 */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { authenticator, origins, settings } = options
  const cookieNames = new Set(settings.issuers.flatMap(({ cookie }) => cookie ?? []))
  const clientAddress = createClientAddress(settings)
  return async (c, { cookiesAllowed }) => {
    const source = { ...credentialSource(c, origins), cookiesAllowed }
    const credential = readCredential(source, cookieNames)
    try {
      return await authenticator.authenticate(credential.token, credential)
    } catch (error) {
      if (!isFailure(error)) throw error
      throw await counted(c, error, { ...options, address: addressKey(clientAddress(c)) })
    }
  }
}

/** Whether the token is to blame: an identity provider that is down is no sign of an attack. */
function isFailure(error: unknown): error is ServiceError {
  if (!(error instanceof ServiceError)) return false
  return error.code === 'invalid_token' || error.code === 'token_expired'
}

/** Counts a failure: the error itself within the limit, `rate_limited` beyond it. */
async function counted(
  c: AppContext,
  error: ServiceError,
  { registry, settings, now, address }: AuthenticationOptions & { readonly address: string },
): Promise<ServiceError> {
  const limit: RateLimit = settings.limits.failedAuthPerIp
  try {
    const state = await registry.consume(`failed-auth:${address}`, { ...limit, nowMs: now() })
    setRateLimitHeaders(c, 'failed-auth', { ...limit, ...state })
    if (state.allowed) return error
    return new ServiceError('rate_limited', {
      reason: `failed authentications of one address; the last: ${error.reason}`,
      detail: 'Too many failed sign-ins from this address. Wait for the seconds in Retry-After.',
      retryAfterSeconds: state.resetMs / 1000,
    })
  } catch {
    // Without its counter a bad token is still a bad token.
    return error
  }
}

function credentialSource(c: AppContext, origins: Origins) {
  const authorization = c.req.header('Authorization')
  return {
    authorization,
    authorizationCount: countAuthorization(c),
    cookieHeader: c.req.header('Cookie'),
    // Only a cookie asks for it, and only a request without the header may bring one.
    originProven: authorization === undefined && isOriginProven(c, origins),
  }
}

function isOriginProven(c: AppContext, origins: Origins): boolean {
  if (allowedOrigin(c, origins) !== undefined) return true
  return c.req.header('Sec-Fetch-Site') === 'same-origin'
}
