import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Result } from 'axe-core'
import type { Page } from 'playwright-core'

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
const SERIOUS: readonly unknown[] = ['serious', 'critical']

// Only what is wrong leaves the page: all that is right is megabytes of a long one.
const run = (rules: readonly string[] | undefined) => `axe.run({
    resultTypes: ['violations'],
    ...${JSON.stringify(rules === undefined ? {} : { runOnly: rules })}
  }).then(({ passes, violations }) => ({ passed: passes.length, violations }))`

/**
 * What axe finds wrong with the page as it is now, of its two worst kinds, with the elements.
 * Evaluated by the debugger, so that the page's content security policy stays as it is.
 *
 * @param rules - all of axe's when absent
 */
export async function seriousFaults(page: Page, rules?: readonly string[]): Promise<string[]> {
  await page.evaluate(AXE)
  const found: { passed: number; violations: Result[] } = await page.evaluate(run(rules))
  const { passed, violations } = found
  if (passed === 0) throw new Error('axe has looked at nothing')
  return violations
    .filter(({ impact }) => SERIOUS.includes(impact))
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
}
