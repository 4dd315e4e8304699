import { expect } from 'vitest'
import { EnvironmentError } from '../../src/config/env.ts'
import { loadConfig } from '../../src/config/file/load-config.ts'
import type { SecretLookup } from '../../src/config/file/needed-secrets.ts'
import { ConfigError } from '../../src/config/file/problems.ts'
import type { Settings } from '../../src/config/settings.ts'
import { SetupError } from '../../src/config/setup.ts'

/** The smallest valid config file. */
export const MINIMAL = `issuers:
  - issuer: https://login.corp.test/
    audience: [chat-api]
    algorithms: [RS256]
user: 'claims.sub'
workflows:
  support:
    id: wf_1
`

/** MINIMAL with one text replaced; fails when the text is not there. */
export function minimalWith(part: string, replacement: string): string {
  if (!MINIMAL.includes(part)) throw new Error(`MINIMAL has no ${part}`)
  return MINIMAL.replace(part, () => replacement)
}

export function settingsOf(text: string, secrets?: SecretLookup): Settings {
  return loadConfig(text, { file: 'c.yaml', ...(secrets && { secrets }) }).settings
}

/** Every problem of a file, as `line key message`; empty when there is none. */
export function problemsOf(text: string, secrets?: SecretLookup): string[] {
  try {
    settingsOf(text, secrets)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ line, key, message }) => `${line} ${key} ${message}`)
  }
}

/** Every problem for which an environment or a setup is refused, without what the test planted; empty when it is not. */
export function problemsIn(read: () => unknown): readonly string[] {
  try {
    read()
    return []
  } catch (error) {
    if (!(error instanceof EnvironmentError || error instanceof SetupError)) throw error
    expect(error.message).toBe(error.problems.join('\n'))
    expect(error.message).not.toContain('planted')
    return error.problems
  }
}
