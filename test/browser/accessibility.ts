import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Result } from 'axe-core'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import { takePicture } from './pictures.ts'

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
const SERIOUS: readonly unknown[] = ['serious', 'critical']

/** Rules that depend on colours alone. They cost more than all other rules. The second finds contrasts from 4.5 to 7. */
const COLOURS = ['color-contrast', 'color-contrast-enhanced', 'link-in-text-block']
/** Slow rules that axe never ranks as serious. */
const NEVER_SERIOUS = [
  'aria-allowed-role',
  'landmark-contentinfo-is-top-level',
  'landmark-one-main',
  'landmark-unique',
  'region',
  'skip-link',
]

const without = (ids: readonly string[]) => ({
  rules: {
    ...Object.fromEntries(ids.map((id) => [id, { enabled: false }])),
    // WCAG 2.2, 2.5.8 and 1.4.6: axe leaves them out unless asked.
    'target-size': { enabled: true },
    'color-contrast-enhanced': { enabled: !ids.includes('color-contrast-enhanced') },
  },
})

const RULES = {
  all: without(NEVER_SERIOUS),
  colours: { runOnly: COLOURS },
  structure: without([...COLOURS, ...NEVER_SERIOUS]),
}
type Rules = keyof typeof RULES

// Only faults are returned from the page: for a long page, the passed checks are megabytes.
const run = (rules: Rules, within: string) => `axe.run(${JSON.stringify(within)}, {
    resultTypes: ['violations'],
    ...${JSON.stringify(RULES[rules])}
  }).then(({ passes, violations }) => ({ passed: passes.length, violations }))`

/**
 * The faults of the two worst kinds that axe finds on the page as it is now, with the elements.
 * Evaluated by the debugger, so that the page's content security policy stays as it is.
 *
 * @param within - a selector: the part of a long page that a test has changed
 */
export async function seriousFaults(
  page: Page,
  rules: Rules = 'all',
  within = 'html',
): Promise<string[]> {
  // Runs once for each page, so that later checks use the code that V8 has compiled.
  if (await page.evaluate('!window.axe')) await page.evaluate(AXE)
  const found: { passed: number; violations: Result[] } = await page.evaluate(run(rules, within))
  const { passed, violations } = found
  if (passed === 0) throw new Error('axe has looked at nothing')
  return violations
    .filter(({ impact }) => SERIOUS.includes(impact))
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
}

/** Looks in which pages are checked. No rule is checked twice with the same colours. */
const LOOKS: readonly (readonly [string, Look])[] = [
  ['dark', { viewport: { width: 1920, height: 1080 }, colorScheme: 'dark', rules: 'colours' }],
  ['phone', { viewport: { width: 390, height: 844 }, colorScheme: 'light', rules: 'structure' }],
  ['phone-dark', { viewport: { width: 320, height: 640 }, colorScheme: 'dark' }],
  ['light', { viewport: { width: 1280, height: 860 }, colorScheme: 'light', rules: 'all' }],
]

interface Look {
  readonly viewport: { readonly width: number; readonly height: number }
  readonly colorScheme: 'light' | 'dark'
  readonly rules?: Rules
}

const TWO_FRAMES =
  'new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))'

/**
 * Changes the colours, and waits until they are drawn. The context must have `reducedMotion`, or they
 * change in a while.
 */
export async function showIn(page: Page, colorScheme: 'light' | 'dark'): Promise<void> {
  await page.emulateMedia({ colorScheme })
  await page.evaluate(TWO_FRAMES)
}

/**
 * Looks at the page as it is now in each size and scheme: axe finds nothing, and it scrolls nowhere sideways.
 * Ends on a light desk. See {@link showIn} for the context.
 */
export async function expectReadable(page: Page, name: string): Promise<void> {
  for (const [look, { viewport, colorScheme, rules }] of LOOKS) {
    await page.setViewportSize(viewport)
    await showIn(page, colorScheme)
    await takePicture(page, `${name}-${look}`)
    // Charts are drawn anew for the new width.
    const scrolled = () => page.evaluate('document.documentElement.scrollWidth - innerWidth')
    await expect.poll(scrolled, { message: `${name}, ${look}` }).toBe(0)
    const faults = rules === undefined ? [] : await seriousFaults(page, rules)
    expect({ name, look, faults }).toEqual({ name, look, faults: [] })
  }
}

/** Presses Tab until the element has the focus. */
export async function tabTo(page: Page, id: string) {
  for (let left = 60; left > 0; left--) {
    if ((await page.evaluate('document.activeElement.id')) === id) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`${id} cannot be reached by the keyboard`)
}
