import { describe, expect, test } from 'vitest'
import { serve } from '../support/network/listen.ts'
import { forAllTests } from '../support/started.ts'
import { seriousFaults } from './accessibility.ts'
import { startBrowser, wantsChromium } from './chromium.ts'

// The other tests in Chromium need this: a page with a fault must fail.

const page = (content: string) => `<!doctype html><html lang="en"><head><title>a page</title>
<link rel="icon" href="data:,"></head><body><main><h1>A page</h1>${content}</main></body></html>`

const PAGES: Readonly<Record<string, string>> = {
  '/good': page('<p>Good.</p>'),
  '/console': page('<script>console.error("an error")</script>'),
  '/exception': page('<script>throw new Error("uncaught")</script>'),
  '/host': page('<img src="http://cdn.example/x.png" alt="">'),
  '/policy': page('<p style="color: red">Red.</p>'),
  '/missing': page('<img src="/nothing.png" alt="">'),
  '/unlabelled': page('<input><img src="data:,">'),
  '/pale': page(
    '<p><font color="#ccc">Pale</font> text with <a href="/good">a link</a> in it.</p>',
  ),
  '/alike': page(
    '<p>Text with <a href="/good" style="color: #222; text-decoration: none">a link</a> in it.</p>',
  ),
}

describe.runIf(wantsChromium())('watching a page (needs Chromium)', () => {
  const browser = forAllTests(() => startBrowser())
  const site = forAllTests(() =>
    serve((request, response) => {
      const content = PAGES[request.url ?? '']
      const policy = request.url === '/policy' ? "style-src 'self'" : 'img-src * data:'
      response.setHeader('Content-Security-Policy', policy)
      response.setHeader('Content-Type', 'text/html').statusCode = content ? 200 : 404
      response.end(content)
    }),
  )

  async function faultsOf(path: string, expectedFailures: readonly string[] = []) {
    const open = await browser.open({ expectedFailures })
    await open.page.goto(site.origin + path, { waitUntil: 'networkidle' })
    const faults = [...open.faults()]
    const inaccessible = await seriousFaults(open.page)
    await open.context.close()
    return { faults, inaccessible }
  }

  test('finds nothing wrong with a good one', async () => {
    expect(await faultsOf('/good')).toEqual({ faults: [], inaccessible: [] })
  })

  test.each([
    ['/console', 'console: an error'],
    ['/exception', 'uncaught'],
    ['/host', 'request: http://cdn.example'],
    ['/policy', 'csp: style-src'],
    ['/missing', 'console: 404 /nothing.png'],
  ])('finds what is wrong with %s', async (path, fault) => {
    const { faults } = await faultsOf(path)
    expect(faults.join('\n')).toContain(fault)
  })

  test('a failure that the test expects does not count', async () => {
    expect((await faultsOf('/missing', ['404 /nothing.png'])).faults).toEqual([])
  })

  test('finds what a screen reader could not read', async () => {
    const { inaccessible } = await faultsOf('/unlabelled')
    expect(inaccessible.map((fault) => fault.split(':')[0]).sort()).toEqual(['image-alt', 'label'])
  })

  test.each([
    ['text that is too pale', '/pale', 'color-contrast'],
    ['a link that looks like the text around it', '/alike', 'link-in-text-block'],
  ])('finds %s', async (_name, path, rule) => {
    const { inaccessible } = await faultsOf(path)
    expect(inaccessible.map((fault) => fault.split(':')[0])).toEqual([rule])
  })
})
