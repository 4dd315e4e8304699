import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ROOT } from './samples.ts'

/** Paths in backticks, such as `src/app.ts` or `test/race/redis*`. */
const PATHS = /`((?:src|test|config)\/[\w./{},*-]+)`/g

test.each(['README.md', '.github/CONTRIBUTING.md'])('%s names only files that exist', (file) => {
  const text = readFileSync(`${ROOT}/${file}`, 'utf8')
  const named = Array.from(text.matchAll(PATHS), ([, path = '']) => path)
  // A copy that the reader makes.
  const missing = named.filter(
    (path) => path !== 'config/local.yaml' && globSync(path, { cwd: ROOT }).length === 0,
  )
  expect(named).not.toEqual([])
  expect(missing).toEqual([])
})
