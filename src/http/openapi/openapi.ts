// Answers `GET /openapi.json`. At the first request, the code for the document is loaded and the document made.

import { z } from 'zod'
import type { AppContext } from '../context.ts'
import { jsonAnswer, type RouteDefinitions } from '../route-definition.ts'

const anyOpenApi = z
  .looseObject({
    openapi: z.string().describe('3.1.0'),
    paths: z.looseObject({}).meta({ id: 'OpenApiPaths', description: 'Operations, by path.' }),
  })
  .meta({ id: 'OpenApiDocument', description: 'This description.' })

export const OPENAPI_ROUTES = {
  openapi: {
    method: 'GET',
    path: '/openapi.json',
    checks: [],
    summary: 'This document',
    description: 'OpenAPI 3.1.',
    tag: 'operation',
    answers: [jsonAnswer('OpenAPI 3.1, as JSON.', anyOpenApi, { openapi: '3.1.0', paths: {} })],
  },
} satisfies RouteDefinitions

/** @param makeDocument - called once */
export function answerOpenApi(makeDocument: () => Promise<unknown>) {
  let body: string | undefined
  return async (c: AppContext): Promise<Response> => {
    body ??= JSON.stringify(await makeDocument())
    c.header('Content-Type', 'application/json')
    return c.body(body)
  }
}
