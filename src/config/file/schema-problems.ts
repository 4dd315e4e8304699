// Turns the problems that the config schema finds into messages for an operator who writes YAML.

import type { z } from 'zod'
import { asMapping, type Path, type Report, valueAt } from './problems.ts'
import { type ConfigFile, configJsonSchema, configSchema } from './schema.ts'
import { workflowSchema } from './schema-workflow.ts'

type Issue = z.core.$ZodIssue

/** Names of zod's types, in YAML's terms. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text; put it in single quotes',
  array: 'a list; put it in [ ]',
  object: 'a mapping (key: value)',
  record: 'a mapping (name: …)',
  int: 'a whole number, without quotes or unit',
  number: 'a number, without quotes or unit',
  boolean: 'true or false, without quotes',
}

/** Advice for `$schema` as a key: editors expect it in a comment. */
const SCHEMA_ADVICE = 'write it as the first line: # yaml-language-server: $schema=schema.json'

/**
 * Checks each key of the config file on its own.
 *
 * @returns the file with its defaults; undefined when there is a problem
 */
export function reportSchemaProblems(data: unknown, report: Report): ConfigFile | undefined {
  // Read once: compiling the schema, as zod does otherwise, takes longer than it saves.
  const result = configSchema.safeParse(data, { jitless: true })
  for (const issue of result.error?.issues ?? []) reportIssue(issue, [], { data, report })
  return result.data
}

interface Context {
  readonly data: unknown
  readonly report: Report
}

/** @param outer - position of the value whose schema found the issue */
function reportIssue(issue: Issue, outer: Path, { data, report }: Context): void {
  const inner = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
  const path = [...outer, ...inner]
  const value = valueAt(data, path)
  if (issue.code === 'unrecognized_keys') reportUnknownKeys(issue.keys, path, report)
  else if (value === undefined) report(path, missing(path))
  else report(path, withoutValue(value) + describeIssue(issue))
  if (issue.code !== 'invalid_key') return
  // zod leaves the value of an invalid name unread; its problems belong to the same report.
  const { error } = entrySchema(path).safeParse(value, { jitless: true })
  for (const one of error?.issues ?? []) reportIssue(one, path, { data, report })
}

/** The schema of an entry of `workflows`, `state_variables` or `input`. */
function entrySchema(path: Path): z.ZodType {
  const { input, state_variables: variables } = workflowSchema.shape
  if (path.at(-2) === 'input') return input.unwrap().valueType
  return path.at(-2) === 'workflows' ? workflowSchema : variables.unwrap().valueType
}

function reportUnknownKeys(keys: readonly string[], path: Path, report: Report): void {
  const known = knownKeys(path).join(', ')
  for (const key of keys) {
    const advice = key === '$schema' ? SCHEMA_ADVICE : `known here: ${known}`
    report([...path, key], `is not a known key; ${advice}`)
  }
}

/** Says that a key stands there alone, as it does when all lines below it are comments. */
function withoutValue(value: unknown): string {
  return value === null ? 'has no value; ' : ''
}

function missing(path: Path): string {
  if (path.at(-1) !== 'algorithms') return 'is missing'
  return 'is missing; write what the provider signs with, for most [RS256]'
}

function describeIssue(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`
    case 'too_small':
      return describeTooSmall(issue)
    case 'too_big':
      return issue.origin === 'array'
        ? `must not have more than ${issue.maximum} entries`
        : `must be at most ${issue.maximum}`
    case 'invalid_union':
      return describeUnion(issue)
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'is not a valid name'
    default:
      return issue.message
  }
}

/** The form that fits best is the one whose problem is not the type. */
function describeUnion({ errors }: z.core.$ZodIssueInvalidUnion): string {
  const issues = errors.flat()
  const issue = issues.find(({ code }) => code !== 'invalid_type') ?? issues[0]
  return issue === undefined ? 'has none of the forms that it can have' : describeIssue(issue)
}

function describeTooSmall(issue: z.core.$ZodIssueTooSmall): string {
  if (issue.origin === 'array') return `needs at least ${issue.minimum} entry`
  return issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}`
}

/** The keys that the schema allows at a position. */
function knownKeys(path: Path): string[] {
  const schema = path.reduce<unknown>(subSchema, configJsonSchema())
  return Object.keys(asMapping(asMapping(schema)['properties']))
}

function subSchema(schema: unknown, step: string | number): unknown {
  const { items, properties, additionalProperties } = asMapping(schema)
  if (typeof step === 'number') return items
  return properties === undefined ? additionalProperties : asMapping(properties)[step]
}
