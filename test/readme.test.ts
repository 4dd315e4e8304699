import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')

test('README has under 150 lines, and every file it links to is there', () => {
  expect(readme.split('\n').length).toBeLessThan(150)
  const links = Array.from(readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g), ([, path]) => path ?? '')
  expect(links.length).toBeGreaterThan(10)
  expect(links.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
})

test('README keeps one’s own config beside the shipped file', () => {
  const commands = Array.from(readme.matchAll(/```sh\n([\s\S]*?)```/g), ([, text]) => text).join('')
  expect(commands).toContain('CONFIG_FILE=config/local.yaml')
  expect(readme).not.toContain('config/chatkit-mint.yaml')
})

test('every npm script that README names is there', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const named = Array.from(readme.matchAll(/npm run ([\w:-]+)/g), ([, name]) => name ?? '')
  expect(named.length).toBeGreaterThan(4)
  expect(named.filter((name) => !(name in scripts))).toEqual([])
})

test('the config in README passes its own check', async () => {
  const { loadConfig } = await import('../src/config/file/load-config.ts')
  const yaml = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1]?.replaceAll('…', 'abc') ?? ''
  expect(loadConfig(yaml, { file: 'README.md' }).settings.workflows).toHaveLength(3)
})
