import type { z } from 'zod'
import type { ErrorCode } from '../../lib/errors.ts'

/** How a caller proves who it is; described in the document's `securitySchemes`. */
export type SecurityScheme =
  | 'userToken'
  | 'adminToken'
  | 'clientSecret'
  | 'uploadLink'
  | 'introspector'

/** One route, as the API description tells it. */
export interface Operation {
  /** With `{parameters}` in OpenAPI's spelling. */
  readonly path: string
  readonly method: 'get' | 'post' | 'put' | 'delete'
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly tag: string
  /** Any one of them is enough; none for routes that ask for no credential. */
  readonly security: readonly SecurityScheme[]
  /** Names of parameters in the path. */
  readonly pathParameters?: Readonly<Record<string, string>>
  readonly query?: z.ZodObject
  readonly requestBody?: {
    readonly schema: z.ZodType
    readonly example: unknown
    /** `application/json` when absent. */
    readonly mediaType?: string
    /** What else is taken, as it is. */
    readonly otherMediaTypes?: readonly string[]
    readonly required?: boolean
  }
  readonly answers: readonly Answer[]
  readonly problems: readonly ErrorCode[]
}

/** A good answer; a status that can have several media types stands once for each. */
export interface Answer {
  readonly status: number
  readonly description: string
  /** Absent when the answer has no body. */
  readonly schema?: z.ZodType
  readonly example?: unknown
  /** `application/json` when absent. */
  readonly mediaType?: string
}

/** What every route can answer, below and around the handlers. */
export const ANYWHERE = [
  'invalid_request',
  'origin_not_allowed',
  'not_found',
  'method_not_allowed',
  'request_timeout',
  'expectation_failed',
  'headers_too_large',
  'internal_error',
] as const satisfies readonly ErrorCode[]

/** What a token can come to. */
export const AUTHENTICATION = [
  'missing_token',
  'invalid_token',
  'token_expired',
  'rate_limited',
  'idp_unavailable',
] as const satisfies readonly ErrorCode[]

/** What a body can come to. */
export const BODY = [
  'body_too_large',
  'unsupported_media_type',
] as const satisfies readonly ErrorCode[]

/** What OpenAI's part can come to. */
export const UPSTREAM = [
  'upstream_rejected',
  'upstream_auth_failed',
  'workflow_unavailable',
  'upstream_invalid_response',
  'upstream_unavailable',
  'upstream_rate_limited',
  'upstream_timeout',
  'overloaded',
] as const satisfies readonly ErrorCode[]
