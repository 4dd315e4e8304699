import { z } from 'zod'
import type { IssuerSettings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { identifierSchema } from './identifier.ts'
import type { Principal } from './principal.ts'
import { firstIssue, invalidToken, show } from './refusal.ts'

// What the claims must say. The signature has been verified before: nothing here is a secret test.

const TEN_YEARS = 315_576_000

// z.number() takes no NaN and no infinity, which is what `1e999` is in JSON.
const claimsSchema = z.looseObject({
  sub: identifierSchema,
  exp: z.number(),
  iat: z.number().optional(),
  nbf: z.number().optional(),
  sid: identifierSchema.optional(),
})

type Claims = Readonly<Record<string, unknown>>
type ReadClaims = z.infer<typeof claimsSchema>

/** The times of a token, in Unix seconds. */
export type Times = Readonly<Record<'iat' | 'nbf' | 'exp', number | undefined>>

/** A token whose claims are good now. */
export interface JudgedClaims {
  readonly principal: Principal
  readonly times: Times
}

/**
 * Judges the claims of a token whose signature holds. Expiry comes last: `token_expired` tells the
 * client that the same token, fresh, would do.
 *
 * @param claims - the payload
 * @param issuer - whose rules count
 * @param now - the clock
 * @throws ServiceError `token_expired` when it is expired and nothing else is wrong with it, else
 * `invalid_token`
 */
export function judgeClaims(claims: Claims, issuer: IssuerSettings, now: Clock): JudgedClaims {
  const read = readClaims(claims)
  const { exp, iat, nbf } = read
  checkPresence(claims, issuer.requiredClaims)
  checkAudience(claims, issuer.audienceClaim, issuer.audience)
  const times = { iat, nbf, exp }
  judgeTimes(times, issuer, now)
  return { principal: toPrincipal(claims, issuer.issuer, read), times }
}

/**
 * Whom claims speak of, whether or not they are to be believed: who asks for a request is told by
 * {@link judgeClaims} alone.
 *
 * @param claims - the payload
 * @param issuer - its `iss`
 * @throws ServiceError `invalid_token` when a claim that is always needed is missing or malformed
 */
export function principalOf(claims: Claims, issuer: string): Principal {
  return toPrincipal(claims, issuer, readClaims(claims))
}

function readClaims(claims: Claims): ReadClaims {
  const result = claimsSchema.safeParse(claims)
  if (!result.success) throw invalidToken(`claims: ${firstIssue(result.error)}`)
  return result.data
}

function toPrincipal(claims: Claims, issuer: string, read: ReadClaims): Principal {
  const { sub, exp, iat, sid } = read
  return {
    issuer,
    subject: sub,
    claims,
    expiresAt: Math.floor(exp),
    issuedAt: iat === undefined ? undefined : Math.floor(iat),
    sid,
  }
}

/**
 * Whether claims that were good are good now, too.
 *
 * @param times - of a token
 * @param issuer - whose rules count
 * @param now - the clock
 */
export function isInTime(times: Times, issuer: IssuerSettings, now: Clock): boolean {
  try {
    judgeTimes(times, issuer, now)
    return true
  } catch {
    return false
  }
}

function judgeTimes(times: Times, issuer: IssuerSettings, now: Clock): void {
  const seconds = now() / 1000
  checkAge(times.iat, issuer.maxTokenAgeSeconds, seconds)
  checkTimes(times, issuer.clockToleranceSeconds, seconds)
}

function checkPresence(claims: Claims, names: readonly string[]): void {
  for (const name of names) {
    const present = Object.hasOwn(claims, name) && claims[name] !== null
    if (!present) throw invalidToken(`claims: no ${show(name)}`)
  }
}

/**
 * At least one expected audience must be in the claim, exactly (RFC 7519 §4.1.3).
 *
 * @param claims - the payload
 * @param name - which claim holds the audience
 * @param expected - any of these will do
 * @throws ServiceError `invalid_token`
 */
export function checkAudience(claims: Claims, name: string, expected: readonly string[]): void {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined
  const audiences = Array.isArray(value) ? value : [value]
  if (!audiences.every((one) => typeof one === 'string')) {
    throw invalidToken(`claims: ${name} is not a string or an array of strings`)
  }
  if (!expected.some((one) => audiences.includes(one))) {
    throw invalidToken(`claims: ${name} is not for this service`)
  }
}

function checkAge(iat: number | undefined, maxAge: number | undefined, seconds: number): void {
  if (maxAge === undefined) return
  if (iat === undefined) throw invalidToken('claims: no iat to tell the age by')
  if (seconds - iat > maxAge) throw invalidToken('claims: issued too long ago')
}

/**
 * The times of a token against the clock (RFC 7519 §4.1.4 to §4.1.6); absent ones pass.
 *
 * @param times - in Unix seconds
 * @param tolerance - how many seconds the issuer's clock may differ from ours
 * @param seconds - the time, in Unix seconds
 * @throws ServiceError `invalid_token`; `token_expired` when only `exp` is wrong
 */
export function checkTimes(times: Times, tolerance: number, seconds: number): void {
  const { iat, nbf, exp } = times
  if (iat !== undefined && iat > seconds + tolerance) throw invalidToken('claims: iat is ahead')
  if (nbf !== undefined && nbf > seconds + tolerance) throw invalidToken('claims: nbf is ahead')
  if (exp === undefined) return
  // Milliseconds taken for seconds would make a token that never ends.
  if (exp > seconds + TEN_YEARS) throw invalidToken('claims: exp is more than ten years ahead')
  if (exp <= seconds - tolerance) throw new ServiceError('token_expired', { reason: 'exp passed' })
}
