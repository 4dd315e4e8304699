import type { Expression, Scope } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'

/** What the ChatKit API takes as `workflow.state_variables`. */
export type StateVariables = Readonly<Record<string, string | number | boolean>>

/**
 * Evaluates a workflow's state variables.
 *
 * @param expressions - by name
 * @param scope - what they may look at
 * @returns undefined when the workflow has none
 * @throws ServiceError `claims_not_mapped` when one fails or yields something else than well-formed
 * text, a finite number that JSON carries exactly, or a bool
 */
export function mapStateVariables(
  expressions: ReadonlyMap<string, Expression>,
  scope: Scope,
): StateVariables | undefined {
  if (expressions.size === 0) return undefined
  return Object.fromEntries(
    [...expressions].map(([name, expression]) => [name, mapOne(name, expression, scope)]),
  )
}

function mapOne(name: string, expression: Expression, scope: Scope): string | number | boolean {
  const label = `state variable ${JSON.stringify(name)}`
  const value = toScalar(evaluate(expression, scope, label))
  if (value !== undefined) return value
  throw new ServiceError('claims_not_mapped', {
    reason: `${label} is not well-formed text, a finite and exact number or a bool`,
  })
}

function evaluate(expression: Expression, scope: Scope, label: string): unknown {
  try {
    return expression.evaluate(scope)
  } catch (cause) {
    throw new ServiceError('claims_not_mapped', { reason: `${label} fails`, cause })
  }
}

function toScalar(value: unknown): string | number | boolean | undefined {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? value : undefined
    case 'number':
      return Number.isFinite(value) ? value : undefined
    case 'boolean':
      return value
    case 'bigint':
      // CEL's integers are 64 bits wide; JSON readers keep 53 of them.
      return Number.isSafeInteger(Number(value)) ? Number(value) : undefined
    default:
      return undefined
  }
}
