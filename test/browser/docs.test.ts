import type { Page } from 'playwright-core'
import { afterEach, describe, expect, test } from 'vitest'
import { guideNames } from '../docs/samples.ts'
import { freePort } from '../support/network/listen.ts'
import { startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { seriousFaults, showIn } from './accessibility.ts'
import { type OpenOptions, type OpenPage, startBrowser, wantsChromium } from './chromium.ts'
import { takePicture } from './pictures.ts'

const GUIDES = guideNames.map((name) => `/docs/${name}`)
const PATHS = ['/docs', '/docs/api', '/docs/search?q=revoke', ...GUIDES]
const DESK = { width: 1440, height: 900 }
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true }
const UNFOLD = "for (const fold of document.querySelectorAll('details')) fold.open = true"
/**
 * Shows the given contents as one page, with two parts of each kind: axe needs a second for each page, and most parts
 * are like many others. A kind is an element's name, attributes and emptiness, and those of all that it stands in.
 * Two, because some rules compare neighbours.
 */
const SHOW_KINDS = `(contents) => {
  const counts = new Map()
  const keep = (part, above) => {
    const names = Array.from(part.attributes, ({ name, value }) => (/class|role|type/.test(name) ? value : name))
    const kind = [above, part.localName, ...names, part.textContent.trim() === ''].join(' ')
    const count = (counts.get(kind) ?? 0) + 1
    counts.set(kind, count)
    const kept = [...part.children].map((child) => keep(child, kind))
    if (count <= 2 || kept.includes(true)) return true
    part.remove()
    return false
  }
  const main = document.querySelector('main')
  main.innerHTML = contents.join('')
  for (const part of [...main.children]) keep(part, '')
}`
/** Axe reads a whole page, whatever part of it is looked at. */
const LEAVE_TWO =
  "for (const fold of document.querySelectorAll('.operation:not(#createSession, #listOwnThreads)')) fold.remove()"
/** For a walk over every page. */
const LONG = { timeout: 180_000 }

