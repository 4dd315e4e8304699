import { z } from 'zod'
import type { ErrorCode } from '../lib/errors.ts'
import { CODES } from '../respond/problem.ts'
import type { AppContext } from './app-env.ts'
import type { Operation } from './openapi-operation.ts'
import { OPERATIONS } from './openapi-operations.ts'

const problemSchema = z
  .object({
    type: z.string().describe('urn:chatkit-mint:problem:<code>'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What the caller can do about it.'),
    code: z.enum(Object.keys(CODES)).describe('What to match on; never renamed.'),
    request_id: z.string().describe('To quote to the operator.'),
  })
  .describe('RFC 9457 problem details.')

/**
 * `GET /openapi.json`: OpenAPI 3.1 of every route, made from the schemas that the handlers use.
 *
 * @param publicUrl - the service as clients see it
 */
export function answerOpenApi(publicUrl: string | undefined) {
  const body = JSON.stringify(createOpenApi(publicUrl))
  return (c: AppContext): Response => {
    c.header('Content-Type', 'application/json')
    return c.body(body)
  }
}

/**
 * The document itself.
 *
 * @param publicUrl - the service as clients see it
 */
function createOpenApi(publicUrl: string | undefined) {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const operation of OPERATIONS) {
    paths[operation.path] ??= {}
    Object.assign(paths[operation.path] ?? {}, {
      [operation.method]: describeOperation(operation),
    })
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'chatkit-mint',
      version: '1',
      description:
        "Authenticates an app's users by their JWT and hands them ChatKit client secrets. " +
        'Every error is RFC 9457 problem details; match on `code`.',
    },
    ...(publicUrl !== undefined && { servers: [{ url: publicUrl }] }),
    paths,
    components: {
      securitySchemes: {
        userToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: "The signed-in user's token from one of the configured issuers.",
        },
        clientSecret: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The client secret of a session of a self-hosted workflow.',
        },
        uploadLink: {
          type: 'apiKey',
          in: 'query',
          name: 'upload',
          description: 'Signed, short-lived, and good for one attachment.',
        },
        introspector: {
          type: 'http',
          scheme: 'basic',
          description: 'Id and secret of an `introspection` client of the config.',
        },
        adminToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The token of an admin, as the config has it. Never from a cookie.',
        },
      },
      schemas: { Problem: jsonSchema(problemSchema) },
    },
  }
}

function describeOperation(operation: Operation) {
  const { operationId, summary, description, tag, security, requestBody, answers } = operation
  return {
    operationId,
    summary,
    description,
    tags: [tag],
    security: security === 'none' ? [] : [{ [security]: [] }],
    parameters: [...pathParameters(operation), ...queryParameters(operation)],
    ...(requestBody && { requestBody: describeBody(requestBody) }),
    responses: {
      ...answers.map(describeAnswer).reduce(merge, {}),
      ...problems(operation.problems),
    },
  }
}

function describeBody({ schema, example, mediaType, required }: Body) {
  const content = { [mediaType ?? 'application/json']: { schema: jsonSchema(schema), example } }
  return { required: required ?? false, content }
}

type Body = NonNullable<Operation['requestBody']>

function pathParameters({ pathParameters }: Operation) {
  return Object.entries(pathParameters ?? {}).map(([name, description]) => ({
    name,
    in: 'path',
    required: true,
    description,
    schema: { type: 'string' },
  }))
}

function queryParameters({ query }: Operation) {
  return Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: jsonSchema(z.object({ [name]: schema }), name),
  }))
}

function describeAnswer({ status, description, ...body }: Operation['answers'][number]) {
  const { schema, example, mediaType = 'application/json' } = body
  const content = schema && { [mediaType]: { schema: jsonSchema(schema), example } }
  return { [status]: { description, headers: HEADERS, ...(content && { content }) } }
}

function merge(all: Record<string, unknown>, one: Record<string, unknown>) {
  return Object.assign(all, one)
}

const HEADERS = {
  'X-Request-Id': { description: 'To quote to the operator.', schema: { type: 'string' } },
}

/** One response per status, with the codes it can carry. */
function problems(codes: readonly ErrorCode[]) {
  const byStatus = Map.groupBy(codes, (code) => CODES[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, sameStatus]) => [
      status,
      {
        description: sameStatus.map((code) => `\`${code}\`: ${CODES[code].detail}`).join('\n\n'),
        headers: HEADERS,
        content: {
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        },
      },
    ]),
  )
}

/** Draft 2020-12, as OpenAPI 3.1 has it; of one property when it is named. */
function jsonSchema(schema: z.ZodType, property?: string): unknown {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' })
  return property === undefined ? rest : rest.properties?.[property]
}
