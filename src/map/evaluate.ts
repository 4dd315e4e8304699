// Evaluates expressions of the config file for a caller. If an expression fails, the caller is refused.

import type { AdminSettings, Expression, Scope } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { reasonOf } from '../lib/show.ts'

/** The claims of a verified token and its issuer: all that rules may know of the caller. */
export type VerifiedClaims = Pick<Scope, 'issuer' | 'claims'>

/**
 * The value of an expression. It may be of any type, so the caller checks it.
 *
 * @param name - the expression's name in the log
 * @throws ServiceError `claims_not_mapped` when the expression fails, for example for a missing claim
 */
export function evaluate(expression: Expression, scope: Scope, name: string): unknown {
  try {
    return expression.evaluate(scope)
  } catch (cause) {
    const reason = `${name} fails: ${reasonOf(cause)}`
    throw new ServiceError('claims_not_mapped', { reason, cause })
  }
}

/**
 * Why a `when` rule does not let the caller through. Only a rule that yields true lets a caller through;
 * without a rule, everyone is let through.
 *
 * @returns text for operators, which may quote names of claims; undefined when the caller is let through
 */
export function whyRefused(when: Expression | undefined, scope: Scope): string | undefined {
  if (when === undefined) return undefined
  try {
    const value = when.evaluate(scope)
    if (value === true) return undefined
    return value === false ? '`when` is false' : `\`when\` yields a ${typeof value}, not a bool`
  } catch (error) {
    return `\`when\` fails: ${reasonOf(error)}`
  }
}

/**
 * Why a caller is no admin. A token of an issuer that is not on the list makes nobody an admin, whatever it
 * claims. Neither does a rule that fails, or yields anything but true.
 *
 * @returns text for operators, which may quote names of claims; undefined for an admin
 */
export function whyNoAdmin(caller: VerifiedClaims, admins: AdminSettings): string | undefined {
  if (!admins.issuers.includes(caller.issuer)) return 'the issuer is not in `admins.issuers`'
  return whyRefused(admins.when, caller)
}
