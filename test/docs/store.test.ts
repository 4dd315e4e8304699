import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SCHEMA } from '../../src/registry/sqlite/schema.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { userId } from '../support/ids.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { guideText, ROOT, samplesIn } from './samples.ts'

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

test('the backup of a SQLite file that is in use, as the guide makes it, has what was written last', async () => {
  const folder = scratchFolder()
  mkdirSync(join(folder, 'data'))
  const inUse = createSqliteRegistry({ path: join(folder, 'data/chatkit-mint.db') })
  const now = Math.floor(Date.now() / 1000)
  const user = userId('alice')
  const block = { until: now + 60, reason: undefined, by: 'ada' }
  await inUse.revoke({ user, block, endReason: 'revoked', by: 'ada', now })

  const text = samplesIn('sh').find(({ text }) => text.includes('DatabaseSync'))?.text
  const command = text?.replaceAll('npx node', `'${process.execPath}'`) ?? ''
  execFileSync('sh', ['-euc', command], { cwd: folder })

  const backup = createSqliteRegistry({ path: join(folder, 'backup.db') })
  const blocks = await backup.listBlocks({ limit: 20, order: 'desc', now })
  expect(blocks?.data).toMatchObject([{ user, until: now + 60 }])
  await backup.close()
  await inUse.close()
})
