import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createOpenApi } from '../../../src/http/openapi/document.ts'
import { jsonSchema, namedSchemas } from '../../../src/http/openapi/schemas.ts'
import type { RouteDefinition } from '../../../src/http/route-definition.ts'
import { ROUTES } from '../../../src/http/route-table.ts'

// A client generator needs names, descriptions, bounds, and types that match the values.

const { paths, components } = createOpenApi(ROUTES, undefined)

const jsonSchemaNode = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  description: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  anyOf: z.array(z.unknown()).default([]),
  oneOf: z.array(z.unknown()).default([]),
  additionalProperties: z.unknown().optional(),
})

interface Place {
  readonly where: string
  readonly node: z.infer<typeof jsonSchemaNode>
  /** Stands among the components. */
  readonly named: boolean
  /** A property of an object. */
  readonly property: boolean
}

const isEmpty = (value: unknown) => value !== undefined && JSON.stringify(value) === '{}'

/** A schema and all schemas inside it, except those behind a reference. */
function placesIn(schema: unknown, where: string, kind: Partial<Place> = {}): Place[] {
  const node = jsonSchemaNode.parse(schema)
  const inner = [
    ...Object.entries(node.properties ?? {}).flatMap(([name, one]) =>
      placesIn(one, `${where}.${name}`, { property: true }),
    ),
    ...[...node.anyOf, ...node.oneOf].flatMap((one, at) => placesIn(one, `${where}|${at}`)),
    ...[node.items, node.additionalProperties].flatMap((one) =>
      typeof one === 'object' && one !== null ? placesIn(one, `${where}[]`) : [],
    ),
  ]
  return [{ where, node, named: false, property: false, ...kind }, ...inner]
}

const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
)
const named = Object.entries(components.schemas).flatMap(([name, schema]) =>
  placesIn(schema, name, { named: true }),
)
const used = operations.flatMap(({ name, operation }) => {
  const { requestBody, responses } = operation
  return [['body', requestBody] as const, ...Object.entries(responses)].flatMap(([what, content]) =>
    Object.entries(content?.content ?? {}).flatMap(([type, { schema }]) =>
      placesIn(schema, `${name} ${what} ${type}`),
    ),
  )
})
const everywhere = [...named, ...used]

function nameOf(path: string | undefined): string {
  return path?.split('/').at(-1) ?? ''
}

/** Names of the schemas that occur in requests. */
function namesInRequests(): Set<string> {
  const names = new Set<string>()
  const add = (places: readonly Place[]): void => {
    for (const { $ref } of places.map(({ node }) => node)) {
      const name = nameOf($ref)
      if ($ref === undefined || names.has(name)) continue
      names.add(name)
      add(placesIn(components.schemas[name], name))
    }
  }
  for (const { operation } of operations) {
    for (const { schema } of Object.values(operation.requestBody?.content ?? {})) {
      add(placesIn(schema, 'body'))
    }
  }
  return names
}

function isBounded({ node }: Place): boolean {
  return ['maxLength', 'pattern', 'enum', 'const', 'format'].some((bound) => bound in node)
}

