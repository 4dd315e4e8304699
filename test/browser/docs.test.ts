import type { Page } from 'playwright-core'
import { afterEach, describe, expect, test } from 'vitest'
import { guideNames } from '../docs/samples.ts'
import { startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { seriousFaults } from './accessibility.ts'
import { type OpenOptions, type OpenPage, startBrowser, wantsChromium } from './chromium.ts'
import { takePicture } from './pictures.ts'

const PATHS = ['/docs', ...guideNames.map((name) => `/docs/${name}`)]
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true }
const UNFOLD = "for (const fold of document.querySelectorAll('details')) fold.open = true"
/** For a walk over every page: axe takes a second for each. */
const LONG = { timeout: 60_000 }

describe.runIf(wantsChromium())('the docs (needs Chromium)', () => {
  const browser = forAllTests(() => startBrowser())
  const running = forAllTests(() => startService())
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

  test.each(['light', 'dark'] as const)('every page passes axe, %s', LONG, async (colorScheme) => {
    const page = await open('/docs', { colorScheme })
    for (const path of PATHS) {
      await page.goto(running.url + path)
      // What is folded away is looked at too.
      await page.evaluate(UNFOLD)
      expect({ path, faults: await seriousFaults(page) }).toEqual({ path, faults: [] })
    }
    await page.goto(`${running.url}/docs`)
    await picture(page, `reference-${colorScheme}`)
    await page.goto(`${running.url}/docs/errors`)
    await picture(page, `errors-${colorScheme}`)
  })

  test('no page scrolls sideways on a phone', async () => {
    const page = await open('/docs', PHONE)
    for (const path of PATHS) {
      await page.goto(running.url + path)
      await page.evaluate(UNFOLD)
      const width = await page.evaluate('document.documentElement.scrollWidth')
      expect({ path, width }).toEqual({ path, width: 390 })
    }
    await picture(page, 'phone-guide')
    await page.goto(`${running.url}/docs`)
    await picture(page, 'phone-reference')
  })

  test('by keyboard: past the list, through what scrolls, into an operation', async () => {
    const page = await open('/docs/html')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    expect(await page.locator('.skip').boundingBox()).toMatchObject({ x: 16 })
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('content')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.tagName')).toBe('PRE')
    await page.setViewportSize(PHONE.viewport)
    await page.keyboard.press('ArrowRight')
    await expect.poll(() => page.evaluate('document.activeElement.scrollLeft')).toBeGreaterThan(0)

    await page.goto(`${running.url}/docs`)
    await page.locator('#createSession > summary').focus()
    await page.keyboard.press('Enter')
    expect(await page.locator('#createSession').getAttribute('open')).toBe('')
    await page.setViewportSize({ width: 1280, height: 900 })
    await page.locator('#createSession').scrollIntoViewIfNeeded()
    await picture(page, 'operation')
  })

  test('leads from the reference to a code, and from a guide to another', async () => {
    const page = await open('/docs')
    await page.locator('#createSession > summary').click()
    await page.locator('#createSession').getByRole('link', { name: 'user_blocked' }).click()
    expect(page.url()).toBe(`${running.url}/docs/errors#user_blocked`)
    await page.getByRole('navigation').getByRole('link', { name: 'Plain HTML' }).click()
    await picture(page, 'html')
    await page.getByRole('link', { name: "OpenAI's domain allow-list" }).click()
    expect(page.url()).toBe(`${running.url}/docs/domain-allow-list`)
    await page.getByRole('link', { name: 'API reference' }).click()
    expect(page.url()).toBe(`${running.url}/docs`)
  })
})
