// Evaluates expressions of the config file for a caller. If an expression fails, the caller is refused.

import type { Expression, Scope } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { reasonOf } from '../lib/show.ts'

/** The claims of a verified token and its issuer: all that rules may know of the caller. */
export type VerifiedClaims = Pick<Scope, 'issuer' | 'claims'>

/**
 * The variables of an expression.
 *
 * @param input - sent by the client and declared by the workflow; empty outside workflows
 */
export function scopeOf({ issuer, claims }: VerifiedClaims, input: Scope['input'] = {}): Scope {
  return { issuer, claims, input }
}

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
