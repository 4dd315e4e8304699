// Judges the claims of a token whose signature was verified, and makes a Principal of them.

import { z } from 'zod'
import type { IssuerSettings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { firstIssue, ServiceError } from '../lib/errors.ts'
import { show } from '../lib/show.ts'
import { judgeAudience } from './audience.ts'
import { invalidToken } from './refusal.ts'

/** The caller, as a verified token describes them: the result of step 1. */
export interface Principal {
  /** The token's `iss`, equal to a configured issuer byte for byte. */
  readonly issuer: string
  /** The token's `sub`; see {@link identifierSchema}. */
  readonly subject: string
  /** All claims of the token, as its issuer signed them. */
  readonly claims: Claims
  /** The token's `exp`, in whole Unix seconds. */
  readonly expiresAt: number
  /** The token's `iat`, in whole Unix seconds. */
  readonly issuedAt: number | undefined
  /** The token's `sid`, which names a sign-in at the issuer (OpenID Connect Back-Channel Logout 1.0 §2.1). */
  readonly sid: string | undefined
}

type Claims = Readonly<Record<string, unknown>>

/** The times of a token, in Unix seconds; they may have fractions. */
export type Times = Readonly<Record<'iat' | 'nbf' | 'exp', number | undefined>>

/** The claims of a token, read but not yet judged. */
export interface ReadClaims {
  readonly principal: Principal
  readonly times: Times
}

const TEN_YEARS = 315_576_000
const MAX_IDENTIFIER_LENGTH = 255

/**
 * Control characters, line separators, characters that reorder text (UAX #9) and those that show nothing where they are
 * not supported (UAX #44, Default_Ignorable_Code_Point: soft hyphen, fillers, variation selectors, tags).
 */
const INVISIBLE = /[\p{Cc}\u2028\u2029\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/u

/** Member of `events` that makes a token a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4). */
export const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/**
 * An identifier that is shown in logs and on screens and serves as a key in the registry: 1 to 255
 * UTF-16 units, well-formed (UTF-8 encodes every lone surrogate as U+FFFD, so two identifiers could
 * become one), and without characters that make it look like another identifier.
 */
export const identifierSchema = z
  .string()
  .min(1)
  .check(({ value, issues }) => {
    const message = identifierProblem(value)
    if (message !== undefined) issues.push({ code: 'custom', message, input: value })
  })

function identifierProblem(text: string): string | undefined {
  // Not zod's max(): it counts code points, and the documented limit counts UTF-16 units.
  if (text.length > MAX_IDENTIFIER_LENGTH) return 'longer than 255 UTF-16 units'
  if (!text.isWellFormed()) return 'holds a lone surrogate'
  return INVISIBLE.test(text) ? 'holds a control or invisible character' : undefined
}

// z.number() refuses NaN and infinity. JSON.parse reads `1e999` as infinity.
const claimsSchema = z.looseObject({
  sub: identifierSchema,
  exp: z.number(),
  iat: z.number().optional(),
  nbf: z.number().optional(),
  sid: identifierSchema.optional(),
})

const ALWAYS_REQUIRED = ['sub', 'exp']

/** Why a token of an issuer with tenants is refused. */
export const OTHER_TENANT = 'claims: tid is not the tenant that iss names'

/**
 * Reads and judges the claims of a token. Expiry is checked last: `token_expired` tells the client that
 * nothing else is wrong, so it only needs a fresh token.
 *
 * @throws ServiceError `token_expired`; `invalid_token`
 */
export function judgeClaims(claims: Claims, issuer: IssuerSettings, now: Clock): ReadClaims {
  const read = readClaims(claims, issuer.issuer)
  refuseLogoutEvent(claims)
  checkPresence(claims, issuer.requiredClaims)
  judgeAudience(claims, issuer)
  if (issuer.tenant !== undefined && claims['tid'] !== issuer.tenant) {
    throw invalidToken(OTHER_TENANT)
  }
  const problem = timesProblem(read.times, issuer, now)
  if (problem !== undefined) throw problem
  return read
}

/**
 * Reads claims without judging them. The principal is not trusted as the caller of a request until
 * {@link judgeClaims} has accepted the claims.
 *
 * @throws ServiceError `invalid_token` when a claim that is always needed is missing or malformed
 */
export function readClaims(claims: Claims, issuer: string): ReadClaims {
  checkPresence(claims, ALWAYS_REQUIRED)
  const result = claimsSchema.safeParse(claims)
  if (!result.success) throw invalidToken(`claims: ${firstIssue(result.error)}`)
  const { sub: subject, exp, iat, nbf, sid } = result.data
  const expiresAt = Math.floor(exp)
  const issuedAt = iat === undefined ? undefined : Math.floor(iat)
  return {
    principal: { issuer, subject, claims, expiresAt, issuedAt, sid },
    times: { iat, nbf, exp },
  }
}

/** Why a token cannot be accepted now; undefined when its times allow it. */
export function timesProblem(
  times: Times,
  issuer: IssuerSettings,
  now: Clock,
): ServiceError | undefined {
  const seconds = now() / 1000
  const { maxTokenAgeSeconds: maxAge, clockToleranceSeconds } = issuer
  if (maxAge !== undefined) {
    if (times.iat === undefined)
      return invalidToken('claims: iat is missing, so the age is unknown')
    const age = seconds - times.iat
    if (age > maxAge) {
      return invalidToken(
        `claims: issued ${Math.ceil(age)} seconds ago, expected at most max_token_age_seconds: ${maxAge}`,
      )
    }
  }
  return clockProblem(times, clockToleranceSeconds, seconds)
}

/** One kind of token must not serve as another (RFC 8725 §3.12). */
function refuseLogoutEvent(claims: Claims): void {
  const { events } = claims
  if (typeof events !== 'object' || events === null) return
  const named = Array.isArray(events)
    ? events.includes(LOGOUT_EVENT)
    : Object.hasOwn(events, LOGOUT_EVENT)
  if (named) throw invalidToken('claims: events makes it a logout token')
}

function checkPresence(claims: Claims, names: readonly string[]): void {
  for (const name of names) {
    const present = Object.hasOwn(claims, name) && claims[name] !== null
    if (!present) throw invalidToken(`claims: no ${show(name)}`)
  }
}

/**
 * Compares the times of a token with the clock (RFC 7519 §4.1.4 to §4.1.6); an absent time passes.
 *
 * @param tolerance - seconds by which the issuer's clock may differ from ours
 * @param seconds - the time now, in Unix seconds
 * @returns `invalid_token`; `token_expired` when only `exp` is wrong; undefined when no time is
 */
export function clockProblem(
  times: Times,
  tolerance: number,
  seconds: number,
): ServiceError | undefined {
  const { iat, nbf, exp } = times
  if (iat !== undefined && iat > seconds + tolerance) return ahead('iat', iat - seconds)
  if (nbf !== undefined && nbf > seconds + tolerance) return ahead('nbf', nbf - seconds)
  if (exp === undefined) return undefined
  // An `exp` written in milliseconds instead of seconds would make a token that never expires.
  if (exp > seconds + TEN_YEARS) return invalidToken('claims: exp is more than ten years ahead')
  if (exp > seconds - tolerance) return undefined
  const reason = `exp passed ${Math.ceil(seconds - exp)} seconds ago`
  return new ServiceError('token_expired', { reason })
}

/** A clock that is wrong, here or at the issuer, is the usual cause: the number tells by how much. */
function ahead(claim: string, by: number): ServiceError {
  return invalidToken(
    `claims: ${claim} is ahead of this machine's clock by ${Math.ceil(by)} seconds: set the clocks, or raise clock_tolerance_seconds`,
  )
}
