// Turns zod schemas into JSON Schema, draft 2020-12, which OpenAPI 3.1 uses. A schema with a name, given by
// `.meta({ id })`, is written once among the components; everywhere else a reference points to it.

import { z } from 'zod'

/** A JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>

/**
 * A schema at the place where it is used.
 *
 * @param schema - of a value on the wire
 * @param io - `output` for a parameter that is read as a number: its text is what goes over the wire, but
 * OpenAPI describes the value
 */
export function jsonSchema(schema: z.core.$ZodType, io: 'input' | 'output' = 'input'): JsonSchema {
  const { $schema, $defs, ...rest } = convert(schema, io)
  return rest
}

/**
 * All named schemas that these contain, by name.
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
 * Drops `additionalProperties: {}`, which is the default: where it is written, code generators turn the object
 * into a map.
 */
function withoutFurtherMembers({
  jsonSchema,
}: {
  readonly jsonSchema: z.core.JSONSchema.BaseSchema
}) {
  const { additionalProperties } = jsonSchema
  if (typeof additionalProperties !== 'object') return
  if (Object.keys(additionalProperties).length === 0) delete jsonSchema.additionalProperties
}
