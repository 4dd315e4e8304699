// Reads the parameters of the six operations as the API does: body and query. It words every refusal with
// the path of the parameter, because SDKs show that.

import type { Context } from 'hono'
import type { z } from 'zod'
import { issueIn } from '../../lib/errors.ts'
import { parseStrictJson, StrictJsonError } from '../../lib/json.ts'
import { ApiError } from './api-error.ts'

export const MAX_BODY_BYTES = 256 * 1024
/** Deepest nesting of a JSON body. */
export const MAX_JSON_DEPTH = 64

/**
 * Refuses a body that is not JSON by its content type.
 *
 * @throws {@link ApiError} 400
 */
export function requireJsonType({ req }: Context): void {
  const type = req.header('content-type') ?? ''
  if (type.split(';')[0]?.trim().toLowerCase() === 'application/json') return
  const message = `Unsupported content type: '${type}'. This API method only accepts 'application/json' requests.`
  throw new ApiError(400, message, { code: 'unsupported_content_type' })
}

/** @throws {@link ApiError} 400 for malformed JSON, repeated keys, and nesting that is too deep */
export function parseJson(body: string | Uint8Array): unknown {
  try {
    return parseStrictJson(body, MAX_JSON_DEPTH)
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error
    const message = `We could not parse the JSON body of your request: ${error.message}.`
    throw new ApiError(400, message)
  }
}

/**
 * The query of a list call as its schema reads it: `limit` is a number where it looks like one. A parameter
 * that the schema does not name is ignored; of a repeated one the first counts.
 *
 * @throws {@link ApiError} 400 when a parameter is not what the schema takes, or an escape is not UTF-8
 */
export function queryOf<S extends z.ZodObject>({ req }: Context, schema: S): z.infer<S> {
  try {
    // Hono leaves such an escape as it stands, so `%ff` would be a user of three characters.
    decodeURIComponent(new URL(req.url).search)
  } catch {
    throw new ApiError(400, 'The query has a percent-encoded part that is not UTF-8.')
  }
  const named = Object.entries(req.query()).filter(([name]) => Object.hasOwn(schema.shape, name))
  const entries = named.map(([name, value]) => {
    const isNumber = name === 'limit' && /^-?\d{1,9}$/.test(value)
    return [name, isNumber ? Number(value) : value] as const
  })
  return parseOrRefuse(schema, Object.fromEntries(entries))
}

/**
 * Checks a value and words the first fault as the API does.
 *
 * @param schema - of `wire.ts` or of a control call
 * @param value - whatever arrived
 * @throws {@link ApiError} 400
 */
export function parseOrRefuse<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  throw fromIssue(issueIn(result.error))
}

function fromIssue(issue: z.core.$ZodIssue): ApiError {
  const param = pathOf(issue.path)
  switch (issue.code) {
    case 'unrecognized_keys': {
      const unknown = pathOf([...issue.path, issue.keys[0] ?? ''])
      return refusal(`Unknown parameter: '${unknown}'.`, unknown, 'unknown_parameter')
    }
    case 'too_big':
      return outOfBounds(param, `${kindOf(issue.origin)}_above_max_${measure(issue.origin)}`, issue)
    case 'too_small':
      return outOfBounds(param, `${kindOf(issue.origin)}_below_min_${measure(issue.origin)}`, issue)
    case 'invalid_value':
      if (issue.input === undefined) return missing(param)
      return refusal(`Invalid value for '${param}': ${issue.message}.`, param, 'invalid_value')
    default:
      if (issue.input === undefined) return missing(param)
      return refusal(`Invalid type for '${param}': ${issue.message}.`, param, 'invalid_type')
  }
}

/** A 400 about one parameter. */
export function refusal(message: string, param: string, code: string): ApiError {
  return new ApiError(400, message, { param, code })
}

function missing(param: string): ApiError {
  const message = `Missing required parameter: '${param}'.`
  return refusal(message, param, 'missing_required_parameter')
}

function outOfBounds(param: string, code: string, issue: z.core.$ZodIssue): ApiError {
  return refusal(`Invalid '${param}': ${issue.message}.`, param, code)
}

/** The API's name of a value in its codes: `integer_above_max_value`. */
function kindOf(origin: string): string {
  return origin === 'number' || origin === 'int' ? 'integer' : origin
}

function measure(origin: string): string {
  if (origin === 'string') return 'length'
  return origin === 'object' || origin === 'array' ? 'properties' : 'value'
}

/** `workflow.state_variables.plan`, `items[2].type`; the body itself is `body`. */
function pathOf(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>((done, part) => {
    if (typeof part === 'number') return `${done}[${part}]`
    return done === '' ? String(part) : `${done}.${String(part)}`
  }, '')
  return text === '' ? 'body' : text
}
