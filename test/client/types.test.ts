import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')

test('client, examples and the scripts of the demo page fit the types of browser and ChatKit', () => {
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  const { status, stdout } = spawnSync(
    tsc,
    ['-p', 'test/client/page', '--listFiles', '--singleThreaded'],
    { cwd: ROOT, encoding: 'utf8' },
  )
  expect({ status, errors: stdout.match(/^.*error TS.*$/gm) }).toEqual({ status: 0, errors: null })
  for (const file of [
    'src/client/client.js',
    'page/support-chat.tsx',
    'chatkit/types/index.d.ts',
  ]) {
    expect(stdout).toContain(file)
  }
})
