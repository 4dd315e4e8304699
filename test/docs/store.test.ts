import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MIGRATIONS } from '../../src/registry/sqlite/schema.ts'
import { guideText, ROOT } from './samples.ts'

const named = (text: string, pattern: RegExp) =>
  Array.from(text.matchAll(pattern), ([, name = '']) => `\`${name}\``)

test('the page on the store names every table of SQLite', () => {
  const sql = MIGRATIONS.join()
  // A table that is built anew has another name until it takes the place of the old one.
  const renamed = named(sql, /ALTER TABLE (\w+) RENAME TO/g)
  const tables = named(sql, /CREATE TABLE (\w+)/g).filter((name) => !renamed.includes(name))
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
