import type { Expression, Scope, WorkflowSettings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { type AskedInput, inputProblem } from './input.ts'
import type { MappedPrincipal } from './map-user.ts'

/** What the client asks for. */
export interface AskedSession {
  /** Name of a workflow; the caller's default when absent. */
  readonly workflow?: string | undefined
  /** Values for the workflow's declared `input`; none when absent. */
  readonly input?: AskedInput | undefined
}

/** A workflow that the caller may use, with what its expressions may look at. */
export interface ChosenWorkflow {
  readonly workflow: WorkflowSettings
  readonly scope: Scope
}

/**
 * Picks the workflow: the one asked for by name, else the first whose `when` holds. An unknown name
 * and a forbidden one get the same answer, whatever the input, so names cannot be probed.
 *
 * @param workflows - in the config file's order
 * @param principal - whose token was verified
 * @param asked - what the client asks for
 * @throws ServiceError `workflow_not_allowed`; `invalid_request` when the workflow is the caller's to
 * use but the input does not fit
 */
export function chooseWorkflow(
  workflows: readonly WorkflowSettings[],
  principal: MappedPrincipal,
  asked: AskedSession,
): ChosenWorkflow {
  const named = asked.workflow
  const candidates = workflows.filter(({ name }) => named === undefined || name === named)
  const input = asked.input ?? {}
  for (const workflow of candidates) {
    const problem = inputProblem(workflow.input, input)
    // Rules never see input that does not fit its declaration.
    const scope = { ...pick(principal), input: problem === undefined ? input : {} }
    if (!holds(workflow.when, scope)) continue
    if (problem === undefined) return { workflow, scope }
    throw new ServiceError('invalid_request', { reason: problem, detail: `${problem}.` })
  }
  const which = named === undefined ? 'no workflow' : 'not the workflow asked for'
  throw new ServiceError('workflow_not_allowed', { reason: `the caller may use ${which}` })
}

function pick({ issuer, claims }: MappedPrincipal): Omit<Scope, 'input'> {
  return { issuer, claims }
}

function holds(when: Expression | undefined, scope: Scope): boolean {
  if (when === undefined) return true
  try {
    return when.evaluate(scope) === true
  } catch {
    return false
  }
}
