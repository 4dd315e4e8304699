// Turns zod schemas into JSON Schema, draft 2020-12, as OpenAPI 3.1 has it. A schema that has a name, by
// `.meta({ id })`, stands once among the components, and everywhere else as a reference.

import { z } from 'zod'

/** A JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>

/**
 * A schema as it stands where it is used.
 *
 * @param schema - of what goes over the wire
 * @param io - `output` for a parameter that is read as a number: its text is what goes over the wire, but
 * OpenAPI describes the value
 */
export function jsonSchema(schema: z.core.$ZodType, io: 'input' | 'output' = 'input'): JsonSchema {
  const { $schema, $defs, ...rest } = convert(schema, io)
  return rest
}

/**
 * All schemas with a name that these have in them, by name.
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

/** That further members are allowed is the default; said aloud, generators make maps of such objects. */
function withoutFurtherMembers({
  jsonSchema,
}: {
  readonly jsonSchema: z.core.JSONSchema.BaseSchema
}) {
  const { additionalProperties } = jsonSchema
  if (typeof additionalProperties !== 'object') return
  if (Object.keys(additionalProperties).length === 0) delete jsonSchema.additionalProperties
}
