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
  return jsonDocument.parse(JSON.parse(text.replaceAll('"#/$defs/', '"#/components/schemas/')))
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
