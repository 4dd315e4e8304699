// Reads an object given as an option's value, in YAML's flow syntax or as JSON.

import { InvalidArgumentError } from 'commander'
import type { z } from 'zod'
import { readYaml } from '../../../config/file/yaml-file.ts'

/**
 * Parses objects as the reference writes them, `{id: wf_1, tracing: {enabled: false}}`. That is YAML's flow
 * syntax, which includes JSON.
 *
 * @returns a parser for commander, which throws `InvalidArgumentError` and quotes no value
 */
export function relaxedObject<S extends z.ZodType>(schema: S): (text: string) => z.output<S> {
  return (text) => {
    const parsed = schema.safeParse(readObject(text), { reportInput: true })
    if (parsed.success) return parsed.data
    throw new InvalidArgumentError(parsed.error.issues.map(describeIssue).join('; '))
  }
}

function readObject(text: string): unknown {
  const trimmed = text.trim()
  // The Windows command prompt does not remove single quotes.
  if (trimmed.startsWith("'{")) throw notAnObject('in this shell put it in double quotes')
  if (!trimmed.startsWith('{')) throw notAnObject('it must begin with { and end with }')
  if (!trimmed.endsWith('}')) {
    throw notAnObject('it ends before its }: without quotes a shell cuts it at its spaces')
  }
  const file = readYaml(text)
  if (!('problems' in file)) return file.data
  const [problem] = file.problems
  const where = problem?.path.join('.')
  if (where) throw new InvalidArgumentError(`${where}: ${problem?.message}`)
  throw notAnObject(problem?.message ?? 'it cannot be read')
}

function notAnObject(why: string): InvalidArgumentError {
  return new InvalidArgumentError(`Write an object as '{key: value}' or as JSON; ${why}.`)
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const where = issue.path.map(String).join('.')
  return `${where === '' ? '' : `${where}: `}${problemOf(issue)}`
}

function problemOf(issue: z.core.$ZodIssue): string {
  const { code, input, message, path } = issue
  const key = String(path.at(-1) ?? 'key')
  if (code === 'unrecognized_keys') {
    const glued = issue.keys.some((name) => name.includes(':'))
    return glued ? `${message} (is a space missing after a colon?)` : message
  }
  if (input === null) return 'is null; leave it out, or give it a value'
  if (code === 'invalid_value') {
    const values = issue.values.map(String).join(' or ')
    return input === undefined ? `is missing; write ${key}: ${values}` : `must be ${values}`
  }
  if (input === undefined) return 'is missing'
  // Among the schemas of options, only values of state variables are a union.
  if (code === 'invalid_union') return 'must be text, a number, true or false'
  const wanted = code === 'invalid_type' ? WANTED[issue.expected] : undefined
  if (wanted === undefined) return message
  if (wanted !== WANTED['string']) return typeof input === 'string' ? `${wanted}, unquoted` : wanted
  return typeof input === 'object' ? wanted : `${wanted}; put it in quotes: '{${key}: "${input}"}'`
}

const WANTED: Readonly<Record<string, string>> = {
  string: 'must be text',
  int: 'must be a whole number',
  number: 'must be a number',
  boolean: 'must be true or false',
  object: 'must be an object: {key: value}',
  record: 'must be an object: {key: value}',
}
