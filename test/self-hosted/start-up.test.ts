import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import { makeSigningKeys, readSigningKeys } from '../../src/chatkit/signing/signing-keys.ts'
import { readSetup, SetupError } from '../../src/config/setup.ts'
import { UnusableSettingError } from '../../src/lib/errors.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { leaksIn } from '../support/leaks.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { runToEnd } from '../support/service-process.ts'

const config = selfHostedConfig({ server: 'http://127.0.0.1:9/chatkit' })
const env = {
  OPENAI_API_KEY: 'sk-start-up-0123456789abcdef',
  TEST_SHARED_SECRET: 'a shared secret of at least thirty-two bytes',
}

const directory = scratchFolder()

function fileWith(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

function problems(variables: Readonly<Record<string, string>>): readonly string[] {
  try {
    readSetup({ CONFIG_FILE: fileWith('config.yaml', config), ...env, ...variables })
    return []
  } catch (error) {
    if (error instanceof SetupError) return error.problems
    throw error
  }
}

test('a self-hosted workflow needs PUBLIC_URL', () => {
  expect(problems({ STORE_URL: 'memory:' })).toEqual([
    expect.stringMatching(/^PUBLIC_URL: needed by the self-hosted workflow helpdesk/),
  ])
  expect(problems({ STORE_URL: 'memory:', PUBLIC_URL })).toEqual([])
  const [elsewhere] = problems({ STORE_URL: 'memory:', PORT: '9000' })
  expect(elsewhere).toMatch(/on your own machine http:\/\/localhost:9000$/)
})

test('a self-hosted workflow needs SIGNING_KEY_FILE with Redis, and with Redis only', async () => {
  const redis = { STORE_URL: 'redis://127.0.0.1:9', PUBLIC_URL }
  expect(problems(redis)).toEqual([expect.stringMatching(/^SIGNING_KEY_FILE: needed with Redis/)])
  const file = fileWith('good.json', await makeSigningKeys())
  expect(problems({ ...redis, SIGNING_KEY_FILE: file })).toEqual([])
  expect(problems({ STORE_URL: 'sqlite:x.db', PUBLIC_URL })).toEqual([])
})

describe('the process ends with 78 and one line without a part of the key', () => {
  const jwk = async (alg: string) =>
    exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey)
  const changed = async (alg: string, more: (key: Record<string, unknown>) => object) => {
    const key = (await jwk(alg)) as Record<string, unknown>
    return { text: JSON.stringify({ keys: [{ ...key, ...more(key) }] }), key }
  }

  const bad: readonly (readonly [
    string,
    () => Promise<{ text: string; key: Record<string, unknown> }>,
  ])[] = [
    [
      'text that is not JSON',
      async () => {
        const key = (await jwk('ES256')) as Record<string, unknown>
        return { text: `{"keys":[${JSON.stringify(key)}`, key }
      },
    ],
    [
      'one key, not a set',
      async () => {
        const key = (await jwk('ES256')) as Record<string, unknown>
        return { text: JSON.stringify(key), key }
      },
    ],
    ['an RSA key', () => changed('RS256', () => ({}))],
    ['a P-384 key', () => changed('ES384', () => ({}))],
    [
      'a private part too many characters long',
      () => changed('ES256', ({ d }) => ({ d: `${d}A` })),
    ],
    ['no private part', () => changed('ES256', () => ({ d: undefined }))],
    ['half of a private part', () => changed('EdDSA', ({ d }) => ({ d: String(d).slice(0, 20) }))],
    ['a public part of another key', () => changed('ES256', ({ y }) => ({ x: y }))],
    ['an algorithm that is not the key’s', () => changed('ES256', () => ({ alg: 'HS256' }))],
  ]

  /** The line, and whatever else was said; of a process or of what it calls at its start. */
  function expectOneLine(line: string, all: string, key: Record<string, unknown>) {
    expect(line).toMatch(/^SIGNING_KEY_FILE: .+$/)
    const secrets = Object.entries(key)
      .filter(([name]) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'n', 'x', 'y'].includes(name))
      .map(([what, value]) => ({ what, value: String(value) }))
    expect(secrets.length).toBeGreaterThan(1)
    expect(leaksIn(all, secrets)).toEqual([])
  }

  test.each(bad)('when the key file holds %s', async (_what, make) => {
    const { text, key } = await make()
    const refused = await readSigningKeys(text, 'SIGNING_KEY_FILE').catch((error) => error)
    expect(refused).toBeInstanceOf(UnusableSettingError)
    expectOneLine(refused.message, refused.message, key)
  })

  test('when the key file holds the half of a key', async () => {
    const { text, key } = await changed('EdDSA', ({ d }) => ({ d: String(d).slice(0, 20) }))
    const SIGNING_KEY_FILE = fileWith('bad.json', text)
    const ended = await runToEnd({ config, env: { ...env, PUBLIC_URL, SIGNING_KEY_FILE } })
    expect(ended.code).toBe(78)
    expectOneLine(ended.stderr.trimEnd(), ended.stderr + ended.stdout, key)
  })

  test('when the key file does not exist', async () => {
    const SIGNING_KEY_FILE = join(directory, 'none.json')
    const ended = await runToEnd({ config, env: { ...env, PUBLIC_URL, SIGNING_KEY_FILE } })
    expect(ended.code).toBe(78)
    expect(ended.stderr).toContain('SIGNING_KEY_FILE')
    expect(ended.stderr).not.toMatch(/\n\s+at /)
  })
})
