import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

const ROOT = resolve(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const forms = globSync('.github/ISSUE_TEMPLATE/!(config).yml', { cwd: ROOT })
const KINDS = ['markdown', 'textarea', 'input', 'dropdown']

describe('the workflow of CI', () => {
  const text = read('.github/workflows/ci.yml')
  const { permissions, jobs } = parse(text)
  const { strategy, steps } = jobs.check

  test('runs .ci/run, which is there, after a checkout by tag, and nothing else', () => {
    expect(steps).toEqual([
      {
        uses: expect.stringMatching(/^actions\/checkout@v\d+$/),
        with: { 'persist-credentials': false },
      },
      { run: '.ci/run' },
    ])
    expect(statSync(join(ROOT, '.ci/run')).mode & 0o100).not.toBe(0)
  })

  test('may read the code and knows no secret', () => {
    expect(permissions).toEqual({ contents: 'read' })
    expect(text).not.toMatch(/secrets\.|pull_request_target/)
  })

  test('runs beside Nodes of two versions on two processors', () => {
    const { include } = strategy.matrix
    expect(new Set(include.map(({ runner }: { runner: string }) => runner)).size).toBe(2)
    expect(new Set(include.map(({ image }: { image: string }) => image)).size).toBe(2)
  })
})

describe('issue forms', () => {
  test('there is one for faults and one for questions', () => {
    expect(forms.map((file) => file.replace(/.*\//, '')).toSorted()).toEqual([
      'bug.yml',
      'question.yml',
    ])
  })

  test.each(forms)('%s has fields with names of their own, each with a label', (file) => {
    const { name, description, body } = parse(read(file))
    expect([name, description].every((text) => typeof text === 'string')).toBe(true)
    const fields = body.filter(({ type }: { type: string }) => type !== 'markdown')
    const ids = fields.map(({ id }: { id: string }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { type, attributes } of fields) {
      expect(KINDS).toContain(type)
      expect(attributes.label).toMatch(/\S/)
      if (type === 'dropdown') expect(attributes.options.length).toBeGreaterThan(1)
    }
  })

  test.each(forms)('%s asks for no credential, and sends vulnerabilities elsewhere', (file) => {
    expect(read(file)).toMatch(/API keys, client secrets and tokens/)
    expect(parse(read('.github/ISSUE_TEMPLATE/config.yml')).blank_issues_enabled).toBe(false)
  })
})

test('the files that SECURITY.md links to are there', () => {
  const links = Array.from(read('.github/SECURITY.md').matchAll(/\]\(([^)#]+)/g), ([, to]) => to)
  expect(links.length).toBeGreaterThan(0)
  for (const to of links) expect(existsSync(join(ROOT, '.github', to ?? ''))).toBe(true)
})
