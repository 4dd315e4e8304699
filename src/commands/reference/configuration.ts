// Makes the page about the config file: every key of its schema, with type, default, bounds and an example.

import { stringify } from 'yaml'
import type { z } from 'zod'
import { configJsonSchema } from '../../config/file/schema.ts'

type Schema = z.core.JSONSchema.JSONSchema

interface ConfigKey {
  /** With `[]` for each entry of a list, and `NAME` for a name that the file chooses. */
  readonly path: string
  readonly schema: Schema
  readonly required: boolean
}

const INTRODUCTION = `# Configuration

For those who run the service: every key of its config file, which is YAML. \`CONFIG_FILE\` names the file; \`config/chatkit-mint.yaml\` is the default, with comments.
An unknown key is an error. A change needs a restart. No secret belongs in the file, only names of environment variables.

Check a file offline with \`npm run check-config -- FILE\`. Editors complete and check it when it begins with
\`# yaml-language-server: $schema=schema.json\` (the path to \`config/schema.json\`).

In the names below \`[]\` stands for each entry of a list, and \`NAME\` for a name that you choose. Bounds are inclusive. **CEL** marks an
expression over \`claims\` (the verified token's claims), \`issuer\` (text) and, in a workflow, \`input\` (what the client sent). Expressions
are parsed and type-checked at start-up. Put each of them in single quotes.`

/** @returns the page, as Markdown */
export function configurationPage(): string {
  const sections = keysBelow(configJsonSchema(), '')
  const links = sections.map(({ path }) => `[${path}](#${path})`).join(', ')
  return `${[INTRODUCTION, `At the top: ${links}.`, ...sections.flatMap(describeSection)].join('\n\n')}\n`
}

function describeSection(section: ConfigKey): string[] {
  const inner = allKeysBelow(section)
  return [
    `## \`${section.path}\``,
    describeKey(section),
    ...inner.flatMap((key) => [`### \`${key.path}\``, describeKey(key)]),
  ]
}

function describeKey({ path, schema, required }: ConfigKey): string {
  const facts = [...typeOf(schema), required ? 'required' : defaultOf(schema)].filter(Boolean)
  const name = path.split('.').at(-1)
  const examples = (schema.examples ?? []).map((value) => `\`${name}: ${yaml(value)}\``)
  return [
    `*${facts.join(', ')}*`,
    schema.description,
    ...(examples.length > 0 ? [`Example: ${examples.join(' or ')}`] : []),
  ].join('\n\n')
}

/** Every key below another one, in the order of the schema, those of list entries and named entries included. */
function allKeysBelow({ path, schema }: ConfigKey): ConfigKey[] {
  return keysBelow(schema, path).flatMap((key) => [key, ...allKeysBelow(key)])
}

function keysBelow(schema: Schema, path: string): ConfigKey[] {
  const { items, additionalProperties: named, properties = {}, required = [] } = schema
  if (isSchema(items)) return keysBelow(items, `${path}[]`)
  if (isSchema(named)) return keysBelow(named, `${path}.NAME`)
  return Object.entries(properties).flatMap(([name, inner]) =>
    isSchema(inner)
      ? [
          {
            path: path === '' ? name : `${path}.${name}`,
            schema: inner,
            required: required.includes(name),
          },
        ]
      : [],
  )
}

/** The type in words, then its bounds. */
function typeOf(schema: Schema): string[] {
  const { type, enum: choices, const: only, anyOf, items } = schema
  if (anyOf)
    return [
      anyOf
        .filter(isSchema)
        .map((one) => typeOf(one).join(', '))
        .join(', or '),
    ]
  if (only !== undefined) return [`always \`${only}\``]
  if (choices) return [`one of ${choices.map((choice) => `\`${choice}\``).join(', ')}`]
  switch (type) {
    case 'string':
      return ['text']
    case 'boolean':
      return ['true or false']
    case 'integer':
      return [`whole number${rangeOf(schema)}`]
    case 'array':
      return [
        `list${isSchema(items) ? ` (each: ${typeOf(items).join(', ')})` : ''}`,
        ...sizeOf(schema),
      ]
    default:
      return [isSchema(schema.additionalProperties) ? 'mapping of names' : 'mapping']
  }
}

function rangeOf({ minimum, maximum }: Schema): string {
  if (minimum === undefined) return ''
  // zod writes this maximum for a whole number without a bound.
  return maximum === undefined || maximum === Number.MAX_SAFE_INTEGER
    ? `, ${minimum} at least`
    : ` from ${minimum} to ${maximum}`
}

function sizeOf({ minItems, maxItems }: Schema): string[] {
  const least = minItems === undefined ? [] : [`${minItems} at least`]
  return maxItems === undefined ? least : [...least, `${maxItems} at most`]
}

/** The default of one key. An empty mapping counts as none, because each key in it has its own default. */
function defaultOf({ default: value }: Schema): string {
  if (value === undefined) return 'optional'
  const isEmpty = typeof value === 'object' && Object.keys(value ?? {}).length === 0
  return isEmpty ? 'optional' : `default \`${yaml(value)}\``
}

function yaml(value: unknown): string {
  return stringify(value, {
    collectionStyle: 'flow',
    flowCollectionPadding: false,
    lineWidth: 0,
  }).trim()
}

/** An empty schema (`{}`) counts as none, because it has nothing to describe. */
function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}
