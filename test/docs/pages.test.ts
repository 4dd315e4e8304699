import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { guideNames, guideText, ROOT } from './samples.ts'

const running = forAllTests(() => startService())

const get = (path: string, init?: RequestInit) => fetch(running.url + path, init)
const PAGES = ['/docs', '/docs/api', ...guideNames.map((name) => `/docs/${name}`)]
/** Pages that the list does not have. */
const UNLISTED = [
  '/docs/search',
  '/docs/search?q=revoke',
  '/docs/verify_chatkit_token.py',
  '/docs/verify-chatkit-token.ts',
]

describe.each([...PAGES, ...UNLISTED])('%s', (path) => {
  test('is a whole page of ours, with one script of ours, and nothing inline or from another host', async () => {
    const answer = await get(path)
    const page = await answer.text()
    expect(answer.status).toBe(200)
    expect(page).toMatch(/^<!doctype html>\s*<html lang="en">/)
    expect(page).toMatch(/<title>[^<]+ · chatkit-mint<\/title>/)
    expect(page.match(/<h1\b/g)).toHaveLength(1)
    const prose = page.replaceAll(/<code>.*?<\/code>/gs, '')
    expect(prose).not.toMatch(
      /<script>|<iframe|<img| style=|<[^<>]* on\w+=|\[object |undefined(?! when none came)/,
    )
    const loaded = prose.matchAll(/<(?!a\b)\w+[^>]*\b(?:src|href)="([^"]*)"/g)
    const base = path === '/docs' ? 'docs/' : ''
    const expected = ['icon.svg', 'docs.css', 'docs.js'].map((file) => base + file)
    expect(Array.from(loaded, ([, url]) => url)).toEqual(expected)
    const ids = Array.from(prose.matchAll(/ id="([^"]*)"/g), ([, id]) => id)
    expect(ids).toEqual([...new Set(ids)])
  })

  test('has the headers that keep it so', async () => {
    const { headers } = await get(path)
    expect(headers.get('content-type')).toBe('text/html; charset=UTF-8')
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('cache-control')).toBe('no-store')
  })

  test('marks itself, and nothing else, in the list of pages', async () => {
    const page = await (await get(path)).text()
    const current = page.match(/<a href="[^"]*" aria-current="page"/g) ?? []
    expect(current).toHaveLength(UNLISTED.includes(path) ? 0 : 1)
  })
})

