import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { spawnNode } from '../support/service-process.ts'

// If arguments were ignored, `--help` or a port would start a server that nobody asked for.

test.each([
  ['src/main.ts', 'npm start'],
  ['src/commands/demo/demo.ts', 'npm run demo'],
  ['src/commands/chatkit-api.ts', 'npm run chatkit-api'],
  ['src/commands/check-config.ts', 'npm run check-config'],
])('%s --help says how it is called, and does nothing else', async (file, usage) => {
  const run = spawnNode([file, '--help'])
  expect(await run.exited).toMatchObject({ code: 0 })
  expect(run.stdout()).toMatch(new RegExp(`^usage: ${usage}.+\n$`))
  expect(run.stderr()).toBe('')
})

test.each([
  ['src/main.ts', ['--port', '9000']],
  ['src/commands/demo/demo.ts', ['9000']],
  ['src/commands/chatkit-api.ts', ['--help', '--port=9000']],
])('%s with the arguments %j does not start, and ends with 64', async (file, words) => {
  const run = spawnNode([file, ...words])
  expect(await run.exited).toMatchObject({ code: 64 })
  expect(run.stderr()).toMatch(/^usage: npm .+\n$/)
  expect(run.stdout()).toBe('')
})

test('npm start with a config file as its argument names the variable for it, and a page that is there', async () => {
  const run = spawnNode(['src/main.ts', 'config/local.yaml'])
  await run.exited
  expect(run.stderr()).toContain('CONFIG_FILE')
  const page = /src\/docs\/\S+\.md/.exec(run.stderr())?.[0] ?? 'no page'
  expect(existsSync(page)).toBe(true)
})
