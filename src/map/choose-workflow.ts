// Chooses the workflow of a request by the rules of the config file, and checks the client's input for it.

import type { InputDeclaration, InputValue, Scope, WorkflowSettings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { scrub } from '../lib/secret.ts'
import { show, showAll } from '../lib/show.ts'
import { type VerifiedClaims, whyRefused } from './evaluate.ts'

/** The part of a request for a session that the client chooses. */
export interface AskedSession {
  /** Name of a workflow. When absent, the first workflow that the caller may use is chosen. */
  readonly workflow?: string | undefined
  /** Values for the workflow's declared `input`; none when absent. `null` counts as an absent value. */
  readonly input?: Readonly<Record<string, InputValue | null>> | undefined
}

type Input = NonNullable<AskedSession['input']>

/** Workflows whose refusal one line of the log explains. */
const MOST_REFUSALS = 5

/**
 * Chooses the workflow that is asked for by name, if its `when` holds; without a name, the first whose `when` holds. An
 * unknown name and a forbidden one get the same answer, whatever the input, so names cannot be probed.
 *
 * @param workflows - in the config file's order
 * @returns the workflow, with the variables of its expressions
 * @throws ServiceError `workflow_not_allowed`; `invalid_request` when the caller may use the workflow
 * but the input does not fit it
 */
export function chooseWorkflow(
  workflows: readonly WorkflowSettings[],
  caller: VerifiedClaims,
  asked: AskedSession,
): { readonly workflow: WorkflowSettings; readonly scope: Scope } {
  const { workflow: named, input = {} } = asked
  for (const workflow of workflows) {
    if (named !== undefined && named !== workflow.name) continue
    const problem = inputProblem(workflow.input, input)
    // Rules never see input that does not fit its declaration.
    const scope = { ...caller, input: problem === undefined ? presentInput(input) : {} }
    if (whyRefused(workflow.when, scope) !== undefined) continue
    if (problem === undefined) return { workflow, scope }
    const declared = showAll([...workflow.input.keys()])
    const reason = `${problem}; received ${showAll(Object.keys(input))}, expected ${declared}`
    throw new ServiceError('invalid_request', { reason, detail: `${problem}.` })
  }
  throw notAllowed(workflows, caller, asked)
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
  if (workflow !== undefined && whyRefused(workflow.when, caller) === undefined) return
  throw notAllowed(workflows, caller, { workflow: name })
}

/** Its reason says why each `when` refuses, and names the workflows that the caller may use; the answer names none. */
function notAllowed(
  workflows: readonly WorkflowSettings[],
  caller: VerifiedClaims,
  { workflow: named, input = {} }: AskedSession,
): ServiceError {
  const judged = workflows.map((one) => {
    const fits = inputProblem(one.input, input) === undefined
    const scope = { ...caller, input: fits ? presentInput(input) : {} }
    return { name: one.name, why: whyRefused(one.when, scope) }
  })
  const refusals = judged
    .filter(({ name, why }) => why !== undefined && (named === undefined || name === named))
    .slice(0, MOST_REFUSALS)
    .map(({ name, why }) => `${name}: ${why}`)
    .join('; ')
  const because = refusals && ` (${refusals})`
  if (named === undefined) {
    const reason = `the caller may not use any workflow${because}`
    return new ServiceError('workflow_not_allowed', { reason })
  }
  const allowed = judged.filter(({ why }) => why === undefined).map(({ name }) => name)
  const reason = `the caller may not use the workflow asked for${because}; received ${show(named)}, expected ${showAll(allowed)}`
  return new ServiceError('workflow_not_allowed', { reason })
}

/**
 * The first thing that is wrong with a client's input.
 *
 * @returns a sentence for the client, without its full stop; undefined when nothing is wrong
 */
function inputProblem(
  declared: ReadonlyMap<string, InputDeclaration>,
  asked: Input,
): string | undefined {
  for (const [field, value] of Object.entries(asked)) {
    const declaration = declared.get(field)
    if (declaration === undefined) return `${nameOf(field)} is not declared by the workflow`
    if (value === null) continue
    const problem = valueProblem(declaration, value)
    if (problem !== undefined) return `input.${field} ${problem}`
  }
  for (const [field, { required }] of declared) {
    const present = Object.hasOwn(asked, field) && asked[field] !== null
    if (required && !present) return `input.${field} is required`
  }
  return undefined
}

/** The client's input without the values that are `null`, which count as absent. */
export function presentInput(asked: Input): NonNullable<Scope['input']> {
  const given: Record<string, InputValue> = {}
  for (const [field, value] of Object.entries(asked)) if (value !== null) given[field] = value
  return given
}

function valueProblem(declaration: InputDeclaration, value: InputValue): string | undefined {
  if (typeof value !== declaration.type) return `must be a ${declaration.type}`
  if (typeof value === 'number') return numberProblem(value)
  if (typeof value !== 'string') return undefined
  if (value.length > declaration.maxLength) {
    return `must have at most ${declaration.maxLength} characters`
  }
  return value.isWellFormed() ? undefined : 'must be well-formed text'
}

function numberProblem(value: number): string | undefined {
  if (!Number.isFinite(value)) return 'must be finite'
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return undefined
  return 'must not be a whole number beyond 2^53, which loses digits'
}

/** A client may send any text as a name. The answer repeats it only if it looks like a name, and not like a secret. */
function nameOf(field: string): string {
  return /^[\w-]{1,64}$/.test(field) && scrub(field) === field
    ? `input.${field}`
    : 'a field of input'
}
