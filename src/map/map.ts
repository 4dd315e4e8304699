// Step 2 of a mint: turns verified claims and the client's choice into the session to mint. No I/O, no clock.

import type { Expression, Scope, WorkflowSettings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import type { UserId } from '../lib/ids.ts'
import { type AskedSession, chooseWorkflow } from './choose-workflow.ts'
import { evaluate, type VerifiedClaims } from './evaluate.ts'

/** Values that the ChatKit API takes as `workflow.state_variables`. */
export type StateVariables = Readonly<Record<string, string | number | boolean>>

export interface NewSession {
  /** The ChatKit `user`. */
  readonly user: UserId
  readonly workflow: WorkflowSettings
  /** Undefined when the workflow has none. */
  readonly stateVariables: StateVariables | undefined
}

/** The caller, and the session that they ask for. */
export interface SessionRequest {
  readonly principal: VerifiedClaims
  /** From `mapUser`. */
  readonly user: UserId
  /** From the request's body. */
  readonly asked: AskedSession
}

/**
 * Chooses the workflow and evaluates its state variables.
 *
 * @param workflows - in the config file's order
 * @throws ServiceError `workflow_not_allowed`, `invalid_request` or `claims_not_mapped`
 */
export function mapSession(
  workflows: readonly WorkflowSettings[],
  { principal, user, asked }: SessionRequest,
): NewSession {
  const { workflow, scope } = chooseWorkflow(workflows, principal, asked)
  return { user, workflow, stateVariables: mapStateVariables(workflow.stateVariables, scope) }
}

/**
 * Maps a request again when OpenAI no longer has the workflow of the first session: to the workflow's `fallback`, if it
 * has one and the caller may use it. Input that the fallback does not declare is left out.
 *
 * @param workflows - in the config file's order
 * @param gone - the session that could not be minted
 * @returns undefined when there is no fallback, or this caller cannot use it
 */
export function mapFallback(
  workflows: readonly WorkflowSettings[],
  gone: NewSession,
  request: SessionRequest,
): NewSession | undefined {
  const { workflow } = gone
  if (workflow.kind !== 'hosted') return undefined
  const fallback = workflows.find(({ name }) => name === workflow.fallback)
  if (fallback === undefined) return undefined
  const sent = Object.entries(request.asked.input ?? {})
  const input = Object.fromEntries(sent.filter(([field]) => fallback.input.has(field)))
  try {
    return mapSession(workflows, { ...request, asked: { workflow: fallback.name, input } })
  } catch {
    // The caller cannot use the fallback: the error of the first mint stays the answer.
    return undefined
  }
}

/**
 * Evaluates a workflow's state variables.
 *
 * @returns undefined when the workflow has none
 * @throws ServiceError `claims_not_mapped` when one fails, or yields anything but well-formed text, a
 * finite number that JSON carries exactly, or a bool
 */
export function mapStateVariables(
  expressions: ReadonlyMap<string, Expression>,
  scope: Scope,
): StateVariables | undefined {
  if (expressions.size === 0) return undefined
  const variables = Array.from(expressions, ([name, expression]) => {
    const label = `state variable ${JSON.stringify(name)}`
    const value = toScalar(evaluate(expression, scope, label))
    if (value !== undefined) return [name, value] as const
    throw new ServiceError('claims_not_mapped', {
      reason: `${label} is not well-formed text, a finite and exact number or a bool`,
    })
  })
  return Object.fromEntries(variables)
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
