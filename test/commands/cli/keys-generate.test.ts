import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SIGNING_ALGORITHMS } from '../../../src/chatkit/signing/private-keys.ts'
import { readSigningKeys } from '../../../src/chatkit/signing/signing-keys.ts'
import { apiKeyProblem } from '../../../src/config/api-key.ts'
import { readRandomKey, scrub } from '../../../src/lib/secret.ts'
import { MINIMAL, settingsOf } from '../../config/fixtures.ts'
import { PUBLIC_URL, selfHostedConfig } from '../../support/chatkit/self-hosted.ts'
import { DEFAULT_CONFIG, tokenFor } from '../../support/running-service.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { startServiceProcess } from '../../support/service-process.ts'
import { quickCli } from './run-cli.ts'

const SECRET = 'a shared secret of at least thirty-two bytes'
const folder = scratchFolder()

const generate = (...words: readonly string[]) => quickCli(['keys', 'generate', ...words])

const CLAIMS = { iss: PUBLIC_URL, aud: 'chatkit:helpdesk', sub: 'alice', sid: 's', jti: 'j' }
const EXPECTED = {
  issuer: PUBLIC_URL,
  audience: 'chatkit:helpdesk',
  type: 'x+jwt',
  nowMs: 1_000_000,
}

describe('signing keys', () => {
  test.each([undefined, ...SIGNING_ALGORITHMS])(
    '--alg %s gives a key that verifies what it signs',
    async (alg) => {
      const { code, out, err } = await generate(...(alg === undefined ? [] : ['--alg', alg]))
      expect({ code, err }).toEqual({ code: 0, err: '' })
      const keys = readSigningKeys(out, 'standard output')
      expect(keys.publicKeys.keys.map((key) => key.alg)).toEqual([alg ?? 'ES256'])
      const claims = { ...CLAIMS, iat: 1000, exp: 1600 }
      expect(await keys.verify(keys.sign(claims, 'x+jwt'), EXPECTED)).toEqual(claims)
    },
  )

  test('are new each time', async () => {
    expect((await generate()).out).not.toBe((await generate()).out)
  })

  test('a service starts with the file, signs with it and publishes the public half', async () => {
    const file = join(folder, 'signing.json')
    const { code, out, err } = await generate('--alg', 'EdDSA', '--output', file)
    expect({ code, out, err }).toEqual({
      code: 0,
      out: '',
      err: `${file}: written; set SIGNING_KEY_FILE to it\n`,
    })
    const service = await startServiceProcess({
      config: selfHostedConfig({ server: 'http://127.0.0.1:9/chatkit' }),
      env: {
        PUBLIC_URL,
        SIGNING_KEY_FILE: file,
        OPENAI_API_KEY: 'sk-x',
        TEST_SHARED_SECRET: SECRET,
      },
    })
    const headers = { authorization: `Bearer ${tokenFor('alice')}` }
    const minted = await fetch(`${service.url}/v1/sessions`, { method: 'POST', headers })
    expect(minted.status).toBe(200)
    const published = await (await fetch(`${service.url}/.well-known/jwks.json`)).json()
    const { keys } = JSON.parse(readFileSync(file, 'utf8'))
    expect(published).toMatchObject({ keys: [{ x: keys[0].x, alg: 'EdDSA' }] })
    expect(JSON.stringify(published)).not.toContain(keys[0].d)
  })
})

describe('random secrets', () => {
  test.each(['pseudonym', 'cookie'])('--use %s: 32 bytes in base64url', async (use) => {
    const { code, out } = await generate('--use', use)
    expect(code).toBe(0)
    expect(out).toMatch(/^[A-Za-z0-9_-]{43}\n$/)
    expect(readRandomKey(out.trim())).toHaveLength(32)
  })

  test('a service accepts it as USER_PSEUDONYM_KEY_FILE', async () => {
    const file = join(folder, 'pseudonym')
    expect((await generate('--use', 'pseudonym', '--output', file)).err).toContain(
      'USER_PSEUDONYM_KEY_FILE',
    )
    await startServiceProcess({
      config: DEFAULT_CONFIG.replace('user: claims.sub', "user: 'pseudonym(issuer, claims.sub)'"),
      env: { USER_PSEUDONYM_KEY_FILE: file, OPENAI_API_KEY: 'sk-x', TEST_SHARED_SECRET: SECRET },
    })
  })
})

