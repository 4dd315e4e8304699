import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

const FOLDER = process.env['PICTURES']

/**
 * Leaves a picture of the whole page in the folder that `PICTURES` names, for the eye. Without it none
 * is taken: painting a long page costs ten times as much as all else that a test does with it.
 */
export async function takePicture(page: Page, name: string): Promise<void> {
  if (FOLDER === undefined) return
  mkdirSync(FOLDER, { recursive: true })
  await page.screenshot({ path: join(FOLDER, `${name}.png`), fullPage: true })
}
