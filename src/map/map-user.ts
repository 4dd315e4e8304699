import type { Expression, IssuerSettings, Scope } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'

/** Who the token speaks of, as far as mapping goes. */
export interface MappedPrincipal {
  /** The verified token's `iss`. */
  readonly issuer: string
  /** The verified token's claims. */
  readonly claims: Scope['claims']
}

/** The ChatKit API lists threads by users of at most 512 characters. */
const MAX_CHARACTERS = 512

/**
 * The ChatKit `user` of a principal.
 *
 * @param expression - the issuer's effective `user` expression
 * @param principal - whose token was verified
 * @returns 1 to 512 characters, well-formed, without control characters, neither `.` nor `..`
 * @throws ServiceError `claims_not_mapped`
 */
export function mapUser(expression: Expression, principal: MappedPrincipal): string {
  const { issuer, claims } = principal
  const user = evaluate(expression, { issuer, claims, input: {} })
  const problem = userProblem(user)
  if (typeof user === 'string' && problem === undefined) return user
  throw new ServiceError('claims_not_mapped', { reason: `the user expression yields ${problem}` })
}

function evaluate(expression: Expression, scope: Scope): unknown {
  try {
    return expression.evaluate(scope)
  } catch (cause) {
    throw new ServiceError('claims_not_mapped', { reason: 'the user expression fails', cause })
  }
}

function userProblem(user: unknown): string | undefined {
  if (typeof user !== 'string') return `a ${typeof user}`
  if (user === '') return 'an empty string'
  // A code point has one or two UTF-16 units, so the cheap test spares counting a long string.
  if (user.length > 2 * MAX_CHARACTERS || [...user].length > MAX_CHARACTERS) {
    return `more than ${MAX_CHARACTERS} characters`
  }
  if (!user.isWellFormed()) return 'a lone surrogate'
  if (/\p{Cc}/u.test(user)) return 'a control character'
  // Both vanish from URL paths (RFC 3986 §5.2.4), and with them /v1/admin/users/{user}/….
  return user === '.' || user === '..' ? 'a dot segment' : undefined
}

/**
 * The ChatKit user of a subject whose token is not at hand, as far as the rule tells it: undefined
 * when it looks at any other claim, or when there is no such issuer.
 *
 * @param issuers - with their effective rules
 * @param issuer - whose subject
 * @param subject - as in `sub`
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
