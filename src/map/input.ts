import type { InputDeclaration, InputValue } from '../config/settings.ts'
import { scrub } from '../lib/log.ts'

/** What the client sent as `input`. */
export type AskedInput = Readonly<Record<string, InputValue>>

/**
 * What is wrong with a client's input, given what the workflow declares.
 *
 * @param declared - the workflow's `input`
 * @param asked - what the client sent
 * @returns a sentence for the client, without its full stop; undefined when nothing is wrong
 */
export function inputProblem(
  declared: ReadonlyMap<string, InputDeclaration>,
  asked: AskedInput,
): string | undefined {
  for (const [field, value] of Object.entries(asked)) {
    const declaration = declared.get(field)
    if (declaration === undefined) return `${nameOf(field)} is not declared by the workflow`
    const problem = valueProblem(declaration, value)
    if (problem !== undefined) return `input.${field} ${problem}`
  }
  for (const [field, { required }] of declared) {
    if (required && !Object.hasOwn(asked, field)) return `input.${field} is required`
  }
  return undefined
}

function valueProblem(declaration: InputDeclaration, value: InputValue): string | undefined {
  if (typeof value !== declaration.type) return `must be a ${declaration.type}`
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'must be finite'
  if (typeof value !== 'string') return undefined
  if (value.length > declaration.maxLength) {
    return `must have at most ${declaration.maxLength} characters`
  }
  return value.isWellFormed() ? undefined : 'must be well-formed text'
}

/** An undeclared name is any text of the client's: only what looks like one, and no secret, is repeated. */
function nameOf(field: string): string {
  return /^[\w-]{1,64}$/.test(field) && scrub(field) === field
    ? `input.${field}`
    : 'a field of input'
}