test.each([
  ['docs.css', 'text/css'],
  ['docs.js', 'text/javascript'],
  ['find.js', 'text/javascript'],
  ['icon.svg', 'image/svg+xml'],
])('%s is %s that may be kept for five minutes, and loads nothing more', async (name, type) => {
  const answer = await get(`/docs/${name}`)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe(`${type}; charset=utf-8`)
  expect(answer.headers.get('cache-control')).toBe('public, max-age=300')
  // Behind the code of find.js stands the text of all pages.
  const code = (await answer.text()).replace(/\(\[\{"page".*$/s, '')
  expect(code).not.toMatch(/url\((?!"icon\.svg"\))|@import|\bfetch\(|https?:\/\/(?!www\.w3\.org\/)/)
})

test.each([
  'nothing',
  'nothing.md',
  'errors.md.md',
  'docs.css.md',
  'find.js.md',
  'look.css',
  // Calls are tried only where DOCS_TRY_IT or a loopback PUBLIC_URL says so.
  'try.js',
  'verify_chatkit_token.py.md',
  '.md',
  '..%2f..%2fREADME.md',
  '%2e%2e%2fclient%2fREADME.md',
  '__proto__.md',
  'Errors',
  '%2e%2e',
  '..%2fhttp%2fdocs.ts',
  '..%5capp.ts',
  '%2e%2e%2f%2e%2e%2fpackage.json',
  'errors%00',
  'constructor',
  '__proto__',
  'html/',
])('/docs/%s is not there', async (name) => {
  const answer = await get(`/docs/${name}`)
  expect(answer.status).toBe(404)
  expect(await answer.json()).toMatchObject({ code: 'not_found' })
})

describe('where there is nothing', () => {
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  const headers = { accept, 'sec-fetch-dest': 'document' }
  test.each(['/', '/docs/nothing', '/docs/html/', '/nothing', '/docs/a/b', '/docs/..%2fx'])(
    'a browser at %s gets a page with status 404 that leads to the documentation',
    async (path) => {
      const answer = await get(path, { headers })
      expect(answer.status).toBe(404)
      expect(answer.headers.get('content-type')).toBe('text/html; charset=UTF-8')
      expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
      const page = await answer.text()
      expect(page).toContain('POST /v1/sessions')
      expect(page).not.toContain('aria-current')
      const links = Array.from(page.matchAll(/ href="([^"#d][^"]*|docs[^"]*)"/g), ([, to]) => to)
      expect(links.length).toBeGreaterThan(guideNames.length)
      for (const link of links.slice(0, 5)) {
        expect((await fetch(new URL(link ?? '', running.url + path))).status).toBe(200)
      }
    },
  )

  test('the page names the one that was asked for, escaped, and leads to sections with its words', async () => {
    const pageAt = async (path: string) => (await get(path, { headers })).text()
    const mistyped = await pageAt('/docs/rate-limits')
    expect(mistyped).toContain('The docs have no page <code>rate-limits</code>.')
    expect(mistyped).toMatch(/<h2>Perhaps you look for<\/h2><ol class="results"><li><a href="/)
    const planted = await pageAt('/docs/x%3Cimg%20src=y%3E&<img>')
    expect(planted).toContain('no page <code>x%3Cimg%20src=y%3E&amp;%3Cimg%3E</code>')
    expect(await pageAt('/')).not.toContain('The docs have no page')
    // This service has no console.
    expect(mistyped).not.toContain('/admin"')
  })

  test.each(['/', '/docs/nothing'])('a program at %s gets problem details', async (path) => {
    for (const asked of ['*/*', 'application/json', accept]) {
      const answer = await get(path, { headers: { accept: asked } })
      expect(answer.status).toBe(404)
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
    }
  })

  test.each(['/v1/session', '/chatkit/nothing', '/v1/threads/thr_1'])(
    'a call of a program keeps problem details at %s, whatever it accepts',
    async (path) => {
      const answer = await get(path, { headers })
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
    },
  )
})

describe('for programs that read', () => {
  test.each(guideNames)('/docs/%s.md is the guide as it is written', async (name) => {
    const answer = await get(`/docs/${name}.md`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/markdown; charset=utf-8')
    expect(await answer.text()).toBe(guideText(name))
  })

  test('/llms.txt begins as llmstxt.org has it, and leads to every guide and the API description', async () => {
    const answer = await get('/llms.txt')
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; charset=utf-8$/i)
    const text = await answer.text()
    expect(text).toMatch(/^# chatkit-mint\n\n> \S.*\n/)
    const links = Array.from(text.matchAll(/^- \[[^\]]+\]\(([^)]+)\)$/gm), ([, path]) => path ?? '')
    expect(links).toEqual(expect.arrayContaining(guideNames.map((name) => `docs/${name}.md`)))
    for (const path of links) expect((await get(`/${path}`)).status).toBe(200)
    expect(links).toContain('openapi.json')
    expect(links).toContain('docs/api.md')
  })

  test('/docs/api.md is the reference: every operation with its answers, every object, in the order of the page', async () => {
    const answer = await get('/docs/api.md')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/markdown; charset=utf-8')
    const text = await answer.text()
    expect(text).toMatch(/^# API reference\n\n\S/)
    expect(text).not.toMatch(/\[object |undefined(?! when none came)|\n\n\n/)
    const { paths, components } = (await (await get('/openapi.json')).json()) as {
      paths: Record<string, Record<string, { responses: Record<string, { description: string }> }>>
      components: { schemas: Record<string, { description: string }> }
    }
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { responses }] of Object.entries(methods)) {
        const begin = text.indexOf(`\n### \`${method.toUpperCase()} ${path}\`\n`)
        expect(begin, `${method} ${path}`).toBeGreaterThan(0)
        const section = text.slice(begin, text.indexOf('\n### ', begin + 1))
        for (const [status, { description }] of Object.entries(responses)) {
          expect(section).toContain(`\n#### ${status}\n\n${description}\n`)
        }
      }
    }
    for (const [name, { description }] of Object.entries(components.schemas)) {
      expect(text).toContain(`\n### \`${name}\`\n\n${description}\n\n\`\`\`json\n{`)
    }
    const page = await (await get('/docs/api')).text()
    const headingsOfPage = Array.from(
      page.matchAll(/<h2 id="[^"]*"><a[^>]*>([^<]*)</g),
      ([, h]) => h,
    )
    expect(Array.from(text.matchAll(/^## (.*)$/gm), ([, h]) => h)).toEqual(headingsOfPage)
  })
})

test('the same page comes again, the second time too', async () => {
  const first = await (await get('/docs/errors')).text()
  expect(await (await get('/docs/errors')).text()).toBe(first)
  expect(await (await get('/docs')).text()).toBe(await (await get('/docs')).text())
})

test('the reference has every operation, with its path and codes', async () => {
  const page = await (await get('/docs/api')).text()
  const document = (await (await get('/openapi.json')).json()) as {
    paths: Record<string, Record<string, { operationId: string }>>
  }
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const { operationId } of Object.values(methods)) {
      expect(page).toContain(`<details id="${operationId}"`)
    }
    expect(page).toContain(`</b> ${path}</code>`)
  }
  expect(page).toContain('href="errors#user_blocked"')
})

test('nothing loads the renderers before somebody reads', () => {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  const importers = (module: RegExp) =>
    files
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => readFileSync(join(ROOT, 'src', file), 'utf8').match(module) ?? [])
  expect(importers(/^import .*'marked'$/m)).toHaveLength(1)
  expect(importers(/^import .*'@speed-highlight\/core\/tokenize'$/m)).toHaveLength(1)
  expect(importers(/^.*import.*\/render\.ts'.*$/gm).toSorted()).toEqual([
    expect.stringMatching(/^ .*\bimport\('\.\/render\.ts'\)/),
    expect.stringMatching(/^import type /),
  ])
  for (const module of ['guides', 'reference', 'reference-text', 'start', 'layout', 'highlight']) {
    expect(readFileSync(join(ROOT, 'src/http/docs/docs.ts'), 'utf8')).not.toContain(
      `/${module}.ts'`,
    )
  }
})
