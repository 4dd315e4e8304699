// Checks what a client sent as `input` against what the workflow declares.
import type { InputDeclaration, InputValue } from '../config/settings.ts'
import { scrub } from '../lib/log.ts'

/** The `input` that a client sent. */
export type AskedInput = Readonly<Record<string, InputValue>>

/**
 * The first thing that is wrong with a client's input.
 *
 * @param declared - the workflow's `input`
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

/** Any text can stand here: it is repeated only if it looks like a field name and not like a credential. */
function nameOf(field: string): string {
  return /^[\w-]{1,64}$/.test(field) && scrub(field) === field
    ? `input.${field}`
    : 'a field of input'
}
