// Turns zod schemas into JSON Schema, draft 2020-12, which OpenAPI 3.1 uses. A schema with a name, given by
// `.meta({ id })`, is written once, among the components; every other use refers to it.

import { z } from 'zod'

export type JsonSchema = Readonly<Record<string, unknown>>

/**
 * The schema of one value; named schemas in it are references.
 *
 * @param schema - of a value on the wire
 * @param io - `output` for parameters: on the wire they are text, but OpenAPI describes the value that is read from it
 */
export function jsonSchema(schema: z.core.$ZodType, io: 'input' | 'output' = 'input'): JsonSchema {
  const { $schema, $defs, ...rest } = convert(schema, io)
  return rest
}

/**
 * All named schemas in the given ones, by name.
 *
 * @throws when two have the same name
 */
export function namedSchemas(schemas: readonly z.ZodType[]): Readonly<Record<string, JsonSchema>> {
  return convert(z.union(schemas), 'input').$defs ?? {}
}

const jsonDocument = z.looseObject({
  $defs: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
})

function convert(schema: z.core.$ZodType, io: 'input' | 'output') {
  const text = JSON.stringify(z.toJSONSchema(schema, { io, override: withoutFurtherMembers }))
  const referring = text.replaceAll('"#/$defs/', '"#/components/schemas/')
  return jsonDocument.parse(JSON.parse(referring, (_, value) => acceptingNulls(value)))
}

/** An object that takes no further members. Only those in bodies that callers send have optional ones. */
const closedObject = z.looseObject({
  additionalProperties: z.literal(false),
  properties: z.record(z.string(), z.record(z.string(), z.unknown())),
  required: z.array(z.string()).optional(),
})

/** Lets optional members of a body be null, which counts as absence. */
function acceptingNulls(value: unknown): unknown {
  const { data: closed } = closedObject.safeParse(value)
  if (closed === undefined) return value
  const properties = Object.entries(closed.properties).map(([name, schema]) => [
    name,
    closed.required?.includes(name) ? schema : orNull(schema),
  ])
  return { ...closed, properties: Object.fromEntries(properties) }
}

/** @param schema - has no description where it refers to a named one, which describes itself */
function orNull({ description = 'Null is the same as absent.', ...schema }: JsonSchema) {
  return { anyOf: [schema, { type: 'null' }], description }
}

/**
 * Drops `additionalProperties: {}` beside properties. It is the default, and code generators turn an object that has
 * it into a map. Without properties it stays: a map is right there, and generators take the bare object for an empty one.
 */
function withoutFurtherMembers({
  jsonSchema,
}: {
  readonly jsonSchema: z.core.JSONSchema.BaseSchema
}) {
  const { type, additionalProperties, properties = {} } = jsonSchema
  if (type === 'object' && Object.keys(properties).length === 0) return
  if (typeof additionalProperties !== 'object') return
  if (Object.keys(additionalProperties).length === 0) delete jsonSchema.additionalProperties
}
