// Maps the caller's claims to the ChatKit user, by the `user` expression of the token's issuer.

import type { Expression, IssuerSettings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { parseUserId, type UserId, userProblem } from '../lib/ids.ts'
import { evaluate, type VerifiedClaims } from './evaluate.ts'

/** Gives the ChatKit user of a principal. */
export type UserOf = ReturnType<typeof createUserOf>

interface MappedUser {
  readonly user: UserId
  /** Keyed hash of the user, which logs show instead of the user; undefined while there is no key. */
  readonly hash: string | undefined
}

/** The function that is returned throws ServiceError `claims_not_mapped`. */
export function createUserOf({
  issuers,
  hashUser,
}: {
  readonly issuers: readonly IssuerSettings[]
  readonly hashUser: (user: string) => string | undefined
}) {
  const rules = new Map(issuers.map(({ issuer, user }) => [issuer, user]))
  // Step 1 gives the same frozen principal for the same token, and equal claims map to equal users.
  const mapped = new WeakMap<VerifiedClaims, MappedUser>()
  return (principal: VerifiedClaims): MappedUser => {
    const known = mapped.get(principal)
    if (known !== undefined) return known
    const rule = rules.get(principal.issuer)
    if (rule === undefined) {
      throw new ServiceError('claims_not_mapped', { reason: 'no user expression for the issuer' })
    }
    const user = mapUser(rule, principal)
    const found = { user, hash: hashUser(user) }
    if (found.hash !== undefined) mapped.set(principal, found)
    return found
  }
}

/**
 * The ChatKit `user` of a principal.
 *
 * @param expression - the issuer's effective `user` expression
 * @returns 1 to 512 characters, well-formed, without control characters, neither `.` nor `..`
 * @throws ServiceError `claims_not_mapped`
 */
export function mapUser(expression: Expression, principal: VerifiedClaims): UserId {
  const value = evaluate(expression, principal, 'the user expression')
  const user = parseUserId(value)
  if (user !== undefined) return user
  const reason = `the user expression yields ${userProblem(value)}`
  throw new ServiceError('claims_not_mapped', { reason })
}

/**
 * The ChatKit user of a subject, found without a token.
 *
 * @param subject - a token's `sub`
 * @returns undefined when the issuer is not configured, or when its expression fails or needs another
 * claim
 */
export function mapSubject(
  issuers: readonly Pick<IssuerSettings, 'issuer' | 'user'>[],
  issuer: string,
  subject: string,
): UserId | undefined {
  const rule = issuers.find((one) => one.issuer === issuer)?.user
  if (rule === undefined || rule.claims === 'others') return undefined
  try {
    return mapUser(rule, { issuer, claims: { iss: issuer, sub: subject } })
  } catch {
    return undefined
  }
}
