import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { apiErrorAnswer } from '../../../src/http/backend/api-error.ts'
import { problemsOf } from '../../../src/http/openapi/operation.ts'
import { problemSchema } from '../../../src/http/openapi/responses.ts'
import type { RouteDefinition } from '../../../src/http/route-definition.ts'
import { ROUTES } from '../../../src/http/route-table.ts'
import { type ErrorCode, ServiceError } from '../../../src/lib/errors.ts'
import { VERSION } from '../../../src/lib/version.ts'
import { CODES } from '../../../src/respond/codes.ts'
import { DEFAULT_CONFIG, ISSUER, startService, tokenFor } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'

// Holds the document to OpenAPI 3.1 and to the table of routes, and the app to the document.

const TABLE = Object.entries<RouteDefinition>(ROUTES)
const SELF_HOSTED = 'workflows:\n  helpdesk: { server: "http://127.0.0.1:9/chatkit" }\n'
const WITH_EVERYTHING = `${DEFAULT_CONFIG.replace('workflows:\n', SELF_HOSTED)}
admins: { when: '"chatkit-admin" in claims.roles' }
console: { issuer: ${ISSUER}, client_id: console, client_secret_env: CONSOLE_CLIENT_SECRET }
api_keys: [{ id: billing, sha256: 'sha256:${'0'.repeat(64)}' }]
`

let document: z.infer<typeof openApi>
const running = forAllTests(() =>
  startService({
    config: WITH_EVERYTHING,
    env: {
      PUBLIC_URL: 'https://mint.acme.example',
      CONSOLE_CLIENT_SECRET: 'secret of the console',
    },
  }),
)
beforeAll(async () => {
  document = openApi.parse(await (await fetch(`${running.url}/openapi.json`)).json())
})

const jsonSchema = z.record(z.string(), z.unknown())
const content = z.record(
  z.string().regex(/^[\w.+-]+\/(?:[\w.+-]+|\*)$/),
  z.strictObject({
    schema: jsonSchema,
    example: z.unknown().optional(),
    examples: z
      .record(
        z.string(),
        z.union([
          z.strictObject({ $ref: z.string() }),
          z.strictObject({ summary: z.string(), value: z.unknown() }),
        ]),
      )
      .optional(),
  }),
)
const parameter = z.strictObject({
  name: z.string().min(1),
  in: z.enum(['path', 'query']),
  required: z.boolean(),
  schema: jsonSchema,
  description: z.string().min(5),
})
const operation = z.strictObject({
  operationId: z.string().regex(/^[a-z][A-Za-z]+$/),
  summary: z.string().min(5),
  description: z.string().min(5),
  tags: z.array(z.string()).length(1),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(parameter).optional(),
  requestBody: z.strictObject({ required: z.boolean(), content }).optional(),
  'x-codeSamples': z.array(z.strictObject({ lang: z.string(), source: z.string() })).length(3),
  responses: z.record(
    z.string().regex(/^(?:[2-5]\d\d|[45]XX)$/),
    z.strictObject({
      description: z.string().min(1),
      headers: z.record(
        z.string(),
        z.strictObject({ description: z.string(), required: z.boolean(), schema: jsonSchema }),
      ),
      content: content.optional(),
    }),
  ),
})
const openApi = z.strictObject({
  openapi: z.string().regex(/^3\.1\.\d$/),
  info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
  servers: z.array(z.strictObject({ url: z.url() })),
  tags: z.array(z.strictObject({ name: z.string(), description: z.string().min(10) })),
  paths: z.record(
    z.string().startsWith('/'),
    z.partialRecord(z.enum(['get', 'post', 'put', 'delete']), operation),
  ),
  components: z.strictObject({
    securitySchemes: z.record(z.string(), z.looseObject({ type: z.enum(['http', 'apiKey']) })),
    schemas: z.record(z.string(), jsonSchema),
    examples: z.record(z.string(), z.strictObject({ summary: z.string(), value: z.unknown() })),
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

const isCode = (code: string): code is ErrorCode => Object.hasOwn(CODES, code)

/** Errors of calls by backends are in the ChatKit API's own format, with its own statuses. */
function statusOf(code: string, route?: RouteDefinition): number | undefined {
  if (!isCode(code)) return undefined
  if (!route?.checks.includes('backend')) return CODES[code].status
  return apiErrorAnswer(new ServiceError(code, { reason: 'a test' })).status
}

/** @param name - `METHOD /path` */
const errorType = (name: string) =>
  name.includes(' /v1/chatkit/') ? 'application/json' : 'application/problem+json'

describe('the document', () => {
  test('has the version of the service', () => {
    expect(document.info.version).toBe(VERSION)
  })

  test('has every route of the table under its own method and path', () => {
    const ids = described().map((one) => one.operation.operationId)
    expect(ids.toSorted()).toEqual(TABLE.map(([id]) => id).toSorted())
  })

  test('describes exactly the groups that its operations are in', () => {
    const used = described().flatMap(({ operation }) => operation.tags)
    expect(document.tags.map(({ name }) => name).toSorted()).toEqual([...new Set(used)].toSorted())
  })

  test('leaves out the console, which is served too', () => {
    expect(running.app.routes.some(({ path }) => path === '/admin')).toBe(true)
    expect(document.info.description).toContain('`/admin` is pages for people')
  })

  test('declares exactly the parameters that stand in each path', () => {
    for (const { name, path, operation } of described()) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, one]) => one)
      const declared = (operation.parameters ?? []).filter((one) => one.in === 'path')
      expect({ name, params: declared.map((one) => one.name) }).toEqual({ name, params: inPath })
      expect(declared.every(({ required }) => required)).toBe(true)
    }
  })

  test('refers only to components that it has', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)]
    expect(references.length).toBeGreaterThan(0)
    for (const [, reference = ''] of references) {
      const [, kind = '', name = ''] = /^#\/components\/(\w+)\/(\w+)$/.exec(reference) ?? []
      expect(z.record(z.string(), z.unknown()).parse(document.components)[kind]).toHaveProperty(
        name,
      )
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
        expect(Object.keys(content ?? {})).toEqual([errorType(name)])
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

  test('shows for every JSON body and every JSON answer an example that its schema accepts', () => {
    for (const [operationId, { requestBody, answers }] of TABLE) {
      const shown = answers.filter(({ mediaType = 'json' }) => mediaType.endsWith('json'))
      for (const { schema, example } of [...(requestBody ? [requestBody] : []), ...shown]) {
        if (schema === undefined) continue
        const fits = example !== undefined && schema.safeParse(example).success
        expect({ operationId, fits }).toEqual({ operationId, fits: true })
      }
    }
  })

  test('shows an example of every code where an operation can answer it, as it looks', () => {
    for (const [code, { value }] of Object.entries(document.components.examples)) {
      expect(problemSchema.parse(value)).toMatchObject({ code, status: statusOf(code) })
    }
    expect(Object.keys(document.components.examples).sort()).toEqual(Object.keys(CODES).sort())
    for (const [id, route] of TABLE) {
      const responses =
        described().find(({ operation }) => operation.operationId === id)?.operation.responses ?? {}
      const shown = Object.entries(responses).flatMap(([status, { content }]) => {
        const codes = Object.keys(
          content?.[errorType(`${route.method} ${route.path}`)]?.examples ?? {},
        )
        return codes.filter((code) => String(statusOf(code, route)) === status)
      })
      expect(shown.sort()).toEqual([...new Set<string>(problemsOf(route))].sort())
    }
  })

  test('names the service as clients see it', () => {
    expect(document.servers).toEqual([{ url: 'https://mint.acme.example' }])
  })

  test('refuses in the schema what the service refuses: unknown fields of a mint', () => {
    const mint = described().find(({ name }) => name === 'POST /v1/sessions')
    const body = mint?.operation.requestBody?.content['application/json']?.schema
    expect(body).toEqual({ $ref: '#/components/schemas/MintRequest' })
    const schema = document.components.schemas['MintRequest']
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false })
    expect(Object.keys(schema?.['properties'] as object).sort()).toEqual([
      'current_client_secret',
      'input',
      'workflow',
    ])
  })
})

