import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { environmentSchema, SECRET_VARIABLES } from '../src/config/variables.ts'
import { ROUTES } from '../src/http/route-table.ts'

const ROOT = resolve(import.meta.dirname, '..')
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')

/** Rows of the first table under a heading, as lists of cells. */
function tableUnder(heading: string): string[][] {
  const section = readme.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return section
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^[|\s-]+$/.test(line))
    .slice(1)
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
}

describe('the environment table', () => {
  const rows = tableUnder('Environment')
  // Several variables may share a row, their defaults in the same order.
  const defaults = rows.flatMap(([names = '', values = '']) => {
    const each = values.split(', ')
    return names.split(', ').map((name, at): [string, string | undefined] => [name, each[at]])
  })
  const names = defaults.map(([name]) => name.replaceAll('`', ''))

  test('names every variable that env.ts reads, and no other', () => {
    expect(names.toSorted()).toEqual(
      [...Object.keys(environmentSchema.shape), ...Object.keys(SECRET_VARIABLES)].toSorted(),
    )
  })

  test.each(Object.entries(environmentSchema.shape))('has the default of %s', (name, schema) => {
    const parsed = schema.safeParse(undefined)
    const shown = defaults.find(([cell]) => cell === `\`${name}\``)?.[1]
    if (name === 'STORE_URL') {
      expect(parsed.data).toEqual({ kind: 'sqlite', path: 'data/chatkit-mint.db' })
      expect(shown).toBe('`sqlite:data/chatkit-mint.db`')
      return
    }
    expect(shown).toBe(parsed.data === undefined ? '–' : `\`${parsed.data}\``)
  })
})

test('the table of calls names every route', () => {
  const shown = tableUnder('Calls')
    .map(([call]) => call ?? '')
    .join(' ')
  for (const { method, path } of Object.values(ROUTES)) {
    if (path === '/v1/admin/sessions/{id}') continue // Written as `…/{id}`.
    expect(shown).toContain(`${method} ${path}`)
  }
  expect(shown).toContain('`…/{id}`')
})

test('README has under 200 lines, and every file it links to is there', () => {
  expect(readme.split('\n').length).toBeLessThan(200)
  const links = Array.from(readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g), ([, path]) => path ?? '')
  expect(links.length).toBeGreaterThan(10)
  expect(links.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
})

test('the config in README passes its own check', async () => {
  const { loadConfig } = await import('../src/config/file/load-config.ts')
  const yaml = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1]?.replaceAll('…', 'abc') ?? ''
  expect(loadConfig(yaml, { file: 'README.md' }).settings.workflows).toHaveLength(3)
})
