// The static half of a route: address, checks, and everything that the API description says of it.
// openapi/operation.ts derives security and most error codes from these, so that no definition repeats them.

import type { Handler } from 'hono'
import { z } from 'zod'
import type { ErrorCode } from '../lib/errors.ts'
import { OBJECT_ID } from '../lib/ids.ts'
import type { AppEnv } from './context.ts'

/** A check that lets a request through to the handler; `app.ts` has one for each name. */
export type CheckName = 'user' | 'reads' | 'admin' | 'introspector' | 'backend'

/** Ways in which a caller proves its identity; described in the document's `securitySchemes`. */
export type SecurityScheme =
  | 'userToken'
  | 'adminToken'
  | 'clientSecret'
  | 'uploadLink'
  | 'fileLink'
  | 'introspector'
  | 'apiKey'

/** The groups of routes. */
export const TAGS = {
  sessions: "Mints and ends sessions of the app's users.",
  threads: "The caller's own threads.",
  chatkit: 'For self-hosted ChatKit servers and for ChatKit in the page.',
  'chatkit api': 'For backends: the six operations of the ChatKit API.',
  admin: 'For admins: sessions, users, threads, audit of everyone.',
  operation: 'For machines and developers.',
} as const

/** A sample of a call in one language. */
export interface CodeSample {
  readonly lang: string
  readonly source: string
}

/** One method of one path; its key in the table is its operation id. */
export interface RouteDefinition {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** With `{parameters}` in OpenAPI's spelling. */
  readonly path: `/${string}`
  /** Run in this order before the handler. Empty for routes without a check. */
  readonly checks: readonly CheckName[]
  /** Credentials that the handler itself checks; any one of them is enough. */
  readonly credentials?: readonly SecurityScheme[]
  readonly summary: string
  readonly description: string
  readonly tag: keyof typeof TAGS
  /** Each parameter in the path, with a description and an example; read by the handler. */
  readonly pathParameters?: Readonly<Record<string, z.ZodType>>
  /** Checked before the handler runs; for backends by the handler, which words refusals as the API does. */
  readonly query?: z.ZodObject
  /** Read by the handler. The body may be absent where the schema accepts `{}`. */
  readonly requestBody?: {
    readonly schema: z.ZodType
    readonly example: unknown
    /** `application/json` when absent. */
    readonly mediaType?: string
    /** Other types that are taken, without a schema. */
    readonly otherMediaTypes?: readonly string[]
  }
  /** For the reference, where others than openapi/samples.ts makes of the definition. */
  readonly samples?: readonly CodeSample[]
  readonly answers: readonly Answer[]
  /** Error codes, besides those that follow from checks and body and those of every route. */
  readonly problems?: readonly ErrorCode[]
}

/** Definitions by operation id. */
export type RouteDefinitions = Readonly<Record<string, RouteDefinition>>

/** The other half of each of these routes. */
export type HandlersOf<T extends RouteDefinitions> = Readonly<Record<keyof T, Handler<AppEnv>>>

/** A successful answer. A status with several media types has one entry for each. */
export interface Answer {
  readonly status: number
  readonly description: string
  /** Absent when the answer has no body. */
  readonly schema?: z.ZodType
  readonly example?: unknown
  /** `application/json` when absent. */
  readonly mediaType?: string
}

/** Error codes of calls that read a body. */
export const BODY = [
  'body_too_large',
  'unsupported_media_type',
] as const satisfies readonly ErrorCode[]

/** Error codes of calls to the ChatKit API. */
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

export function jsonAnswer(description: string, schema: z.ZodType, example: unknown): Answer {
  return { status: 200, description, schema, example }
}

export function textAnswer(description: string, mediaType: string): Answer {
  return { status: 200, description, mediaType, schema: z.string() }
}

/** Parameter of a path: an id, and one for samples. */
export function idInPath(description: string, example: string): z.ZodType {
  return z
    .string()
    .regex(OBJECT_ID)
    .meta({ description, examples: [example] })
}

/** A time on the wire: whole Unix seconds. */
export function unixTime(description: string): z.ZodInt {
  return z.int().min(0).describe(`${description} Unix seconds.`)
}

export const blockedUntil = z
  .int()
  .min(0)
  .nullable()
  .describe('End of the block; null without one. Unix seconds.')

/**
 * The answer of a list.
 *
 * @param cursor - of the example
 */
export function pageAnswer(schema: z.ZodType, entry: object, cursor: string): Answer {
  const data = [entry]
  const ends = { first_id: cursor, last_id: cursor, has_more: false }
  return jsonAnswer('A page.', schema, { object: 'list', data, ...ends })
}

/**
 * Schema of a page.
 *
 * @param entry - of each entry
 * @param id - the page's own name in the API description
 */
export function listOf(entry: z.ZodType, id: string): z.ZodType {
  return z
    .object({
      object: z.literal('list').describe('Always `list`.'),
      data: z.array(entry).max(100).describe('The entries.'),
      first_id: z.string().nullable().describe('Cursor for `before`; null when `data` is empty.'),
      last_id: z
        .string()
        .nullable()
        .describe('Cursor for `after`; null when there is none to go on from.'),
      has_more: z.boolean().describe('Whether there is more in this direction.'),
    })
    .meta({ id, description: 'A page of a list.' })
}