describe.runIf(wantsChromium())('the docs (needs Chromium)', () => {
  const browser = forAllTests(() => startBrowser())
  /** At loopback, so that calls can be tried. */
  const running = forAllTests(async () => {
    const port = await freePort()
    return startService({ port, env: { PUBLIC_URL: `http://127.0.0.1:${port}` } })
  })
  const opened: OpenPage[] = []

  afterEach(async () => {
    for (const { context, faults } of opened.splice(0)) {
      expect(faults()).toEqual([])
      await context.close()
    }
  })

  async function open(path: string, options: OpenOptions = {}): Promise<Page> {
    const one = await browser.open(options)
    opened.push(one)
    await one.page.goto(running.url + path)
    return one.page
  }

  const picture = (page: Page, name: string) => takePicture(page, `docs-${name}`)

  test(
    'every page passes axe, light and dark, and scrolls sideways on no phone',
    LONG,
    async () => {
      // Colours change at once then, when the scheme does.
      const page = await open('/docs', { ...PHONE, reducedMotion: 'reduce' })
      const contents: string[] = []
      for (const path of PATHS) {
        await page.goto(running.url + path)
        // Folded parts are checked too.
        await page.evaluate(UNFOLD)
        for (const width of [390, 320, 240]) {
          await page.setViewportSize({ ...PHONE.viewport, width })
          const scrolled = await page.evaluate('document.documentElement.scrollWidth')
          expect({ path, scrolled }).toEqual({ path, scrolled: width })
        }
        contents.push(await page.locator('main').innerHTML())
      }
      await page.evaluate(`(${SHOW_KINDS})(${JSON.stringify(contents)})`)
      // The width of a phone is left: what scrolls does so there, although most of it is gone.
      expect(await seriousFaults(page, 'structure')).toEqual([])
      await page.setViewportSize(DESK)
      expect(await seriousFaults(page)).toEqual([])
      await showIn(page, 'dark')
      expect(await seriousFaults(page, 'colours')).toEqual([])
    },
  )

  test('a menu has the list of pages on a phone', async () => {
    const page = await open('/docs/html', PHONE)
    await page.getByRole('button', { name: 'Menu' }).click()
    expect(await seriousFaults(page)).toEqual([])
    await picture(page, 'menu')
    await page.getByRole('navigation').getByRole('link', { name: 'Start', exact: true }).click()
    expect(page.url()).toBe(`${running.url}/docs`)
  })

  test('by keyboard: past the list, through what scrolls, into an operation', async () => {
    const page = await open('/docs/html')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    expect(await page.locator('.skip').boundingBox()).toMatchObject({ x: 16 })
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('content')
    for (let tabs = 0; tabs < 5; tabs++) {
      await page.keyboard.press('Tab')
      if ((await page.evaluate('document.activeElement.tagName')) === 'PRE') break
    }
    expect(await page.evaluate('document.activeElement.tagName')).toBe('PRE')
    await page.setViewportSize(PHONE.viewport)
    await page.keyboard.press('ArrowRight')
    await expect.poll(() => page.evaluate('document.activeElement.scrollLeft')).toBeGreaterThan(0)

    await page.goto(`${running.url}/docs/api`)
    await page.locator('#createSession > summary').focus()
    await page.keyboard.press('Enter')
    expect(await page.locator('#createSession').getAttribute('open')).toBe('')
    await page.setViewportSize({ width: 1280, height: 900 })
    await page.locator('#createSession').scrollIntoViewIfNeeded()
    await picture(page, 'operation')
  })

  test('leads from the reference to a code, and from a guide to another', async () => {
    const page = await open('/docs/api')
    await page.locator('#createSession > summary').click()
    await page.locator('#createSession').getByRole('link', { name: 'user_blocked' }).click()
    expect(page.url()).toBe(`${running.url}/docs/errors#user_blocked`)
    await page.getByRole('navigation').getByRole('link', { name: 'Plain HTML' }).click()
    await picture(page, 'html')
    await page.getByRole('link', { name: "OpenAI's domain allow-list" }).first().click()
    expect(page.url()).toBe(`${running.url}/docs/domain-allow-list`)
    await page.getByRole('navigation').getByRole('link', { name: 'API reference' }).click()
    expect(page.url()).toBe(`${running.url}/docs/api`)
    // The former address of the reference.
    await page.goto(`${running.url}/docs#revokeUser`)
    await page.waitForURL(`${running.url}/docs/api#revokeUser`)
    expect(await page.locator('#revokeUser').getAttribute('open')).toBe('')
  })

  test('a search works by keyboard: slash, arrows, Enter, Escape', async () => {
    const page = await open('/docs/html')
    const field = page.getByRole('combobox', { name: 'Search the docs' })
    await page.keyboard.press('/')
    await page.keyboard.type('revoke')
    await page.getByRole('option').first().waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowUp')
    const first = page.getByRole('option', { selected: true })
    expect(await first.getAttribute('id')).toBe('found-0')
    expect(await field.getAttribute('aria-activedescendant')).toBe('found-0')
    expect(await seriousFaults(page)).toEqual([])
    await picture(page, 'found')
    // In a high-contrast mode all options have the same background.
    await page.emulateMedia({ forcedColors: 'active' })
    const outlineOf = (nth: number) =>
      page.evaluate(`getComputedStyle(document.getElementById('found-${nth}')).outline`)
    expect(await outlineOf(0)).toMatch(/^rgb\(.*\) solid 2px$/)
    expect(await outlineOf(1)).not.toContain('solid')
    await page.emulateMedia({ forcedColors: null })
    await page.keyboard.press('Escape')
    expect(await page.getByRole('option').count()).toBe(0)
    expect(await field.getAttribute('aria-expanded')).toBe('false')
    await field.fill('token_expired')
    await page.getByRole('option').first().waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.waitForURL(`${running.url}/docs/errors#token_expired`)
    // With none chosen, all results.
    await field.fill('revoke')
    await page.keyboard.press('Enter')
    await page.waitForURL(`${running.url}/docs/search?q=revoke`)
  })

  test('without the search index and the API description no error is reported, and Enter still searches', async () => {
    const expectedFailures = ['ERR_FAILED /docs/find.js', 'ERR_FAILED /openapi.json']
    const page = await open('/docs/html', { expectedFailures })
    const failed: string[] = []
    page.on('requestfailed', (request) => failed.push(new URL(request.url()).pathname))
    await page.route(/find\.js|openapi\.json/, (route) => route.abort())
    await page.goto(`${running.url}/docs/api`)
    await page.getByRole('combobox', { name: 'Search the docs' }).fill('revoke')
    await expect.poll(() => failed).toEqual(['/openapi.json', '/docs/find.js'])
    await page.keyboard.press('Enter')
    await page.waitForURL(`${running.url}/docs/search?q=revoke`)
  })

  test('results that come after the focus has left the field do not open over the page', async () => {
    const page = await open('/docs/html')
    const released = Promise.withResolvers<void>()
    await page.route('**/find.js', async (route) => {
      await released.promise
      await route.continue()
    })
    const asked = page.waitForRequest('**/find.js')
    await page.getByRole('combobox', { name: 'Search the docs' }).fill('revoke')
    await asked
    await page.keyboard.press('Tab')
    released.resolve()
    // The module is the same one, so what waited for it has run by then.
    await page.evaluate(
      "import('/docs/find.js').then(() => new Promise((done) => setTimeout(done)))",
    )
    expect(await page.getByRole('option').count()).toBe(0)
  })

  test('code is copied with a button', async () => {
    const page = await open('/docs/html', { permissions: ['clipboard-read', 'clipboard-write'] })
    const block = page.locator('.code').first()
    await block.hover()
    await block.getByRole('button', { name: 'Copy' }).click()
    await block.getByRole('button', { name: 'Copied' }).waitFor()
    const copied = await page.evaluate('navigator.clipboard.readText()')
    expect(copied).toBe(await block.locator('code').textContent())
  })

  test('the page says when the browser does not let it copy', async () => {
    const page = await open('/docs/html')
    const block = page.locator('.code').first()
    await block.getByRole('button', { name: 'Copy' }).click()
    await block.getByRole('button', { name: 'Not copied: select the text' }).waitFor()
  })

  test('without script: reads, searches, and follows what was found', async () => {
    const page = await open('/docs', { javaScriptEnabled: false })
    await page.getByRole('searchbox', { name: 'Search the docs' }).fill('token expired')
    await page.keyboard.press('Enter')
    await page.getByRole('main').getByRole('link').first().click()
    expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1)
    expect(await page.getByRole('button', { name: 'Copy' }).count()).toBe(0)
  })

  test('a call is tried with a token, which nothing keeps', async () => {
    const page = await open('/docs/api#createSession', {
      expectedFailures: ['401 /v1/threads', '403 /v1/sessions'],
    })
    const call = page.locator('#createSession')
    const answer = call.getByRole('region', { name: 'Answer' })
    await call.getByLabel('Token').fill(tokenFor())
    await call.getByLabel('Body').fill('{}')
    await call.getByRole('button', { name: 'Send POST' }).click()
    await expect
      .poll(() => answer.textContent())
      .toMatch(/^200 OK\n\n\{\n {2}"client_secret": "ek_/)
    await page.evaluate(LEAVE_TWO)
    expect(await seriousFaults(page, 'all', '#createSession')).toEqual([])
    await call.getByLabel('Body').fill('{"workflow": "other"}')
    await call.getByRole('button', { name: 'Send POST' }).click()
    await expect.poll(() => answer.textContent()).toMatch(/^403 .*\n.*"workflow_not_allowed"/s)
    await picture(page, 'tried')

    // Another call has the token too; the page after a reload has not, nor has any store of the browser.
    const list = page.locator('#listOwnThreads')
    const listed = list.getByRole('region', { name: 'Answer' })
    await list.locator('> summary').click()
    await list.getByLabel('limit').fill('1')
    await list.getByLabel('order').selectOption('asc')
    await list.getByRole('button', { name: 'Send GET' }).click()
    await expect.poll(() => listed.textContent()).toMatch(/^200 OK\n.*"has_more": false/s)
    // Another token takes its place everywhere.
    await list.getByLabel('Token').fill('another')
    expect(await list.getByLabel('Token').inputValue()).toBe('another')
    expect(await call.getByLabel('Token').inputValue()).toBe('another')
    expect(await page.evaluate('localStorage.length + sessionStorage.length')).toBe(0)
    expect(await page.context().cookies()).toEqual([])
    await page.reload()
    expect(await call.getByLabel('Token').inputValue()).toBe('')

    // Calls of ChatKit servers and backends cannot be tried.
    await page.locator('#createChatKitSession > summary').click()
    expect(await page.locator('#createChatKitSession form').count()).toBe(0)
  })
})
