import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { leaksIn } from '../../support/leaks.ts'
import { API_KEY, DEFAULT_CONFIG, tokenFor } from '../../support/running-service.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { forAllTests } from '../../support/started.ts'
import { cli } from './run-cli.ts'

// jwt explain, doctor and keys generate as the processes that operators run.

const TEST_SHARED_SECRET = 'a shared secret of at least thirty-two bytes'
const folder = scratchFolder()
const file = join(folder, 'config.yaml')

const api = forAllTests(() => startChatKitApi({ port: 0 }))
beforeAll(async () => {
  writeFileSync(file, DEFAULT_CONFIG)
})

function explain(input: string, ...words: readonly string[]) {
  const env = { TEST_SHARED_SECRET, STORE_URL: `sqlite:${folder}/x.db` }
  return cli(['jwt', 'explain', '--config', file, ...words], { env, input })
}

describe('jwt explain', () => {
  test('a good token ends with 0, is not printed, and opens no store', async () => {
    const token = tokenFor('alice')
    const { code, out, err } = await explain(`${token}\n`)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/\nuser +alice\nworkflow +support\n/)
    expect(leaksIn(out, [{ what: 'token', value: token }])).toEqual([])
    expect(statSync(`${folder}/x.db`, { throwIfNoEntry: false })).toBeUndefined()
  })
})

describe('doctor', () => {
  const doctor = async (changes: Record<string, string> = {}) => {
    const env = {
      CONFIG_FILE: file,
      STORE_URL: 'memory:',
      OPENAI_API_KEY: API_KEY,
      OPENAI_BASE_URL: api.url,
    }
    const { code, out, err } = await cli(['doctor'], {
      env: { ...env, TEST_SHARED_SECRET, ...changes },
    })
    const said = out + err
    expect(leaksIn(said, [{ what: 'API key', value: API_KEY }])).toEqual([])
    return { code, said }
  }

  test('ends with 0 when all is well', async () => {
    const { code, said } = await doctor()
    expect(code).toBe(0)
    expect(said).toContain('ok    workflow support: minted and cancelled')
    expect(api.api.sessions().map(({ status }) => status)).toEqual(['cancelled'])
  })
})

test('keys generate writes a file of the owner alone, whatever the umask', async () => {
  const key = join(folder, 'key.json')
  expect(await cli(['keys', 'generate', '--output', key])).toMatchObject({ code: 0, out: '' })
  expect(statSync(key).mode & 0o077).toBe(0)
})
