import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, onTestFinished, TestRunner } from 'vitest'

/**
 * A new empty folder. Made in a test or in `beforeEach` it goes with that test; made while tests are
 * being declared, it goes with the file or `describe` around the call.
 */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chatkit-mint-test-'))
  const ends = TestRunner.getCurrentTest() ? onTestFinished : afterAll
  ends(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
