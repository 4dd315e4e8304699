import { z } from 'zod'

/**
 * A zod schema as OpenAPI 3.1 has it: JSON Schema, draft 2020-12.
 *
 * @param schema - of what goes over the wire
 * @param property - only this one of an object's
 */
export function jsonSchema(schema: z.ZodType, property?: string): unknown {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' })
  return property === undefined ? rest : rest.properties?.[property]
}
