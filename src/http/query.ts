// Checks the parts of a URL: query parameters, the parameters of lists, ids in paths.

import { zValidator } from '@hono/zod-validator'
import { z } from 'zod'
import { issueIn, ServiceError } from '../lib/errors.ts'
import { showAll } from '../lib/show.ts'
import type { AppContext, AppEnv, Check } from './context.ts'

/** An id; in the list of blocks, a user. */
const cursor = z.string().min(1).max(2048)

/** `limit`, `order`, `after`, `before`: as in the ChatKit API, with its defaults. */
export const listParameters = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .pipe(z.int().min(0).max(100))
    .default(20)
    .describe('Number of entries.'),
  order: z.enum(['asc', 'desc']).default('desc').describe('By time of creation.'),
  after: cursor.optional().describe('Entries after this one: `last_id` of the page before.'),
  before: cursor.optional().describe('Entries before this one: `first_id` of the page after.'),
}

/** A time in Unix seconds. */
export const timeInQuery = z
  .string()
  .regex(/^\d{1,12}$/)
  .transform(Number)
  .pipe(z.int().min(0))

/**
 * Checks the query. After this check, {@link validQuery} gives the result. A repeated parameter is
 * refused, because two readers may not agree on which value counts.
 *
 * @param schema - a strict object for calls of programs
 */
export function query(schema: z.ZodType<object>): Check {
  const validate = zValidator<typeof schema, 'query', AppEnv, string, typeof refuse>(
    'query',
    schema,
    refuse,
  )
  return async (c) => {
    checkEscapes(c)
    await validate(c, async () => {})
  }
}

/**
 * Refuses every query parameter, for calls that take none: its sender expects something that will not
 * happen.
 *
 * @throws `invalid_request`
 */
export function refuseQuery(c: AppContext): void {
  checkEscapes(c)
  const { searchParams } = new URL(c.req.url)
  if (searchParams.size > 0) throw unknownParameter([...searchParams.keys()])
}

/**
 * The query that {@link query} has checked. The table of routes erases Hono's input types; the schema
 * restores them.
 */
export function validQuery<S extends z.ZodType>(c: AppContext, _schema: S): z.output<S> {
  return c.req.valid('query' as never)
}

/** Returns the page, or refuses the cursor if it belongs to no entry of this list. */
export function pageOrRefusal<T>(page: T | undefined): T {
  if (page !== undefined) return page
  throw invalidQuery('The cursor in "after" or "before" is of no entry of this list.')
}

/**
 * The id in the path, parsed before anything is looked up or sent with it.
 *
 * @param parse - returns undefined for a text that is no id
 * @throws `invalid_request`
 */
export function pathId<T>(c: AppContext, parse: (text: string) => T | undefined): T {
  const id = parse(c.req.param('id') ?? '')
  if (id !== undefined) return id
  throw new ServiceError('invalid_request', {
    reason: 'an id with characters that ids do not have',
    detail: 'The id in the path is not valid.',
  })
}

function refuse({ error }: { success: boolean; error?: z.core.$ZodError }): void {
  if (error === undefined) return
  const issue = issueIn(error)
  if (issue.code === 'unrecognized_keys') throw unknownParameter(issue.keys)
  const name = issue.path.map(String).join('.')
  throw invalidQuery(`The query parameter "${name}" is not what this call expects, or is repeated.`)
}

/**
 * Hono does not decode an escape that is not UTF-8, so `%ff` would be a user of three characters. It omits a
 * parameter without a name, which no call knows.
 */
function checkEscapes(c: AppContext): void {
  const { pathname, search, searchParams } = new URL(c.req.url)
  if (searchParams.has('')) throw unknownParameter([''])
  try {
    decodeURIComponent(pathname + search)
  } catch {
    throw new ServiceError('invalid_request', {
      reason: 'an escape in the URL that is not UTF-8',
      detail: 'The URL has a percent-encoded part that is not UTF-8.',
    })
  }
}

function unknownParameter(names: readonly string[]): ServiceError {
  const detail = 'The query has a parameter that this call does not know.'
  return invalidQuery(detail, ` ${showAll(names)}`)
}

/** @param seen - for the log */
function invalidQuery(detail: string, seen = ''): ServiceError {
  return new ServiceError('invalid_request', { reason: `query: ${detail}${seen}`, detail })
}
