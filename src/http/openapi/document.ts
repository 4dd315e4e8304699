// Makes the OpenAPI 3.1 document from the definitions of all routes. Loaded at the first request for it.

import type { z } from 'zod'
import { apiError } from '../../chatkit/wire/wire.ts'
import { VERSION } from '../../lib/version.ts'
import {
  type RouteDefinition,
  type RouteDefinitions,
  type SecurityScheme,
  TAGS,
} from '../route-definition.ts'
import { securityOf } from './operation.ts'
import { type Content, describeResponses, problemExamples, problemSchema } from './responses.ts'
import { samplesOf } from './samples.ts'
import { jsonSchema, namedSchemas } from './schemas.ts'

/** The document that `GET /openapi.json` answers. */
export type OpenApi = ReturnType<typeof createOpenApi>

/** The service's URL in samples when `PUBLIC_URL` is not set. */
const EXAMPLE_URL = 'https://chat.example.com'

export type Operation = ReturnType<typeof describeOperation>

/** @param publicUrl - the service as clients see it */
export function createOpenApi(routes: RouteDefinitions, publicUrl: string | undefined) {
  const paths: Record<string, Record<string, Operation>> = {}
  for (const [id, route] of Object.entries(routes)) {
    const described = describeOperation(id, route, publicUrl)
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: described }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'chatkit-mint',
      version: VERSION,
      description:
        "Authenticates an app's users by their JWT and hands them ChatKit client secrets. " +
        'Every error is RFC 9457 problem details; below `/v1/chatkit` it is in the format of the ChatKit API. ' +
        'Match on `code`. `HEAD` works wherever `GET` does, ' +
        'without a body. `OPTIONS` answers 204 on every path, with `Allow`; from an allowed `Origin` ' +
        'it is a preflight. The console at `/admin` is pages for people, and not part of this API.',
    },
    ...(publicUrl !== undefined && { servers: [{ url: publicUrl }] }),
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        userToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            "The signed-in user's token from one of the configured issuers. A cookie or a header that the " +
            'config names may carry it instead.',
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
          description: 'Signed, and good for one attachment and an hour.',
        },
        fileLink: {
          type: 'apiKey',
          in: 'query',
          name: 'file',
          description: 'Signed, and good for one file and an hour.',
        },
        introspector: {
          type: 'http',
          scheme: 'basic',
          description: 'Id and secret of an `introspection` client of the config.',
        },
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key of the config, for backends.',
        },
        adminToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            'The token of an admin, as the config has it. Never from a cookie or another header.',
        },
      } satisfies Record<SecurityScheme, object>,
      schemas: namedSchemas([problemSchema, apiError, ...Object.values(routes).flatMap(bodiesOf)]),
      examples: problemExamples(),
    },
  }
}

function describeOperation(operationId: string, route: RouteDefinition, base = EXAMPLE_URL) {
  const { summary, description, tag, requestBody, samples = samplesOf(route, base) } = route
  return {
    operationId,
    summary,
    description,
    tags: [tag],
    security: securityOf(route).map((scheme) => ({ [scheme]: [] })),
    parameters: parametersOf(route),
    ...(requestBody && { requestBody: describeBody(requestBody) }),
    responses: describeResponses(route),
    // Known to the renderers of OpenAPI documents (Redoc and others).
    'x-codeSamples': samples,
  }
}

function describeBody({ schema, example, mediaType, otherMediaTypes = [] }: Body) {
  const others = otherMediaTypes.map((type) => [type, { schema: {} }])
  const content: Content = {
    [mediaType ?? 'application/json']: { schema: jsonSchema(schema), example },
    ...Object.fromEntries(others),
  }
  return { required: !schema.safeParse({}).success, content }
}

type Body = NonNullable<RouteDefinition['requestBody']>

/** Schemas of every body of a route. */
function bodiesOf({ requestBody, answers }: RouteDefinition): readonly z.ZodType[] {
  return [requestBody, ...answers].flatMap((body) => body?.schema ?? [])
}

function parametersOf({ pathParameters = {}, query }: RouteDefinition) {
  const all = { path: pathParameters, query: query?.shape ?? {} }
  return Object.entries(all).flatMap(([place, ones]) =>
    Object.entries(ones).map(([name, one]) => {
      const { description, ...schema } = jsonSchema(one, 'output')
      const text = String(description ?? '')
      return { name, in: place, required: place === 'path', description: text, schema }
    }),
  )
}
