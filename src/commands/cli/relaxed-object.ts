// Reads an option's value that is an object, written as YAML's flow syntax or as JSON.

import { InvalidArgumentError } from 'commander'
import type { z } from 'zod'
import { readYaml } from '../../config/file/yaml-file.ts'

/**
 * An option's value as the reference writes objects, `{id: wf_1, tracing: {enabled: false}}`: YAML's
 * flow syntax, of which JSON is a part.
 *
 * @param schema - what the object must be
 * @returns a parser for commander, which throws `InvalidArgumentError` and quotes no value
 */
export function relaxedObject<S extends z.ZodType>(schema: S): (text: string) => z.output<S> {
  return (text) => {
    const parsed = schema.safeParse(readObject(text))
    if (parsed.success) return parsed.data
    const problems = parsed.error.issues.map(describeIssue)
    throw new InvalidArgumentError(problems.join('; '))
  }
}

function readObject(text: string): unknown {
  if (!/^\{.*\}$/s.test(text.trim())) throw notAnObject('it must begin with { and end with }')
  const file = readYaml(text)
  if ('problems' in file) throw notAnObject(file.problems[0]?.message ?? 'it cannot be read')
  return file.data
}

function notAnObject(why: string): InvalidArgumentError {
  return new InvalidArgumentError(`Write an object as '{key: value}' or as JSON; ${why}.`)
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const where = issue.path.map(String).join('.')
  return `${where === '' ? '' : `${where}: `}${problemOf(issue)}`
}

function problemOf({ code, message, ...issue }: z.core.$ZodIssue): string {
  if (code === 'unrecognized_keys') return `${message} (is a space missing after a colon?)`
  if (message.endsWith('received undefined')) return 'is missing'
  const asText = 'expected' in issue && issue.expected === 'string'
  return asText ? `${message}; put it in quotes: '{key: "3"}'` : message
}
