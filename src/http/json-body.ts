import type { z } from 'zod'
import { ServiceError } from '../lib/errors.ts'
import { JSON_TYPE } from '../lib/header-patterns.ts'
import { parseStrictJson, StrictJsonError } from '../lib/strict-json.ts'
import { bodyLength, readText } from './body.ts'
import type { AppContext, Check } from './context.ts'
import { type Validation, validator } from './validator.ts'

/** Deepest nesting of a JSON body. */
const MAX_DEPTH = 32

/**
 * Reads and checks the body in the contract's order: 415, 413, 400. No body, and `application/json`
 * with an empty one, count as `{}`. Behind it {@link validBody} has the result.
 *
 * @param schema - a strict object, so that unknown fields are refused
 * @throws `unsupported_media_type`, `body_too_large`, `invalid_request`, `request_timeout`
 */
export function jsonBody(schema: z.ZodType<object>): Check {
  const validate = validator('json', schema, refuse)
  const empty = schema.safeParse({})
  return async (c) => {
    const length = bodyLength(c)
    checkContentType(c, length)
    const text = await readText(c)
    if (text !== '') {
      checkStrictJson(text)
      return validate(c)
    }
    refuse(empty)
    c.req.addValidatedData('json', empty.data ?? {})
  }
}

/**
 * What {@link jsonBody} let through. The table of routes erases Hono's input types; the schema at
 * hand restores them.
 *
 * @param c - behind `jsonBody(schema)`
 * @param _schema - the same one
 */
export function validBody<S extends z.ZodType>(c: AppContext, _schema: S): z.output<S> {
  return c.req.valid('json' as never)
}

function refuse(result: Validation): void {
  if (result.success) return
  const issue = result.error?.issues[0]
  const problem = issue ? describeIssue(issue) : 'The body does not fit.'
  throw new ServiceError('invalid_request', { reason: `body: ${problem}`, detail: problem })
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const field = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys')
    return 'The body has a field that this call does not know.'
  if (issue.code === 'invalid_union') return 'The body is of none of the forms this call takes.'
  if (field === '') return 'The body must be a JSON object.'
  return `The field "${field.slice(0, 64)}" of the body is not what this call expects.`
}

/** A form or text body needs no preflight, so another site could send it: only JSON is read. */
function checkContentType(c: AppContext, length: number | undefined): void {
  const type = c.req.header('Content-Type')
  const encoding = c.req.header('Content-Encoding')
  if (type === undefined ? length !== 0 : !JSON_TYPE.test(type)) {
    throw new ServiceError('unsupported_media_type', { reason: 'not application/json in UTF-8' })
  }
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new ServiceError('unsupported_media_type', { reason: 'a Content-Encoding' })
  }
}

function checkStrictJson(text: string): void {
  try {
    // What is not UTF-8 has become U+FFFD by now; nobody sends that on purpose.
    if (text.includes('\uFFFD')) throw new StrictJsonError('not UTF-8')
    parseStrictJson(text, MAX_DEPTH)
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error
    const detail = `The body cannot be read: ${error.message}.`
    throw new ServiceError('invalid_request', { reason: `body: ${error.message}`, detail })
  }
}
