// Turns rows of a store into records, and checks each field. SQLite and Redis use the same field names; Redis
// returns numbers as text.

import { z } from 'zod'

export const text = z.string()
export const count = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
/** A user's id, as read from the store. */
export const userId = text.brand<'UserId'>()

/** Fields of records by the columns of rows. */
const FIELDS: Record<string, string> = {}

/**
 * Makes the function that turns a row into a record. Names get the case of records, and what is null in SQLite is absent,
 * as in Redis. The function throws `ZodError` when a field is missing or of the wrong type.
 *
 * @param schema - of the record
 */
export function readerOf<T>(schema: z.ZodType<T>) {
  return (row: object): T => {
    const fields: Record<string, unknown> = {}
    for (const [column, value] of Object.entries(row)) {
      FIELDS[column] ??= column.replaceAll(/_(.)/g, (_, letter) => letter.toUpperCase())
      if (value !== null) fields[FIELDS[column]] = value
    }
    return schema.parse(fields)
  }
}
