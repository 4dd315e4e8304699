// Chooses the workflow of a request, by the `when` rules of the config file and the caller's claims.
import type { Scope, WorkflowSettings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { scopeOf, type VerifiedClaims, whyRefused } from './evaluate.ts'
import { type AskedInput, inputProblem } from './input.ts'

/** The part of a request for a session that the client chooses. */
export interface AskedSession {
  /** Name of a workflow; the caller's default when absent. */
  readonly workflow?: string | undefined
  /** Values for the workflow's declared `input`; none when absent. */
  readonly input?: AskedInput | undefined
}

/** A workflow that the caller may use, with the variables of its expressions. */
export interface ChosenWorkflow {
  readonly workflow: WorkflowSettings
  readonly scope: Scope
}

/**
 * Picks the workflow: the one asked for by name, else the first whose `when` holds. An unknown name
 * and a forbidden one get the same answer, whatever the input, so names cannot be probed.
 *
 * @param workflows - in the config file's order
 * @throws ServiceError `workflow_not_allowed`; `invalid_request` when the caller may use the workflow
 * but the input does not fit it
 */
export function chooseWorkflow(
  workflows: readonly WorkflowSettings[],
  caller: VerifiedClaims,
  asked: AskedSession,
): ChosenWorkflow {
  const { workflow: named, input = {} } = asked
  for (const workflow of workflows) {
    if (named !== undefined && named !== workflow.name) continue
    const problem = inputProblem(workflow.input, input)
    // Rules never see input that does not fit its declaration.
    const scope = scopeOf(caller, problem === undefined ? input : {})
    if (whyRefused(workflow.when, scope) !== undefined) continue
    if (problem === undefined) return { workflow, scope }
    throw new ServiceError('invalid_request', { reason: problem, detail: `${problem}.` })
  }
  const which = named === undefined ? 'no workflow' : 'not the workflow asked for'
  throw new ServiceError('workflow_not_allowed', { reason: `the caller may use ${which}` })
}

/**
 * Refuses a workflow that the caller may not use, for requests that mint nothing and so have no input.
 * An unknown name and a forbidden one get the same answer, so names cannot be probed.
 *
 * @throws ServiceError `workflow_not_allowed`
 */
export function requireWorkflow(
  workflows: readonly WorkflowSettings[],
  caller: VerifiedClaims,
  name: string,
): void {
  const workflow = workflows.find((one) => one.name === name)
  if (workflow !== undefined && whyRefused(workflow.when, scopeOf(caller)) === undefined) return
  throw new ServiceError('workflow_not_allowed', {
    reason: 'the caller may not use the workflow asked for',
  })
}
