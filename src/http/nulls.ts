// Takes null as absence in bodies, in fields that the call knows.
import { z } from 'zod'

/**
 * Many languages write an absent value as `null`. A field that is required is then missing, and one that
 * the schema does not know is refused as before.
 */
export function withoutNulls(body: unknown, schema: z.ZodType | undefined): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  if (!hasNull(body)) return body
  const known = knownFields(schema)
  if (known.size === 0) return body
  const fields = Object.entries(body).filter(([name, value]) => value !== null || !known.has(name))
  return Object.fromEntries(
    fields.map(([name, value]) => [name, withoutNulls(value, known.get(name))]),
  )
}

function hasNull(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === null
  return Object.values(value).some(hasNull)
}

/** The fields that a schema of an object, or of one of several, has. */
export function knownFields(schema: z.ZodType | undefined): ReadonlyMap<string, z.ZodType> {
  const inner: unknown = schema instanceof z.ZodOptional ? schema.unwrap() : schema
  const forms: readonly unknown[] = inner instanceof z.ZodUnion ? inner.options : [inner]
  return new Map(
    forms.flatMap((form) => (form instanceof z.ZodObject ? Object.entries(form.shape) : [])),
  )
}
