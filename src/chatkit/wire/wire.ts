// The parts that all calls of the ChatKit API share: errors, list queries, list pages. Requests are
// strict, because this service makes them; answers are read tolerantly, because fields appear there over
// time. Source: the ChatKit API reference; bounds and nulls from its OpenAPI description.

import { z } from 'zod'
import { MAX_USER_CHARACTERS } from '../../lib/ids.ts'

/** Entries of a page when the query has no `limit`. */
export const DEFAULT_LIMIT = 20

/**
 * A string of at least one character and at most `max`, counted in code points as JSON Schema's
 * `maxLength` does: zod's own `max` would refuse 300 emoji.
 *
 * @param max - code points
 */
export function text(max: number): z.ZodString {
  return z
    .string()
    .min(1)
    .check((context) => {
      if ([...context.value].length <= max) return
      const input = context.value
      context.issues.push({
        code: 'too_big',
        origin: 'string',
        maximum: max,
        inclusive: true,
        input,
      })
    })
    .meta({ maxLength: max })
}

/** The `type` that names an object's kind in a union. */
export function kind<const T extends string>(type: T) {
  return z.literal(type).describe('Its kind.')
}

/** A whole number in an answer. The schema takes any number; only the description says that it is whole. */
export function wholeNumber(description: string) {
  return z
    .number()
    .meta({ type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
}

/** A value of a state variable, or of what a client sends for one. By itself zod names no type where there are several. */
export const scalar = z.union([z.string(), z.number(), z.boolean()], {
  error: ({ input }) =>
    `Invalid input: expected string, number or boolean, received ${z.util.parsedType(input)}`,
})

/** A time of an answer. */
export const unixTime = wholeNumber('Unix seconds.')

/**
 * A value of an answer that is one of `known` today. Other values pass too: one that the API adds must not make
 * a whole page unreadable.
 *
 * @param known - the reference's values
 */
export function openEnum<const T extends readonly [string, ...string[]]>(known: T) {
  return z.union([z.enum(known), z.string().min(1)])
}

/** A field that has a default in the reference: when it is absent or null, the default is meant. */
export function orElse<T extends z.ZodType>(schema: T, value: z.output<T>) {
  return z.preprocess((given) => given ?? value, schema)
}

/** A field of an answer that may be null; an absent field means the same. */
export function orNull<T extends z.ZodType>(schema: T) {
  return orElse(schema.nullable(), null)
}

/** `limit`, `order`, `after`, `before`: the query of both lists. Cursors are ids. */
export const listQuery = z.strictObject({
  limit: z
    .int()
    .min(0)
    .max(100)
    .meta({ default: DEFAULT_LIMIT, description: 'Number of entries.' })
    .optional(),
  order: z
    .enum(['asc', 'desc'])
    .meta({ default: 'desc', description: 'By time of creation.' })
    .optional(),
  after: cursor('Entries after this one: `last_id` of the page before.'),
  before: cursor('Entries before this one: `first_id` of the page after.'),
})

function cursor(description: string) {
  return z.string().min(1).meta({ maxLength: 8192, description }).optional()
}

export type ListQuery = z.infer<typeof listQuery>

/** The query of the list of threads; without `user` the API returns every user's threads. */
export const threadListQuery = listQuery.extend({
  user: text(MAX_USER_CHARACTERS).describe('Threads of this user.').optional(),
})
export type ThreadListQuery = z.infer<typeof threadListQuery>

/**
 * A page of a list. `first_id` and `last_id` are null when `data` is empty.
 *
 * @param entry - schema of one entry
 */
export function pageOf<T extends z.ZodType>(entry: T) {
  return z.looseObject({
    object: orElse(z.literal('list').describe('Always `list`.'), 'list'),
    data: z.array(entry).meta({ description: 'The entries.', maxItems: 100 }),
    first_id: orNull(z.string()).describe('Cursor for `before`; null when `data` is empty.'),
    last_id: orNull(z.string()).describe('Cursor for `after`; null when `data` is empty.'),
    has_more: z.boolean().describe('Whether more entries follow in this direction.'),
  })
}

/** Body of every error answer. OpenAI's `message` can contain a masked key, so it is neither logged nor passed on. */
export const apiError = z
  .looseObject({
    error: z
      .looseObject({
        message: z.string().describe('A sentence for a developer.'),
        type: z.string().nullish().describe('A kind of error: `invalid_request_error`, …'),
        param: z.string().nullish().describe('The parameter that is wrong; null for none.'),
        code: z.string().nullish().describe('The code to match on; null where there is none.'),
      })
      .meta({ id: 'ChatKitErrorDetails', description: 'The error.' }),
  })
  .meta({ id: 'ChatKitError', description: "An error in the ChatKit API's own format." })
export type ApiErrorBody = z.infer<typeof apiError>
