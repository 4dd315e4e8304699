import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, onTestFinished, TestRunner } from 'vitest'

/**
 * A new empty folder. A folder made in a test or in `beforeEach` is removed after that test; one made while tests are
 * declared, after the file or the `describe` around the call.
 */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chatkit-mint-test-'))
  const ends = TestRunner.getCurrentTest() ? onTestFinished : afterAll
  ends(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
