import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { renderGuide } from '../../src/http/docs/guides.ts'
import { GUIDES } from '../../src/http/docs/list.ts'
import { CODES } from '../../src/respond/codes.ts'
import { guideNames, guideText, ROOT, samples } from './samples.ts'

const listed = GUIDES.flatMap(({ guides }) => guides)

/** Languages whose blocks a test of this folder runs, type-checks or parses. */
const CHECKED = [
  'ts',
  'tsx',
  'js',
  'html',
  'vue',
  'svelte',
  'yaml',
  'sh',
  'text',
  'swift',
  'kotlin',
  'dart',
  'python',
]

function html(name: string): string {
  const guide = renderGuide(name)
  if (guide === undefined) throw new Error(`no guide ${name}`)
  return guide.body
}

function anchorsOf(name: string): readonly string[] {
  return Array.from(html(name).matchAll(/ id="([^"]*)"/g), ([, id]) => id ?? '')
}

test('every guide is in the list, and every entry of the list is a guide', () => {
  expect(listed.map(({ name }) => name).toSorted()).toEqual(guideNames)
})

test('every sample is in a language that is checked', () => {
  expect(samples().length).toBeGreaterThan(20)
  expect(samples().filter(({ language }) => !CHECKED.includes(language))).toEqual([])
})

describe.each(guideNames)('%s', (name) => {
  test('begins with its title, and no two headings have one anchor', () => {
    expect(guideText(name)).toMatch(/^# \S/)
    expect(html(name).match(/<h1 /g)).toHaveLength(1)
    expect(anchorsOf(name)).toEqual([...new Set(anchorsOf(name))])
  })

  test('gives a screen reader no empty header, and no landmarks that are all called alike', () => {
    expect(html(name)).not.toMatch(/<th[^>]*><\/th>|role="region"/)
  })

  test('links to what there is: guides, their sections, samples', () => {
    const links = Array.from(html(name).matchAll(/<a href="([^"]*)"/g), ([, href]) => href ?? '')
    for (const href of links.filter((one) => !one.startsWith('https://'))) {
      const [page = '', anchor] = href.split('#')
      const target = page === '' ? name : page
      expect({ href, found: renderGuide(target) !== undefined }).toEqual({ href, found: true })
      if (anchor !== undefined) expect(anchorsOf(target)).toContain(anchor)
    }
  })

  test('names only files of the repository that are there, or of the app that it makes', () => {
    const own = samples()
      .filter(({ guide }) => guide === name)
      .map(({ path }) => path)
    const named = guideText(name).matchAll(/`((?:config|src|test)\/[\w./-]+)`/g)
    const missing = Array.from(named, ([, path]) => path ?? '').filter(
      (path) => !own.includes(path) && !existsSync(join(ROOT, path)),
    )
    expect(missing).toEqual([])
  })

  test('names only codes that there are', () => {
    const named = guideText(name).matchAll(/\b(?:401|403|404|429|50\d) `([a-z_]+)`/g)
    for (const [, code] of named) expect(Object.keys(CODES)).toContain(code)
  })
})

test('README links to sections of guides that are there', () => {
  const links = readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(
    /\]\(src\/docs\/([\w-]+)\.md#([^)]+)\)/g,
  )
  const missing = [...links].filter(
    ([, name = '', anchor = '']) => !anchorsOf(name).includes(anchor),
  )
  expect(missing.map(([link]) => link)).toEqual([])
})

describe('errors by code', () => {
  const sections = guideText('errors')
    .split(/^## /m)
    .slice(1)
    .map((section) => ({ code: section.split('\n')[0] ?? '', text: section }))

  test('has exactly one section per code, in the order of the statuses', () => {
    expect(sections.map(({ code }) => code).toSorted()).toEqual(Object.keys(CODES).toSorted())
    const statuses = sections.map(({ text }) => Number(/\n\n\*\*(\d{3})\.\*\* /.exec(text)?.[1]))
    expect(statuses).toEqual(statuses.toSorted((a, b) => a - b))
  })

  test('has the code as the anchor, which answers and logs can be followed to', () => {
    expect(anchorsOf('errors').slice(1).toSorted()).toEqual(Object.keys(CODES).toSorted())
  })

  test.each(Object.entries(CODES))('%s begins with its status', (code, { status }) => {
    const text = sections.find((section) => section.code === code)?.text
    expect(text?.startsWith(`${code}\n\n**${status}.** `)).toBe(true)
  })
})

describe('where a guide is rendered', () => {
  test('nothing is found outside the list', () => {
    for (const name of ['', '..', '../../README', 'errors.md', 'docs.css', '__proto__', 'Errors']) {
      expect(renderGuide(name)).toBeUndefined()
    }
  })

  test('text is escaped', () => {
    const text = html('html').replaceAll(/<\/?span[^>]*>/g, '')
    expect(text).toContain('&lt;openai-chatkit id=&quot;chat&quot;&gt;')
    expect(html('html')).not.toContain('<script')
  })
})
