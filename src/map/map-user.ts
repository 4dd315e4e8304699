// Maps the caller's claims to the ChatKit user, by the `user` expression of the token's issuer.
import { MAX_USER_CHARACTERS } from '../chatkit/wire/wire.ts'
import type { Expression, IssuerSettings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { evaluate, scopeOf, type VerifiedClaims } from './evaluate.ts'

/** Gives the ChatKit user of a principal. */
export type UserOf = ReturnType<typeof createUserOf>

interface MappedUser {
  readonly user: string
  /** Keyed hash of the user, which logs show instead of the user. */
  readonly hash: string
}

/** The function that is returned throws ServiceError `claims_not_mapped`. */
export function createUserOf({
  issuers,
  hashUser,
}: {
  readonly issuers: readonly IssuerSettings[]
  readonly hashUser: (user: string) => string
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
    mapped.set(principal, found)
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
export function mapUser(expression: Expression, principal: VerifiedClaims): string {
  const user = evaluate(expression, scopeOf(principal), 'the user expression')
  const problem = userProblem(user)
  if (typeof user === 'string' && problem === undefined) return user
  throw new ServiceError('claims_not_mapped', { reason: `the user expression yields ${problem}` })
}

function userProblem(user: unknown): string | undefined {
  if (typeof user !== 'string') return `a ${typeof user}`
  if (user === '') return 'an empty string'
  // A code point has one or two UTF-16 units, so the cheap test spares counting a long string.
  if (user.length > 2 * MAX_USER_CHARACTERS || [...user].length > MAX_USER_CHARACTERS) {
    return `more than ${MAX_USER_CHARACTERS} characters`
  }
  if (!user.isWellFormed()) return 'a lone surrogate'
  if (/\p{Cc}/u.test(user)) return 'a control character'
  // URL parsers remove both from paths (RFC 3986 §5.2.4), so `/v1/admin/users/{user}/…` could not name
  // them.
  return user === '.' || user === '..' ? 'a dot segment' : undefined
}

/**
 * The ChatKit user of a subject, found without a token.
 *
 * @param issuers - with their effective `user` expressions
 * @param subject - a token's `sub`
 * @returns undefined when the issuer is not configured, or when its expression fails or needs another
 * claim
 */
export function mapSubject(
  issuers: readonly Pick<IssuerSettings, 'issuer' | 'user'>[],
  issuer: string,
  subject: string,
): string | undefined {
  const rule = issuers.find((one) => one.issuer === issuer)?.user
  if (!rule?.needsOnlySubject) return undefined
  try {
    return mapUser(rule, { issuer, claims: { iss: issuer, sub: subject } })
  } catch {
    return undefined
  }
}
