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
    if (whenRefusal(workflow.when, scope) !== undefined) continue
    if (problem === undefined) return { workflow, scope }
    throw new ServiceError('invalid_request', { reason: problem, detail: `${problem}.` })
  }
  const which = named === undefined ? 'no workflow' : 'not the workflow asked for'
  throw new ServiceError('workflow_not_allowed', { reason: `the caller may use ${which}` })
}

function pick({ issuer, claims }: MappedPrincipal): Omit<Scope, 'input'> {
  return { issuer, claims }
}

/**
 * Why a workflow is not the caller's to use.
 *
 * @param when - the workflow's rule; undefined lets everyone in
 * @param scope - what it may look at
 * @returns undefined when it holds. Text for operators: it may quote names of claims
 */
export function whenRefusal(when: Expression | undefined, scope: Scope): string | undefined {
  if (when === undefined) return undefined
  try {
    const value = when.evaluate(scope)
    if (value === true) return undefined
    return value === false ? '`when` is false' : `\`when\` yields a ${typeof value}, not a bool`
  } catch (error) {
    // Below its first line the library draws the expression.
    const why = error instanceof Error ? error.message.split('\n', 1)[0] : 'unknown error'
    return `\`when\` fails: ${why}`
  }
}
