import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeSigningKeys } from '../../src/chatkit/signing/signing-keys.ts'
import { readSetup, SetupError } from '../../src/config/setup.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

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
  const file = fileWith('good.json', makeSigningKeys())
  expect(problems({ ...redis, SIGNING_KEY_FILE: file })).toEqual([])
  expect(problems({ STORE_URL: 'sqlite:x.db', PUBLIC_URL })).toEqual([])
})
