import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readSetup } from '../../../src/config/setup.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { MINIMAL, problemsIn, problemsOf, settingsOf } from '../fixtures.ts'

const ADMINS = `admins: { when: 'claims.admin == true' }\n`
const CONSOLE = `console:
  issuer: https://login.corp.test/
  client_id: console
  client_secret_env: CONSOLE_CLIENT_SECRET
`
const GOOD = MINIMAL + ADMINS + CONSOLE
const withIssuer = (issuer: string) =>
  MINIMAL + ADMINS + CONSOLE.replace('https://login.corp.test/', issuer)
const UNKNOWN_ISSUER = /^11 console\.issuer is not one of the configured issuers/

describe('the file', () => {
  test('has sign-ins of an hour unless it says otherwise', () => {
    expect(settingsOf(GOOD).console).toEqual({
      issuer: 'https://login.corp.test/',
      clientId: 'console',
      clientSecretEnv: 'CONSOLE_CLIENT_SECRET',
      sessionMinutes: 60,
      idleMinutes: 30,
    })
    expect(settingsOf(`${GOOD}  session_minutes: 5\n`).console?.sessionMinutes).toBe(5)
    expect(settingsOf(`${GOOD}  idle_minutes: 5\n`).console?.idleMinutes).toBe(5)
    expect(settingsOf(MINIMAL).console).toBeUndefined()
  })

  test.each([
    ['no admins', MINIMAL + CONSOLE, /^9 console needs `admins`/],
    [
      'no issuer',
      GOOD.replace(/ {2}issuer: .*\n(?= {2}client_id)/, ''),
      /^10 console\.issuer is missing/,
    ],
    ['an issuer that is not configured', withIssuer('https://x.example/'), UNKNOWN_ISSUER],
    ['an issuer without its slash', withIssuer('https://login.corp.test'), UNKNOWN_ISSUER],
    ['0 minutes', `${GOOD}  session_minutes: 0\n`, /^14 console\.session_minutes /],
    ['0 idle minutes', `${GOOD}  idle_minutes: 0\n`, /^14 console\.idle_minutes /],
    ['more than a day', `${GOOD}  session_minutes: 1441\n`, /^14 console\.session_minutes /],
    ['an unknown key', `${GOOD}  client_secret: abc\n`, /^14 console\.client_secret /],
  ])('%s', (_name, text, problem) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(problem)])
  })

  test('an issuer whose tokens cannot be an admin’s', () => {
    const second = `  - issuer: https://second.example/
    audience: [chat-api]
    algorithms: [RS256]
`
    const text = GOOD.replace(
      "user: 'claims.sub'",
      `${second}user: 'issuer + "|" + claims.sub'`,
    ).replace(
      "claims.admin == true' }",
      "claims.admin == true', issuers: ['https://second.example/'] }",
    )
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(/console\.issuer is not in admins\.issuers/),
    ])
    const own = CONSOLE.replace('login.corp.test', 'second.example')
    expect(problemsOf(text.replace(CONSOLE, own))).toEqual([])
  })

  test('its secret must be in the environment', () => {
    const has = (name: string) =>
      name === 'OPENAI_API_KEY' ? new Secret('sk-0123456789') : undefined
    expect(problemsOf(GOOD, has)).toEqual([
      expect.stringMatching(/^13 console\.client_secret_env needs CONSOLE_CLIENT_SECRET/),
    ])
  })
})

describe('the environment', () => {
  const folder = scratchFolder()
  const file = join(folder, 'c.yaml')
  writeFileSync(file, GOOD)
  const KEY = Buffer.alloc(32, 1).toString('base64url')

  function problemsWith(variables: Record<string, string>): readonly string[] {
    const secrets = { OPENAI_API_KEY: 'sk-0123456789', CONSOLE_CLIENT_SECRET: 'planted' }
    return problemsIn(() => readSetup({ CONFIG_FILE: file, ...secrets, ...variables }))
  }

  const PUBLIC_URL = 'https://mint.acme.test'
  test.each<[string, Record<string, string>, RegExp | undefined]>([
    ['https', { PUBLIC_URL }, undefined],
    ['plain http on loopback', { PUBLIC_URL: 'http://localhost:8787' }, undefined],
    ['no PUBLIC_URL', {}, /^PUBLIC_URL: needed by the console/],
    [
      'plain http elsewhere',
      { PUBLIC_URL: 'http://mint.example' },
      /^PUBLIC_URL: the console needs https/,
    ],
    ['a key', { PUBLIC_URL, CONSOLE_COOKIE_KEY: KEY }, undefined],
    [
      'a short key',
      { PUBLIC_URL, CONSOLE_COOKIE_KEY: 'planted' },
      /^CONSOLE_COOKIE_KEY: is not base64url of at least 32 bytes/,
    ],
    ['Redis without a key', { PUBLIC_URL, STORE_URL: 'redis://r' }, /^CONSOLE_COOKIE_KEY: needed/],
    [
      'Redis with a key',
      { PUBLIC_URL, STORE_URL: 'redis://r', CONSOLE_COOKIE_KEY: KEY },
      undefined,
    ],
    [
      'a key file that is not there',
      { PUBLIC_URL, CONSOLE_COOKIE_KEY_FILE: join(folder, 'none') },
      /CONSOLE_COOKIE_KEY_FILE/,
    ],
  ])('%s', (_name, variables, problem) => {
    const expected = problem === undefined ? [] : [expect.stringMatching(problem)]
    expect(problemsWith(variables)).toEqual(expected)
  })
})