describe('API keys', () => {
  const KEY = /^sk-mint-[A-Za-z0-9_-]{43}$/
  const accepts = (entry: string) => settingsOf(`${MINIMAL}\napi_keys:\n${entry}\n`).apiKeys
  const digestOf = (key: string) => createHash('sha256').update(key).digest('hex')

  test('print the key and an entry for the config that check-config accepts', async () => {
    const { code, out, err } = await generate('--use', 'api')
    const [key = '', entry = '', ...more] = out.split('\n')
    expect({ code, more }).toEqual({ code: 0, more: [''] })
    expect(key).toMatch(KEY)
    expect(err).toContain('api_keys')
    expect(`${entry}${err}`).not.toContain(key)
    const sha256 = [digestOf(key)]
    expect(accepts(entry)).toEqual([{ id: 'my-backend', sha256, workflows: undefined }])
    expect(apiKeyProblem(key)).toBeUndefined()
    expect(scrub(key)).toBe('[redacted]')
  })

  test('--json prints key and digest', async () => {
    const { key, sha256, ...more } = JSON.parse((await generate('--use', 'api', '--json')).out)
    expect(key).toMatch(KEY)
    expect({ sha256, more }).toEqual({ sha256: `sha256:${digestOf(key)}`, more: {} })
  })

  test('--output: the key is in the file alone', async () => {
    const file = join(folder, 'backend-key')
    const { out, err } = await generate('--use', 'api', '--output', file)
    const key = readFileSync(file, 'utf8').trim()
    expect(key).toMatch(KEY)
    expect(accepts(out)[0]?.sha256).toEqual([digestOf(key)])
    expect(out + err).not.toContain(key)
    const json = await generate('--use', 'api', '--json', '--output', join(folder, 'another-key'))
    expect(Object.keys(JSON.parse(json.out))).toEqual(['sha256'])
  })

  test('are new each time', async () => {
    expect((await generate('--use', 'api')).out).not.toBe((await generate('--use', 'api')).out)
  })
})

test('--json prints only the key for other uses, and the JWK set itself for signing', async () => {
  const { key, ...more } = JSON.parse((await generate('--use', 'cookie', '--json')).out)
  expect([key, more]).toEqual([expect.stringMatching(/^[A-Za-z0-9_-]{43}$/), {}])
  expect(Object.keys(JSON.parse((await generate('--json')).out))).toEqual(['keys'])
})

describe('the file', () => {
  test('is for its owner only', async () => {
    const file = join(folder, 'mode.json')
    await generate('--output', file)
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600')
  })

  test('is never overwritten: exit 74', async () => {
    const file = join(folder, 'there.json')
    writeFileSync(file, 'precious')
    const { code, err } = await generate('--output', file)
    expect(code).toBe(74)
    expect(err).toContain(`${file}: is there already and is not overwritten`)
    expect(readFileSync(file, 'utf8')).toBe('precious')
  })

  test('in a folder that is not there: exit 74', async () => {
    const { code, err } = await generate('--output', join(folder, 'none/key.json'))
    expect(code).toBe(74)
    expect(err).toMatch(/cannot be written \(ENOENT\)/)
  })
})

test.each([
  ['an algorithm that the service does not sign with', ['--alg', 'RS512']],
  ['a symmetric one', ['--alg', 'HS256']],
  ['an unknown use', ['--use', 'session']],
  ['an algorithm for an API key', ['--use', 'api', '--alg', 'ES256']],
  ['an algorithm for random bytes', ['--use', 'cookie', '--alg', 'ES256']],
  ['a word too many', ['signing']],
])('wrong usage, %s: exit 2, nothing is made', async (_name, words) => {
  const file = join(folder, 'unmade.json')
  const { code, out, err } = await generate(...words, '--output', file)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).not.toBe('')
  expect(existsSync(file)).toBe(false)
})
