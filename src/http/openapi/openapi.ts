import { z } from 'zod'
import type { AppContext } from '../context.ts'
import type { Operation } from './operation.ts'
import { OPERATIONS } from './operations.ts'
import { describeResponses, problemExamples, problemSchema } from './responses.ts'
import { jsonSchema } from './schema.ts'

/**
 * `GET /openapi.json`: OpenAPI 3.1 of every route, made from the schemas that the handlers use when it
 * is first asked for: a start does not wait for it.
 *
 * @param publicUrl - the service as clients see it
 */
export function answerOpenApi(publicUrl: string | undefined) {
  let body: string | undefined
  return (c: AppContext): Response => {
    body ??= JSON.stringify(createOpenApi(publicUrl))
    c.header('Content-Type', 'application/json')
    return c.body(body)
  }
}

/**
 * The document itself.
 *
 * @param publicUrl - the service as clients see it
 */
export function createOpenApi(publicUrl: string | undefined) {
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
        'Every error is RFC 9457 problem details; match on `code`. `HEAD` works wherever `GET` does, ' +
        'without a body. `OPTIONS` answers 204 on every path, with `Allow`; from an allowed `Origin` ' +
        'it is a preflight. The console at `/admin` is pages for people, and no part of this API.',
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
      examples: problemExamples(),
    },
  }
}

function describeOperation(operation: Operation) {
  const { operationId, summary, description, tag, security, requestBody } = operation
  return {
    operationId,
    summary,
    description,
    tags: [tag],
    security: security.map((scheme) => ({ [scheme]: [] })),
    parameters: [...pathParameters(operation), ...queryParameters(operation)],
    ...(requestBody && { requestBody: describeBody(requestBody) }),
    responses: describeResponses(operation),
  }
}

function describeBody({ schema, example, mediaType, otherMediaTypes = [], required }: Body) {
  const own = { [mediaType ?? 'application/json']: { schema: jsonSchema(schema), example } }
  const others = otherMediaTypes.map((type) => [type, { schema: {} }])
  return { required: required ?? false, content: { ...own, ...Object.fromEntries(others) } }
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
