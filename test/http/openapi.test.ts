import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { OPERATIONS } from '../../src/http/openapi-operations.ts'
import { CODES } from '../../src/respond/problem.ts'
import { DEFAULT_CONFIG, type Running, startService } from '../support/running-service.ts'

// What the app serves and what the description says of it, compared both ways; and the document
// against what OpenAPI 3.1 asks of one.

const SELF_HOSTED = 'workflows:\n  helpdesk: { server: "http://127.0.0.1:9/chatkit" }\n'
const WITH_EVERYTHING = `${DEFAULT_CONFIG.replace('workflows:\n', SELF_HOSTED)}
admins: { when: '"chatkit-admin" in claims.roles' }
`

let running: Running
let document: z.infer<typeof openApi>
beforeAll(async () => {
  running = await startService({
    config: WITH_EVERYTHING,
    env: { PUBLIC_URL: 'https://mint.acme.example' },
  })
  document = openApi.parse(await (await fetch(`${running.url}/openapi.json`)).json())
})
afterAll(() => running.close())

const jsonSchema = z.record(z.string(), z.unknown())
const content = z.record(
  z.string().regex(/^[\w.+-]+\/[\w.+-]+$/),
  z.strictObject({ schema: jsonSchema, example: z.unknown().optional() }),
)
const parameter = z.strictObject({
  name: z.string().min(1),
  in: z.enum(['path', 'query']),
  required: z.boolean(),
  schema: jsonSchema,
  description: z.string().optional(),
})
const operation = z.strictObject({
  operationId: z.string().regex(/^[a-z][A-Za-z]+$/),
  summary: z.string().min(5),
  description: z.string().min(5),
  tags: z.array(z.string()).length(1),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(parameter).optional(),
  requestBody: z.strictObject({ required: z.boolean(), content }).optional(),
  responses: z.record(
    z.string().regex(/^[2-5]\d\d$/),
    z.strictObject({
      description: z.string().min(1),
      headers: z.record(z.string(), z.object({ schema: jsonSchema })),
      content: content.optional(),
    }),
  ),
})
const openApi = z.strictObject({
  openapi: z.string().regex(/^3\.1\.\d$/),
  info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
  servers: z.array(z.strictObject({ url: z.url() })),
  paths: z.record(
    z.string().startsWith('/'),
    z.partialRecord(z.enum(['get', 'post', 'put', 'delete']), operation),
  ),
  components: z.strictObject({
    securitySchemes: z.record(z.string(), z.looseObject({ type: z.enum(['http', 'apiKey']) })),
    schemas: z.record(z.string(), jsonSchema),
  }),
})

/** Every operation with where it stands: `POST /v1/sessions`. */
function described() {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({
      name: `${method.toUpperCase()} ${path}`,
      path,
      operation: operation.parse(one),
    })),
  )
}

function served(): string[] {
  const routes = running.app.routes
    .filter(({ method }) => ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(method))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')}`)
  return [...new Set(routes)].sort()
}

describe('routes and description', () => {
  test('every route is described, and every description is served', () => {
    expect(served().length).toBeGreaterThanOrEqual(4)
    expect(
      described()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(served())
  })

  test('the table has each operation once', () => {
    const names = OPERATIONS.map(({ method, path }) => `${method.toUpperCase()} ${path}`)
    expect(new Set(names).size).toBe(names.length)
    expect(names.sort()).toEqual(served())
  })
})

describe('the document', () => {
  test('has unique operation ids', () => {
    const ids = described().map((one) => one.operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('declares exactly the parameters that stand in each path', () => {
    for (const { name, path, operation } of described()) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, one]) => one)
      const declared = (operation.parameters ?? []).filter((one) => one.in === 'path')
      expect({ name, params: declared.map((one) => one.name) }).toEqual({ name, params: inPath })
      expect(declared.every(({ required }) => required)).toBe(true)
    }
  })

  test('names only security schemes and schemas that it has', () => {
    const schemes = Object.keys(document.components.securitySchemes)
    for (const { operation } of described()) {
      expect(schemes).toEqual(expect.arrayContaining(operation.security.flatMap(Object.keys)))
    }
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)]
    expect(references.length).toBeGreaterThan(0)
    for (const [, reference = ''] of references) {
      const name = reference.replace('#/components/schemas/', '')
      expect(document.components.schemas).toHaveProperty(name)
    }
  })

  test('says for each operation what an error looks like, at least 400, 403, 404, 405, 500', () => {
    for (const { name, operation } of described()) {
      const refusals = Object.entries(operation.responses).filter(([status]) => status >= '400')
      const statuses = refusals.map(([status]) => Number(status))
      expect({ name, statuses }).toEqual({
        name,
        statuses: expect.arrayContaining([400, 403, 404, 405, 500]),
      })
      for (const [, { content }] of refusals) {
        expect(Object.keys(content ?? {})).toEqual(['application/problem+json'])
      }
    }
  })

  test('has 401 exactly where a token is asked for', () => {
    for (const { name, operation } of described()) {
      const asks = operation.security.length > 0
      expect({ name, has: '401' in operation.responses }).toEqual({ name, has: asks })
    }
  })

  test('lists all codes in the problem schema', () => {
    const { properties } = z
      .object({ properties: z.object({ code: z.object({ enum: z.array(z.string()) }) }) })
      .parse(document.components.schemas['Problem'])
    expect(properties.code.enum.sort()).toEqual(Object.keys(CODES).sort())
  })

  test('shows examples that their schemas accept', () => {
    let examples = 0
    for (const { requestBody, answers } of OPERATIONS) {
      for (const { schema, example } of [requestBody, ...answers].filter(
        (one) => one !== undefined,
      )) {
        if (schema === undefined || example === undefined) continue
        schema.parse(example)
        examples++
      }
    }
    expect(examples).toBeGreaterThanOrEqual(2)
  })

  test('names the service as clients see it', () => {
    expect(document.servers).toEqual([{ url: 'https://mint.acme.example' }])
  })

  test('refuses in the schema what the service refuses: unknown fields of a mint', () => {
    const mint = described().find(({ name }) => name === 'POST /v1/sessions')
    const schema = mint?.operation.requestBody?.content['application/json']?.schema
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false })
    expect(Object.keys(schema?.['properties'] as object).sort()).toEqual([
      'current_client_secret',
      'input',
      'workflow',
    ])
  })
})
