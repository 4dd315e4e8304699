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
}

/**
 * A value of an answer that is one of these today. Others pass too: a value that the API adds must
 * not make a whole page unreadable.
 *
 * @param known - the reference's values
 */
export function openEnum<const T extends readonly [string, ...string[]]>(known: T) {
  return z.union([z.enum(known), z.string().min(1)])
}

/** `limit`, `order`, `after`, `before`: the query of both lists. Cursors are ids. */
export const listQuery = z.strictObject({
  limit: z.int().min(0).max(100).optional(),
  order: z.enum(['asc', 'desc']).optional(),
  after: z.string().min(1).optional(),
  before: z.string().min(1).optional(),
})
/** {@link listQuery} */
export type ListQuery = z.infer<typeof listQuery>

/** The query of the list of threads; without `user` the API returns every user's threads. */
export const threadListQuery = listQuery.extend({ user: text(MAX_USER_CHARACTERS).optional() })
/** {@link threadListQuery} */
export type ThreadListQuery = z.infer<typeof threadListQuery>

/**
 * A page of a list. `first_id` and `last_id` are null when `data` is empty.
 *
 * @param entry - schema of one entry
 */
export function pageOf<T extends z.ZodType>(entry: T) {
  return z.looseObject({
    object: z.literal('list'),
    data: z.array(entry),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
}

/** Body of every error answer. `message` can contain a masked key: for no one's eyes but the log's. */
export const apiError = z.looseObject({
  error: z.looseObject({
    message: z.string(),
    type: z.string().nullish(),
    param: z.string().nullish(),
    code: z.string().nullish(),
  }),
})
/** {@link apiError} */
export type ApiErrorBody = z.infer<typeof apiError>
