import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core')), 'utf8')
const SERIOUS: readonly unknown[] = ['serious', 'critical']

/**
 * What axe finds wrong with the page as it is now, of its two worst kinds, with the elements.
 * Evaluated by the debugger, so that the page's content security policy stays as it is.
 */
export async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const results: AxeResults = await page.evaluate('axe.run()')
  if (results.passes.length === 0) throw new Error('axe has looked at nothing')
  return results.violations
    .filter(({ impact }) => SERIOUS.includes(impact))
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
}
