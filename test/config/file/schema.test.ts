import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { configJsonSchema } from '../../../src/config/file/schema.ts'

test('config/schema.json is what write-schema writes', () => {
  const file = readFileSync(new URL('../../../config/schema.json', import.meta.url), 'utf8')
  expect(file, 'run: node src/commands/write-schema.ts').toBe(
    `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
  )
})

test('it is strict, and asks only for what has no default', () => {
  expect(configJsonSchema()).toMatchObject({
    $schema: 'http://json-schema.org/draft-07/schema#',
    additionalProperties: false,
    required: ['issuers', 'workflows'],
    properties: {
      issuers: {
        items: { additionalProperties: false, required: ['issuer', 'algorithms'] },
      },
      workflows: {
        additionalProperties: { additionalProperties: false, properties: { id: {}, server: {} } },
      },
    },
  })
})

test('every key of an issuer and of a workflow is described or explains itself by its keys', () => {
  const { properties } = configJsonSchema() as { properties: Record<string, Described> }
  const issuer = properties['issuers']?.items?.properties ?? {}
  const workflow = properties['workflows']?.additionalProperties?.properties ?? {}
  expect(Object.keys(issuer)).toContain('audience')
  expect(Object.keys(workflow)).toContain('id')
  for (const [key, value] of Object.entries({ ...properties, ...issuer, ...workflow })) {
    expect(value.description ?? value.properties, key).toBeDefined()
  }
})

interface Described {
  description?: string
  properties?: Record<string, Described>
  items?: Described
  additionalProperties?: Described
}
