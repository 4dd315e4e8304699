import type { WorkflowSettings } from '../config/settings.ts'
import { type AskedSession, chooseWorkflow } from './choose-workflow.ts'
import type { MappedPrincipal } from './map-user.ts'
import { mapStateVariables, type StateVariables } from './state-variables.ts'

/** The session that is to be minted. */
export interface NewSession {
  /** The ChatKit `user`. */
  readonly user: string
  readonly workflow: WorkflowSettings
  /** Undefined when the workflow has none. */
  readonly stateVariables: StateVariables | undefined
}

/** For whom and for what a session is asked. */
export interface SessionRequest {
  readonly principal: MappedPrincipal
  /** From `mapUser`. */
  readonly user: string
  /** From the request's body. */
  readonly asked: AskedSession
}

/**
 * Step 2: from verified claims, and what the client may choose, to the session to mint. Pure: no I/O,
 * no clock.
 *
 * @param workflows - in the config file's order
 * @param request - for whom, for what
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
 * The session to mint instead, when the workflow of the first is gone: of its `fallback`, if it has
 * one and the caller may use it. Only input that the fallback declares goes along.
 *
 * @param workflows - in the config file's order
 * @param gone - the session that could not be minted
 * @param request - for whom, for what
 * @returns undefined when there is none
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
    // Not the caller's to use: then the first answer stands.
    return undefined
  }
}
