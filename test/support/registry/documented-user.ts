import { expect } from 'vitest'
import { guideText } from '../../docs/samples.ts'
import type { TestRedis } from './redis.ts'

/** Name and password, as in a URL. */
export const DOCUMENTED_USER = 'chatkit-mint:replace-me'

const guide = guideText('deploy')

/** The rules of the user in deploy.md, on and password among them. */
export const documentedRules = /^user chatkit-mint (.*)$/m.exec(guide)?.[1]?.split(' ') ?? []

/**
 * Lets the user of deploy.md in.
 *
 * @param more - what the guide says to add
 */
export async function allowDocumentedUser(
  redis: Pick<TestRedis, 'cli'>,
  more: readonly string[] = [],
): Promise<void> {
  for (const rule of more) expect(guide).toContain(`\`${rule}\``)
  const rules = ['reset', ...documentedRules, ...more]
  expect(await redis.cli('acl', 'setuser', 'chatkit-mint', ...rules)).toBe('OK')
}
