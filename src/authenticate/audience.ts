// Decides whether a token was made for this service, by the claims that name its audience.

import type { IssuerSettings } from '../config/settings.ts'
import type { ServiceError } from '../lib/errors.ts'
import { showAll } from '../lib/show.ts'
import { invalidToken, isNear } from './refusal.ts'

type Claims = Readonly<Record<string, unknown>>

/** Claims by which providers say for which app a token was made. */
const NAMING = ['aud', 'azp', 'client_id'] as const

/**
 * Whether no claim names an audience. Clerk leaves `azp` out of tokens that no web page asked for.
 *
 * @param claims - a claim that is null is there, and is refused as malformed
 */
export function namesNoAudience(claims: Claims): boolean {
  return NAMING.every((name) => !Object.hasOwn(claims, name))
}

/**
 * Checks a token against the audience rules of its issuer. Where a token may come without an audience, the
 * source of the token is checked apart, because it can change between two requests.
 *
 * @throws ServiceError `invalid_token`
 */
export function judgeAudience(claims: Claims, issuer: IssuerSettings): void {
  if (issuer.audienceClaim === 'none') return
  if (issuer.audienceWhenAbsent === 'accept' && namesNoAudience(claims)) return
  checkAudience(claims, issuer.audienceClaim, issuer.audience)
}

/**
 * At least one expected audience must be in the claim, exactly (RFC 7519 §4.1.3).
 *
 * @param name - the claim that holds the audience
 * @param expected - one of these is enough
 * @throws ServiceError `invalid_token`
 */
export function checkAudience(claims: Claims, name: string, expected: readonly string[]): void {
  const value = claims[name]
  const received: readonly unknown[] = Array.isArray(value) ? value : [value]
  let found = false
  for (const audience of received) {
    if (typeof audience !== 'string') throw malformed(claims, name, expected)
    found ||= expected.includes(audience)
  }
  if (found) return
  const named = received.map(String)
  const wanted = `${showAll(named)}, expected ${showAll(expected)}${adviceOn(claims, named, expected)}`
  throw invalidToken(`claims: ${name} is not for this service: ${wanted}`)
}

function adviceOn(claims: Claims, named: readonly string[], expected: readonly string[]): string {
  if (named.some((one) => expected.some((other) => isNear(one, other)))) {
    return '; a slash at the end or a capital letter differs'
  }
  // `nonce` and `at_hash`: OpenID Connect Core §2 and §3.1.3.6; `token_use`: Cognito.
  const isIdToken =
    ['nonce', 'at_hash'].some((name) => Object.hasOwn(claims, name)) || claims['token_use'] === 'id'
  return isIdToken ? '; it looks like an ID token, and an access token may be meant' : ''
}

function malformed(claims: Claims, name: string, expected: readonly string[]): ServiceError {
  const isAbsent = !Object.hasOwn(claims, name)
  const why = isAbsent ? `no ${name}` : `${name} is not a string or an array of strings`
  return invalidToken(
    `claims: ${why}, expected ${showAll(expected)}${adviceOn(claims, [], expected)}`,
  )
}
