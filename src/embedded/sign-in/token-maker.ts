// Makes tokens for development, in the shape that the config expects of its issuers.

import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { IssuerSettings } from '../../config/settings.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import type { Accounts } from './accounts.ts'
import { type SigningKey, signToken } from './keys.ts'

/** An issuer whose tokens the sign-in makes: the shape that the config expects, and the sign-in's own key. */
export interface MadeIssuer {
  readonly settings: TokenShape
  readonly key: SigningKey
}

/** The settings of an issuer that shape its tokens. */
export type TokenShape = Pick<
  IssuerSettings,
  | ('issuer' | 'tenant' | 'audience' | 'audienceClaim' | 'tokenTypes')
  | ('requiredClaims' | 'cookie' | 'tokenHeader' | 'maxTokenAgeSeconds')
>

/** Longest life of a token, in seconds. Its key ends with the process anyway. */
const MAX_SECONDS = 31_536_000
/** Life of a token in seconds, when the request names none and the config allows it. */
const USUAL_SECONDS = 3600

export const tokenRequest = z.strictObject({
  sub: z.string().min(1).max(255),
  /** The first one when absent. */
  issuer: z.string().optional(),
  /** Replaces the first audience of the config. */
  audience: z.array(z.string().min(1)).min(1).optional(),
  /** Added to the claims of the account and of the issuer; they win over those. */
  claims: z.record(z.string(), z.unknown()).default({}),
  expires_in: z.int().min(1).max(MAX_SECONDS).optional(),
})
export type TokenRequest = z.input<typeof tokenRequest>

/** A token, and how to send it. */
export interface MadeToken {
  readonly token: string
  readonly header: { readonly alg: string; readonly typ?: string; readonly kid?: string }
  readonly claims: Readonly<Record<string, unknown>>
  /** Request headers, each of which carries the token to the service. */
  readonly send_as: readonly string[]
  /** For people: says that the service stops accepting the token before it expires. */
  readonly remark?: string
}

/** The request names an unknown issuer, or a claim that has an option of its own. */
export class TokenRequestError extends Error {
  override readonly name = 'TokenRequestError'
}

export type TokenMaker = ReturnType<typeof createTokenMaker>

/**
 * @param issuers - the first is the default
 * @param accounts - people whose claims go into their tokens
 */
export function createTokenMaker({
  issuers,
  accounts,
  now,
}: {
  readonly issuers: readonly MadeIssuer[]
  readonly accounts: Accounts
  readonly now: Clock
}) {
  /** @throws {@link TokenRequestError}; zod's error when the request is malformed */
  return async (given: TokenRequest): Promise<MadeToken> => {
    const request = tokenRequest.parse(given)
    const { settings, key } = issuerFor(issuers, request.issuer)
    for (const name of ['iss', 'sub']) {
      if (!Object.hasOwn(request.claims, name)) continue
      const option = name === 'iss' ? '--issuer' : '--sub'
      throw new TokenRequestError(`the claim ${name} is named with ${option}`)
    }
    const header = headerOf(settings, key)
    const { maxTokenAgeSeconds: oldest = Number.POSITIVE_INFINITY } = settings
    const seconds = request.expires_in ?? Math.min(USUAL_SECONDS, oldest)
    const claims = claimsOf(settings, { ...request, seconds, accounts, now: unixSeconds(now) })
    const token = await signToken(key, { header, claims })
    return {
      token,
      header,
      claims,
      send_as: carriersOf(settings, token),
      ...(seconds > oldest && {
        remark: `max_token_age_seconds of the config ends the token after ${oldest} s`,
      }),
    }
  }
}

function issuerFor(issuers: readonly MadeIssuer[], wanted: string | undefined): MadeIssuer {
  const found = issuers.find(({ settings }) => wanted === undefined || settings.issuer === wanted)
  if (found !== undefined) return found
  const known = issuers.map(({ settings }) => settings.issuer).join(', ')
  throw new TokenRequestError(`no such issuer; the config has ${known}`)
}

/** The header, with the first accepted type as `typ`; without `typ` when that is `none`. */
function headerOf({ tokenTypes }: TokenShape, key: SigningKey): MadeToken['header'] {
  const [type = 'JWT'] = tokenTypes
  const typ = type === 'jwt' ? 'JWT' : type
  return { alg: key.alg, ...(typ !== 'none' && { typ }), ...('kid' in key && { kid: key.kid }) }
}

type Wanted = z.output<typeof tokenRequest> & {
  readonly seconds: number
  readonly accounts: Accounts
  readonly now: number
}

function claimsOf(settings: TokenShape, wanted: Wanted): MadeToken['claims'] {
  const { sub, audience, seconds, accounts, now } = wanted
  const { issuer, tenant, audienceClaim } = settings
  const claims: Record<string, unknown> = {
    iss: issuer,
    sub,
    iat: now,
    exp: now + seconds,
    ...(tenant !== undefined && { tid: tenant }),
    ...audienceOf(audienceClaim, audience ?? settings.audience.slice(0, 1)),
    ...(Object.hasOwn(accounts, sub) && accounts[sub]),
    ...wanted.claims,
  }
  for (const name of settings.requiredClaims) {
    if (!Object.hasOwn(claims, name)) claims[name] = inventedClaim(name, sub, now)
  }
  return claims
}

function audienceOf(claim: TokenShape['audienceClaim'], audience: readonly string[]) {
  if (audience.length === 0) return {}
  const name = claim === 'none' ? 'aud' : claim
  return { [name]: audience.length === 1 ? audience[0] : audience }
}

/** A value for a required claim that was not given; the config only checks that it exists. */
function inventedClaim(name: string, sub: string, now: number): unknown {
  if (name === 'email') return `${sub}@example.com`
  if (name === 'jti' || name === 'sid') return randomUUID()
  if (name === 'nbf' || name === 'auth_time') return now
  // Different for each user, because the config may map it to the ChatKit user.
  return name.endsWith('_verified') ? true : `${sub}-${name}`
}

function carriersOf({ cookie, tokenHeader }: TokenShape, token: string): string[] {
  return [
    ...(tokenHeader === undefined ? [] : [`${tokenHeader}: ${token}`]),
    `Authorization: Bearer ${token}`,
    ...(cookie === undefined ? [] : [`Cookie: ${cookie}=${token}`]),
  ]
}
