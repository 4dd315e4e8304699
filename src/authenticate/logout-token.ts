// Verifies the logout token by which an identity provider ends the sessions of its users.

import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { firstIssue, ServiceError } from '../lib/errors.ts'
import type { TokenIdentity } from '../registry/records.ts'
import { checkAudience } from './audience.ts'
import { clockProblem, identifierSchema, LOGOUT_EVENT, OTHER_TENANT } from './claims.ts'
import { type Issuers, keysFor } from './issuers.ts'
import { invalidToken } from './refusal.ts'
import { checkTokenType, readToken } from './token-shape.ts'
import { chooseIssuer, verifySignature } from './verify-signature.ts'

/** OpenID Connect Back-Channel Logout 1.0 §4: a stolen token must not be useful for long. */
const MAX_AGE_SECONDS = 120

/** `logout+jwt` is recommended and not required (§2.4), so providers also send `JWT` or nothing. */
const TYPES = ['logout+jwt', 'jwt', 'none']

const claimsSchema = z.looseObject({
  iat: z.number(),
  // The first edition of the standard has no `exp`, its errata require one: optional, checked if present.
  exp: z.number().optional(),
  nbf: z.number().optional(),
  jti: identifierSchema,
  sub: identifierSchema.optional(),
  sid: identifierSchema.optional(),
  events: z.looseObject({ [LOGOUT_EVENT]: z.looseObject({}) }),
})

/** An issuer's command to end sessions of a subject or of one sign-in (`sid`). At least one of the two is set. */
export interface LogoutCommand extends TokenIdentity {
  /** The same `jti` must be refused a second time (§2.6). */
  readonly jti: string
  /** Unix seconds. */
  readonly issuedAt: number
}

/**
 * Runs the checks of OpenID Connect Back-Channel Logout 1.0 §2.6, except the one for a repeated `jti`,
 * which needs the registry. A token may be at most two minutes old.
 *
 * @param issuers - a token of an issuer without `logout` is refused
 * @throws ServiceError `invalid_request` when the token is not a valid logout token, with `invalid_token`
 * or `token_expired` as its cause; `idp_unavailable` when the issuer's keys are not known and cannot be fetched
 */
export async function verifyLogoutToken(
  token: string,
  issuers: Issuers,
  now: Clock,
): Promise<LogoutCommand> {
  try {
    return await verify(token, issuers, now)
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code === 'idp_unavailable') throw error
    // The token is the body of the request, not its credential, so a bad token is a bad request (§2.8).
    const reason = `logout token: ${error.reason}`
    throw new ServiceError('invalid_request', { reason, cause: error })
  }
}

async function verify(token: string, issuers: Issuers, now: Clock): Promise<LogoutCommand> {
  const unverified = readToken(token)
  const issuer = chooseIssuer(issuers, unverified.claims)
  const { settings } = issuer
  const { logout } = settings
  if (logout === undefined) throw invalidToken('the issuer is configured without logout')
  checkTokenType(unverified.header.typ, TYPES)
  await verifySignature(unverified, keysFor(issuer, unverified.header.alg), logout.algorithms)
  checkAudience(unverified.claims, 'aud', logout.clientIds)
  // A logout token may lack the `tid` that an access token must have.
  const { tid = settings.tenant } = unverified.claims
  if (settings.tenant !== undefined && tid !== settings.tenant) throw invalidToken(OTHER_TENANT)
  const claims = readClaims(unverified.claims)
  const seconds = now() / 1000
  if (seconds - claims.iat > MAX_AGE_SECONDS) {
    throw new ServiceError('token_expired', { reason: 'claims: issued too long ago' })
  }
  const { iat, exp, nbf } = claims
  const problem = clockProblem({ iat, exp, nbf }, settings.clockToleranceSeconds, seconds)
  if (problem !== undefined) throw problem
  const { sub: subject, sid, jti } = claims
  return { issuer: settings.issuer, subject, sid, jti, issuedAt: Math.floor(iat) }
}

function readClaims(claims: Readonly<Record<string, unknown>>): z.infer<typeof claimsSchema> {
  // §2.4 forbids a nonce, so that nobody can use an ID token as a logout token.
  if (Object.hasOwn(claims, 'nonce')) throw invalidToken('claims: a logout token has no nonce')
  const result = claimsSchema.safeParse(claims)
  if (!result.success) throw invalidToken(`claims: ${firstIssue(result.error)}`)
  const { sub, sid } = result.data
  if (sub === undefined && sid === undefined) throw invalidToken('claims: neither sub nor sid')
  return result.data
}