describe('every schema', () => {
  test('that is an object has a name of its own', () => {
    const objects = everywhere.filter(
      ({ node }) => node.type === 'object' || node.properties !== undefined,
    )
    expect(objects.length).toBeGreaterThan(50)
    expect(objects.filter((one) => !one.named).map(({ where }) => where)).toEqual([])
  })

  test('with a name, and every property of one, has a description', () => {
    const silent = named.filter(({ node, named, property }) => {
      const description = node.description ?? components.schemas[nameOf(node.$ref)]?.['description']
      return (named || property) && typeof description !== 'string'
    })
    expect(silent.map(({ where }) => where)).toEqual([])
  })

  test('that is a number is an integer with bounds, but for values that callers choose', () => {
    const numbers = everywhere.filter(({ node }) => [node.type].flat().includes('number'))
    expect(numbers.map(({ where }) => where)).toEqual([
      'ClientInput[]',
      'StateVariables[]',
      'StateVariablesParam[]',
    ])
    const integers = everywhere.filter(({ node }) => node.type === 'integer')
    expect(integers.length).toBeGreaterThan(20)
    for (const { where, node } of integers) {
      expect({ where, node }).toEqual({
        where,
        node: expect.objectContaining({ minimum: expect.any(Number), maximum: expect.any(Number) }),
      })
    }
  })

  test('of a text that clients send has a bound', () => {
    const requests = namesInRequests()
    expect([...requests]).toEqual(expect.arrayContaining(['MintRequest', 'RevokeBySubject']))
    const texts = named.filter(
      ({ where, node }) => node.type === 'string' && requests.has(where.split(/[.|[]/)[0] ?? ''),
    )
    const open = texts.filter((place) => !isBounded(place)).map(({ where }) => where)
    expect(open).toEqual([])
  })

  test('with members says nothing of further ones: generators would make maps of such objects', () => {
    const maps = everywhere.filter(({ node }) => isEmpty(node.additionalProperties))
    expect(maps.map(({ where }) => where)).toEqual(['ChatKitParams', 'OpenApiPaths'])
  })

  test('without members says that it has others: generators would let it be empty only', () => {
    const bare = everywhere.filter(
      ({ node }) => node.type === 'object' && isEmpty(node.properties ?? {}),
    )
    expect(bare.length).toBeGreaterThan(3)
    for (const { where, node } of bare) {
      expect({ where, says: node.additionalProperties !== undefined }).toEqual({
        where,
        says: true,
      })
    }
  })
})

describe('every parameter', () => {
  const parameters = operations.flatMap(({ name, operation }) =>
    operation.parameters.map((parameter) => ({ where: `${name} ${parameter.name}`, parameter })),
  )

  test('has a description, a type, and bounds', () => {
    expect(parameters.length).toBeGreaterThan(30)
    for (const { where, parameter } of parameters) {
      expect({ where, words: parameter.description.length > 5 }).toEqual({ where, words: true })
      const [place] = placesIn(parameter.schema, where)
      const bounded = place !== undefined && (place.node.type === 'integer' || isBounded(place))
      expect({ where, bounded }).toEqual({ where, bounded: true })
    }
  })

  test('named limit is an integer from 0 to 100, and 20 when absent', () => {
    const limits = parameters.filter(({ parameter }) => parameter.name === 'limit')
    expect(limits.length).toBeGreaterThan(5)
    for (const { parameter } of limits) {
      expect(parameter.schema).toEqual({ type: 'integer', minimum: 0, maximum: 100, default: 20 })
    }
  })
})

test('the schema of a user in a request refuses control characters, as the service does', () => {
  const { RevokeByUser, CreateSessionParams } = components.schemas
  const bodies = [RevokeByUser, CreateSessionParams].map(
    (schema) => jsonSchemaNode.parse(schema).properties?.['user'],
  )
  const inPaths = operations
    .flatMap(({ operation }) => operation.parameters)
    .filter(({ name, in: place }) => name === 'user' && place === 'path')
  expect(inPaths).toHaveLength(5)
  for (const user of [...bodies, ...inPaths.map(({ schema }) => schema)]) {
    const { pattern } = z.looseObject({ pattern: z.string() }).parse(user)
    for (const name of ['issuer|alice', 'é 😀', '\ud800']) expect(name).toMatch(new RegExp(pattern))
    for (const name of ['', 'a\0', '\n', 'a\x7f', '\x85b'])
      expect(name).not.toMatch(new RegExp(pattern))
  }
  const keys = { type: 'string', maxLength: 64 }
  expect(components.schemas['StateVariablesParam']).toMatchObject({ propertyNames: keys })
})

describe('the maker of schemas', () => {
  const inner = z.object({ n: z.int() }).meta({ id: 'Inner', description: 'In.' })

  test('refers to a schema that has a name, and keeps it once', () => {
    const outer = z.array(z.union([inner, inner.nullable()]))
    expect(JSON.stringify(jsonSchema(outer))).toContain('"$ref":"#/components/schemas/Inner"')
    expect(Object.keys(namedSchemas([outer, inner]))).toEqual(['Inner'])
  })

  test('lets optional members of a body be null, which count as absent, and no others', () => {
    const body = z.strictObject({ need: z.string(), may: z.string().describe('M.').optional() })
    const text = { type: 'string' }
    const properties = { need: text, may: { anyOf: [text, { type: 'null' }], description: 'M.' } }
    expect(jsonSchema(body)).toMatchObject({ properties, required: ['need'] })
    const named = body.meta({ id: 'Body', description: 'B.' })
    expect(namedSchemas([z.union([named, inner])])).toMatchObject({ Body: { properties } })
    const answer = z.object({ may: z.string().optional() })
    expect(jsonSchema(answer)).toMatchObject({ properties: { may: text } })
  })

  test('refuses two schemas of one name', () => {
    const other = z.object({ other: z.string() }).meta({ id: 'Inner' })
    expect(() => namedSchemas([inner, other])).toThrow('Inner')
  })
})

test('an unnamed object in a definition would be found', () => {
  const planted: RouteDefinition = {
    ...ROUTES.live,
    answers: [{ status: 200, description: 'x', schema: z.object({ a: z.object({}) }) }],
  }
  const document = createOpenApi({ planted }, undefined)
  const body = document.paths['/livez']?.['get']?.responses[200]?.content?.['application/json']
  const objects = placesIn(body?.schema, 'body').filter(({ node }) => node.type === 'object')
  expect(objects.map(({ where, named }) => ({ where, named }))).toEqual([
    { where: 'body', named: false },
    { where: 'body.a', named: false },
  ])
})
