import { describe, expect, test } from 'vitest'
import { codeBlock } from '../../src/http/docs/highlight.ts'
import { createPages } from '../../src/http/docs/render.ts'
import { createFind, findScript, sectionsOf } from '../../src/http/docs/search.ts'
import type { OpenApi } from '../../src/http/openapi/document.ts'
import { startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

const running = forAllTests(() => startService())
/** Where calls can be tried. */
const local = forAllTests(() => startService({ env: { PUBLIC_URL: 'http://localhost:8787' } }))

const PERSON = { headers: { accept: 'text/html', 'sec-fetch-dest': 'document' } }
const page = async (path: string) => (await fetch(running.url + path, PERSON)).text()

const SECTIONS = sectionsOf({
  name: 'operate',
  title: 'Operate',
  body:
    '<h1 id="operate">Operate</h1><p>First.</p>' +
    '<h2 id="revoke"><a class="anchor" href="#revoke">Revoke</a></h2><p>Ends <code>sessions</code> &amp; blocks.</p>' +
    '<h2 id="drain">Drain</h2><pre><code><span class="kwd">const</span> a = &lt;b&gt;</code></pre><p>A revoke too.</p>',
})

describe('the index', () => {
  test('has a section for each heading, with its anchor and its text without tags', () => {
    expect(SECTIONS.map(({ anchor, heading, text }) => [anchor, heading, text])).toEqual([
      ['operate', 'Operate', 'First.'],
      ['revoke', 'Revoke', 'Ends sessions & blocks.'],
      ['drain', 'Drain', 'const a = <b> A revoke too.'],
    ])
  })

  test('has calls of the API reference, without their schemas', () => {
    const body =
      '<h1 id="x">API</h1><details id="live" class="operation"> <summary> <code><b>GET</b> /livez</code> <span>Alive?</span> </summary><p>Yes.</p><pre>schema</pre></details>'
    expect(sectionsOf({ name: 'api', title: 'API', body })[1]).toEqual({
      ...{ page: 'api', title: 'API', anchor: 'live', heading: 'GET /livez', text: 'Alive? Yes.' },
    })
  })
})

describe('a search', () => {
  const find = createFind(SECTIONS)
  const anchors = (query: string) => find(query).map(({ anchor }) => anchor)

  test('finds sections that have every word, those with it in the heading first', () => {
    expect(anchors('revoke')).toEqual(['revoke', 'drain'])
    expect(anchors('REVOKE drain')).toEqual(['drain'])
    expect(anchors('sess')).toEqual(['revoke'])
    expect(anchors('nothing')).toEqual([])
  })

  test('finds sections with the most words where none has all of them, with an excerpt of those', () => {
    expect(anchors('nothing revoke')).toEqual(['revoke', 'drain'])
    expect(anchors('nothing revoke drain')).toEqual(['drain'])
    const long = SECTIONS.map((one) => ({ ...one, text: `${'x '.repeat(90)}needle` }))
    const [section] = createFind(long)('no needle')
    expect(section?.excerpt).toMatch(/^… (?:x )+needle$/)
  })

  test('puts a heading before the title of a page, and that before the text', () => {
    const none = { name: 'x', title: 'X', body: '<h2 id="text">Else</h2><p>Keys keys</p>' }
    const titled = { ...none, title: 'Keys', body: '<h2 id="title">Else</h2><p>-</p>' }
    const headed = { ...none, body: '<h2 id="heading">Keys</h2><p>-</p>' }
    const found = createFind([none, titled, headed].flatMap(sectionsOf))('keys')
    expect(found.map(({ anchor }) => anchor)).toEqual(['heading', 'title', 'text'])
  })

  test.each(['', ' ', '?', '.*', '<>', '\u0000'])('finds nothing for %j', (query) => {
    expect(anchors(query)).toEqual([])
  })

  test('gives at most 20 sections, each with at most 165 characters of its text', () => {
    const long = SECTIONS.map((one) => ({ ...one, text: `${'word '.repeat(100)}needle` }))
    const found = createFind(Array.from({ length: 30 }, () => long).flat())('word needle')
    expect(found).toHaveLength(20)
    for (const { excerpt } of found) expect(excerpt.length).toBeLessThanOrEqual(165)
  })

  test('finds in a browser what it finds here', async () => {
    const script = `data:text/javascript,${encodeURIComponent(findScript(SECTIONS))}`
    const { find: inBrowser } = await import(/* @vite-ignore */ script)
    expect(inBrowser('revoke')).toEqual(find('revoke'))
  })
})

describe('the page of results', () => {
  test('leads to guides and to calls of the API', async () => {
    const results = await page('/docs/search?q=revoke')
    expect(results).toContain('<a href="operate#revoke">')
    expect(results).toContain('<a href="api#revokeUser">')
    expect(results).toContain('value="revoke"')
  })

  test.each(['"><script>alert(1)</script>', "' onfocus=alert(1) x='", '<img src=x>', '&lt;b&gt;'])(
    'shows %j as text',
    async (query) => {
      const results = await page(`/docs/search?q=${encodeURIComponent(query)}`)
      expect(results).not.toMatch(/<script>|<img src=x| onfocus=alert\(1\) x=['"]/)
      expect(results.match(/<script\b/g)).toHaveLength(1)
    },
  )

  test.each([
    'q=revoke&utm_source=mail',
    'q=revoke&q=cookie',
    'utm_source=a&utm_source=b&q=revoke',
  ])('ignores unknown and repeated parameters: %s', async (query) => {
    expect(await page(`/docs/search?${query}`)).toBe(await page('/docs/search?q=revoke'))
  })

  test.each([`q=${'a'.repeat(101)}`, 'q=%ff'])('refuses the query %s', async (query) => {
    const answer = await fetch(`${running.url}/docs/search?${query}`)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code: 'invalid_request' })
  })

  test('takes a query of 100 characters, and none', async () => {
    for (const query of [`?q=${'a'.repeat(100)}`, '?q=', '']) {
      expect((await fetch(`${running.url}/docs/search${query}`)).status).toBe(200)
    }
  })
})

test('an unknown page names those that its address may mean, and shows nothing of it', async () => {
  const unknown = await page('/docs/back-channel%3C-logout')
  expect(unknown).toContain('href="../docs/api#backchannelLogout"')
  expect(unknown.match(/<script\b/g)).toHaveLength(1)
})

test('an address without a route gets a page, too, and its line in the access log has the code', async () => {
  expect(await page('/no-such-place')).toContain('There is no page here')
  const line = () => running.log.findLast(({ status }) => status === 404)
  await expect.poll(line).toMatchObject({ code: 'not_found' })
})

test.each([
  ['leads to the console', true, true],
  ['does not name the console to others', false, true],
  ['names no console that is not there', true, false],
])('an unknown page where calls can be tried or not %s', async (_name, tryIt, hasConsole) => {
  const read = await fetch(`${running.url}/openapi.json`)
  const document = (await read.json()) as OpenApi
  const makeDocument = async () => document
  const unknown = await createPages({ makeDocument, tryIt, hasConsole }).notFound('/nowhere')
  expect(unknown.includes('/admin"')).toBe(tryIt && hasConsole)
})

describe('code', () => {
  test.each([
    ['sh', 'echo "<b>"', '<span class="str">'],
    ['ts', 'const a: number = 1 // <b>', '<span class="kwd">const</span>'],
    ['tsx', 'const a = <b className="x" />', '<span class="kwd">const</span>'],
    ['python', 'def f(): return "<b>"', '<span class="kwd">def</span>'],
    ['html', '<b class="x">text</b>', '<span class="str">'],
    ['yaml', 'a: "<b>" # note', '<span class="cmnt"># note</span>'],
    ['swift', 'let a = "<b>"', '<span class="kwd">let</span>'],
    ['kotlin', 'val a = "<b>"', '<span class="str">&quot;&lt;b&gt;&quot;</span>'],
    ['dart', 'final a = <b>[];', '<span class="kwd">final</span>'],
    ['text', '<b>', '&lt;b&gt;'],
    ['constructor', '<b>', '&lt;b&gt;'],
  ])('in %s is coloured, escaped and otherwise unchanged', (language, text, expected) => {
    const block = codeBlock(text, { language })
    expect(block).toContain(expected)
    const shown = /<code>(.*)<\/code>/s.exec(block)?.[1]?.replaceAll(/<\/?span[^>]*>/g, '') ?? ''
    expect(shown).not.toMatch(/[<>"]/)
    const plain = shown.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"')
    expect(plain.replaceAll('&amp;', '&')).toBe(text)
  })
})

describe('where calls can be tried', () => {
  test('the API reference, and no other page, loads the script for it; pages may call the service alone', async () => {
    const at = (path: string) => fetch(local.url + path)
    expect((await at('/docs/try.js')).status).toBe(200)
    const reference = await at('/docs/api')
    expect(reference.headers.get('content-security-policy')).toMatch(/; connect-src 'self'$/)
    expect(await reference.text()).toContain('<script type="module" src="try.js"></script>')
    expect(await (await at('/docs/errors')).text()).not.toContain('try.js')
  })

  test('elsewhere the reference has neither the script nor leave to call', async () => {
    const reference = await fetch(`${running.url}/docs/api`)
    expect(reference.headers.get('content-security-policy')).not.toContain('connect-src')
    expect(await reference.text()).not.toContain('try.js')
  })
})