describe('every path, as the document has it', () => {
  const example: Readonly<Record<string, string>> = { page: 'html', id: 'cksess_1', user: 'alice' }
  const urlOf = (path: string) =>
    running.url + path.replace(/\{(\w+)\}/g, (_whole, name: string) => example[name] ?? 'helpdesk')

  test('answers OPTIONS with 204, any other method with 405, and exactly the methods that are described', async () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const described = Object.keys(methods).map((method) => method.toUpperCase())
      const head = described.includes('GET') ? ['HEAD'] : []
      const allow = [...described, ...head, 'OPTIONS'].toSorted()
      for (const method of ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        if (method !== 'OPTIONS' && allow.includes(method)) continue
        const { status, headers } = await fetch(urlOf(path), { method })
        const allowed = headers.get('allow')?.split(', ').toSorted()
        const expected = [method === 'OPTIONS' ? 204 : 405, allow]
        expect([status, allowed], `${method} ${path}`).toEqual(expected)
      }
    }
  })

  test('answers HEAD like GET, without a body', async () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      if (methods.get === undefined) continue
      const get = await fetch(urlOf(path))
      const head = await fetch(urlOf(path), { method: 'HEAD' })
      await get.arrayBuffer()
      expect({ path, status: head.status, type: head.headers.get('content-type') }).toEqual({
        path,
        status: get.status,
        type: get.headers.get('content-type'),
      })
      expect(await head.text()).toBe('')
    }
  })
})

test('calls of backends are described with the codes and words that backends get', () => {
  const { responses = {} } = document.paths['/v1/chatkit/sessions']?.['post'] ?? {}
  expect(Object.keys(responses)).not.toContain('415')
  const texts = Object.values(responses).map(({ description }) => description)
  const all = texts.join('\n')
  expect(all).toMatch(/`invalid_api_key`: Incorrect API key provided\./)
  expect(all).toContain('`user_blocked`')
  expect(all).not.toMatch(/`(?:invalid_token|missing_token|workflow_unavailable)`|Sign in/)
})

test('a mint and its refusal over a limit have the rate limit headers that are described for them', async () => {
  const { responses = {} } = document.paths['/v1/sessions']?.['post'] ?? {}
  for (const status of ['200', '400', '401', '403', '429', '503']) {
    const names = Object.keys(responses[status]?.headers ?? {})
    expect(names).toEqual(expect.arrayContaining(['RateLimit', 'RateLimit-Policy']))
  }
  const answer = await running.mint(tokenFor('limited'))
  expect(answer.headers.get('ratelimit')).toMatch(/^"mints";r=\d+;t=\d+$/)
  expect(answer.headers.get('ratelimit-policy')).toMatch(/^"mints";q=\d+;w=\d+$/)
})
