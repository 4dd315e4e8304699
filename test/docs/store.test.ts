import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SCHEMA } from '../../src/registry/sqlite/schema.ts'
import { guideText, ROOT } from './samples.ts'

const named = (text: string, pattern: RegExp) =>
  Array.from(text.matchAll(pattern), ([, name = '']) => `\`${name}\``)

test('the page on the store names every table of SQLite', () => {
  const tables = named(SCHEMA, /CREATE TABLE (\w+)/g)
  expect(tables.length).toBeGreaterThan(10)
  expect(tables.filter((table) => !guideText('store').includes(`| ${table} |`))).toEqual([])
})

test('the page on the store names every key that the service keeps for itself', () => {
  const source = globSync('src/**/*.ts', { cwd: ROOT }).map((file) =>
    readFileSync(join(ROOT, file), 'utf8'),
  )
  const keys = named(source.join('\n'), /\.keptKey\('([\w-]+)'/g)
  expect(keys.length).toBeGreaterThan(2)
  expect(keys.filter((key) => !guideText('store').includes(key))).toEqual([])
})
