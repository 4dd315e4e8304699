// Describes the answers of a route by status: successes with their schemas, errors with their codes.

import { z } from 'zod'
import { apiError as apiErrorSchema } from '../../chatkit/wire/wire.ts'
import { type ErrorCode, ServiceError } from '../../lib/errors.ts'
import { CODES } from '../../respond/codes.ts'
import { apiErrorAnswer } from '../backend/api-error.ts'
import type { Answer, RouteDefinition } from '../route-definition.ts'
import { problemsOf } from './operation.ts'
import { type JsonSchema, jsonSchema } from './schemas.ts'

/** Body of every error answer. */
export const problemSchema = z
  .strictObject({
    type: z.string().describe('urn:chatkit-mint:problem:<code>'),
    title: z.string().describe('The code in words.'),
    status: z.int().min(400).max(599).describe('The HTTP status.'),
    detail: z.string().describe('Advice for the caller.'),
    code: z.enum(Object.keys(CODES)).describe('The code to match on; never renamed.'),
    request_id: z.string().describe('To quote to the operator.'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' })

const PROBLEM = jsonSchema(problemSchema)
const API_ERROR = jsonSchema(apiErrorSchema)

/** One example of each code, for the document's `components`. */
export function problemExamples() {
  return Object.fromEntries(
    Object.entries(CODES).map(([code, { title, status, detail }]) => {
      const type = `urn:chatkit-mint:problem:${code}`
      const value = { type, title, status, detail, code, request_id: 'req_5mVqOa8hTDQkqTPVqgbNfw' }
      return [code, { summary: title, value }]
    }),
  )
}

/** Bodies, by media type. */
export type Content = Readonly<
  Record<string, { readonly schema: JsonSchema; readonly example?: unknown }>
>

interface Header {
  readonly description: string
  readonly required: boolean
  readonly schema: object
}

interface DescribedResponse {
  readonly description: string
  readonly headers: Readonly<Record<string, Header>>
  readonly content?: Content
}

/** @returns the responses of a route, by status */
export function describeResponses(
  route: RouteDefinition,
): Readonly<Record<string, DescribedResponse>> {
  const successes = Map.groupBy(route.answers, ({ status }) => status)
  const problems = problemsOf(route)
  const isBackend = route.checks.includes('backend')
  const statusOf = (code: ErrorCode) => (isBackend ? apiError(code).status : CODES[code].status)
  const failures = Map.groupBy(problems, statusOf)
  // A server, and OpenAI for a backend, may refuse with any status.
  const refusing = isBackend ? 'upstream_rejected' : 'server_refused'
  const refused = problems.filter((code) => code === refusing)
  // Only mints have a cap of live sessions. A failed authentication is a 401, or at the logout, which has none, a 400.
  const isMint = problems.includes('session_limit')
  const isLogout = failures.has(429) && !failures.has(401)
  const limitsOf = (status: number) =>
    isMint || status === 401 || (isLogout && status === 400) ? RATE_LIMIT : {}
  const describe = (status: number, codes: readonly ErrorCode[]) => {
    const response = describeProblems(status, codes, isBackend)
    return { ...response, headers: { ...response.headers, ...limitsOf(status) } }
  }
  return Object.fromEntries([
    ...[...successes].map(
      ([status, same]) => [status, describeAnswers(same, limitsOf(status))] as const,
    ),
    ...[...failures].map(([status, codes]) => [status, describe(status, codes)] as const),
    ...refused.map((code) => ['4XX', describe(400, [code])] as const),
  ])
}

function describeAnswers(answers: readonly Answer[], limits: DescribedResponse['headers']) {
  const content = answers.flatMap(({ schema, example, mediaType = 'application/json' }) =>
    schema === undefined ? [] : [[mediaType, { schema: jsonSchema(schema), example }] as const],
  )
  return {
    description: answers.map(({ description }) => description).join('\n\n'),
    headers: { ...REQUEST_ID, ...limits },
    ...(content.length > 0 && { content: Object.fromEntries(content) }),
  }
}

/** An example of the error on the wire; for backends in the format of the ChatKit API. */
function exampleOf(code: ErrorCode, isBackend: boolean): object {
  if (!isBackend) return { $ref: `#/components/examples/${code}` }
  return { summary: CODES[code].title, value: apiErrorOf(code) }
}

/** The code as callers see it, and its advice. */
function adviceOf(code: ErrorCode, isBackend: boolean): string {
  if (!isBackend) return `\`${code}\`: ${CODES[code].detail}`
  const { error } = apiErrorOf(code)
  return error.code ? `\`${error.code}\`: ${error.message}` : error.message
}

const apiErrorOf = (code: ErrorCode) => apiErrorSchema.parse(JSON.parse(apiError(code).body))

const apiError = (code: ErrorCode) => apiErrorAnswer(new ServiceError(code, { reason: code }))

/** One response per status, with the codes it can carry. */
function describeProblems(status: number, codes: readonly ErrorCode[], isBackend: boolean) {
  const examples = codes.map((code) => [code, exampleOf(code, isBackend)])
  const type = isBackend ? 'application/json' : 'application/problem+json'
  return {
    description: [...new Set(codes.map((code) => adviceOf(code, isBackend)))].join('\n\n'),
    headers: { ...REQUEST_ID, ...HEADERS_OF[status] },
    content: {
      [type]: { schema: isBackend ? API_ERROR : PROBLEM, examples: Object.fromEntries(examples) },
    },
  }
}

const text = { type: 'string' }

const REQUEST_ID = {
  'X-Request-Id': { description: 'To quote to the operator.', required: true, schema: text },
}

const RETRY_AFTER = {
  'Retry-After': {
    description: 'Seconds to wait.',
    required: true,
    schema: { type: 'integer', minimum: 1 },
  },
}

/** On answers to mints and after failed authentications; other answers to reads of one's own threads have none. */
const RATE_LIMIT = {
  RateLimit: {
    description:
      'For example `"mints";r=9;t=60`: the calls that are left in the window, and the seconds until it ends.',
    required: false,
    schema: text,
  },
  'RateLimit-Policy': {
    description:
      'For example `"mints";q=10;w=60`: the calls in a window, and its length in seconds.',
    required: false,
    schema: text,
  },
}

const HEADERS_OF: Readonly<Record<number, DescribedResponse['headers']>> = {
  401: {
    'WWW-Authenticate': {
      description:
        'The schemes that count: `Bearer` (RFC 6750, section 3), and `Basic` at `/v1/introspect`.',
      required: true,
      schema: text,
    },
  },
  405: { Allow: { description: 'The methods of the path.', required: true, schema: text } },
  429: { ...RETRY_AFTER, ...RATE_LIMIT },
  503: RETRY_AFTER,
}
