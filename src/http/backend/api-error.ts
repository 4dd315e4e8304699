// Errors in the ChatKit API's own format.

import type { z } from 'zod'
import type { ApiErrorBody } from '../../chatkit/wire/wire.ts'

/** Statuses that the embedded API gives by itself. */
export type ApiErrorStatus = 400 | 401 | 403 | 404 | 405 | 413 | 500

/** Fields of an error besides its message; absent ones are null on the wire. */
export interface ApiErrorDetails {
  readonly param?: string
  readonly code?: string
  readonly allow?: string
}

/** An error answer in the API's own format. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: ApiErrorStatus
  readonly details: ApiErrorDetails

  /**
   * @param status - HTTP status
   * @param message - for a developer to read
   * @param details - `param` and `code` of the body, `Allow` of a 405
   */
  constructor(status: ApiErrorStatus, message: string, details: ApiErrorDetails = {}) {
    super(message)
    this.status = status
    this.details = details
  }
}

/**
 * @param error - to put on the wire
 * @returns the answer
 */
export function toResponse(error: ApiError): Response {
  const { param, code, allow } = error.details
  const type = error.status >= 500 ? 'server_error' : 'invalid_request_error'
  const headers: Record<string, string> = allow === undefined ? {} : { allow }
  return Response.json(errorBody({ message: error.message, type, param, code }), {
    status: error.status,
    headers,
  })
}

/**
 * @param error - absent `param` and `code` become null, as the API writes them
 */
export function errorBody(error: {
  readonly message: string
  readonly type: string
  readonly param?: string | undefined
  readonly code?: string | undefined
}): ApiErrorBody {
  const { message, type, param = null, code = null } = error
  return { error: { message, type, param, code } }
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
  const issue = result.error.issues[0]
  throw issue === undefined ? new ApiError(400, 'Invalid request.') : fromIssue(issue)
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

function refusal(message: string, param: string, code: string): ApiError {
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
