import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { configJsonSchema, configSchema } from '../../../src/config/file/schema.ts'

test('config/schema.json is what write-schema writes', () => {
  const file = readFileSync(new URL('../../../config/schema.json', import.meta.url), 'utf8')
  expect(file, 'run: node src/commands/write-schema.ts').toBe(
    `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
  )
})

test('config/schema.json is strict, and requires only keys without a default', () => {
  expect(configJsonSchema()).toMatchObject({
    $schema: 'http://json-schema.org/draft-07/schema#',
    additionalProperties: false,
    required: ['issuers', 'workflows'],
    properties: {
      issuers: { items: { additionalProperties: false, required: ['issuer', 'algorithms'] } },
      workflows: {
        additionalProperties: { additionalProperties: false, properties: { id: {}, server: {} } },
      },
    },
  })
})

const keys = keysOf(configJsonSchema())

/** Every key at any depth, with the path to it: names, and 0 for the entry of a list. */
function keysOf(schema: Schema, way: Way = []): { way: Way; schema: Schema }[] {
  const { properties = {}, items, additionalProperties: named } = schema
  const inner = Object.entries(properties).map(([name, one]) => [[...way, name], one] as const)
  return [
    ...inner.flatMap(([place, one]) => [
      { way: place, schema: asSchema(one) },
      ...keysOf(asSchema(one), place),
    ]),
    ...(items === undefined || Array.isArray(items) ? [] : keysOf(asSchema(items), [...way, 0])),
    ...(named === undefined ? [] : keysOf(asSchema(named), [...way, 'name'])),
  ]
}

function asSchema(schema: Schema | boolean): Schema {
  return typeof schema === 'boolean' ? {} : schema
}

test('every key, at any depth, has a description of one sentence at least', () => {
  expect(keys.length).toBeGreaterThan(100)
  const bare = keys.filter(({ schema }) => !/^\S.*[.…]$/s.test(schema.description ?? ''))
  expect(bare.map(({ way }) => way.join('.'))).toEqual([])
})

test('every key is explained in the shipped file, apart from those that have one value or come with a key set', () => {
  const shipped = readFileSync(
    new URL('../../../config/chatkit-mint.yaml', import.meta.url),
    'utf8',
  )
  const words = new Set(shipped.match(/\w+/g))
  const names = keys.map(({ way }) => way.filter((step) => step !== 0).join('.'))
  expect(names.filter((name) => !words.has(name.split('.').at(-1) ?? ''))).toEqual([
    'issuers.jwks.keys.kty',
    'workflows.name.expires_after.anchor',
  ])
})

const examples = keys.flatMap(({ way, schema }) =>
  (schema.examples ?? []).map((example) => ({ key: way.join('.'), way, example })),
)

test.each(examples)('the example of $key is valid there: $example', ({ way, example }) => {
  const file = way.reduceRight<unknown>(
    (value, step) => (step === 0 ? [value] : { [step]: value }),
    example,
  )
  const issues = configSchema.safeParse(file).error?.issues ?? []
  const atKey = issues.filter(({ path }) => way.every((step, at) => path[at] === step))
  expect(atKey).toEqual([])
})

type Schema = ReturnType<typeof configJsonSchema>
type Way = readonly (string | number)[]
