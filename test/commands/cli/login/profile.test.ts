import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { dirname } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { listenOnLoopback } from '../../../../src/embedded/kit/listen.ts'
import { ADMIN_CONFIG, adminToken } from '../../../support/admin-calls.ts'
import { startService } from '../../../support/running-service.ts'
import { scratchFolder } from '../../../support/scratch-folder.ts'
import { forAllTests } from '../../../support/started.ts'
import { quickCli } from '../run-cli.ts'
import { profilesFile, profilesOf, signInWith } from './scene.ts'
import { startScriptedProvider } from './scripted-provider.ts'

const provider = forAllTests(() => startScriptedProvider())
const running = forAllTests(() => startService({ config: ADMIN_CONFIG }))

/** A service that answers every call with an empty list, and keeps the tokens it got. */
const service = forAllTests(async () => {
  const tokens: (string | undefined)[] = []
  const server = createServer(({ headers }, response) => {
    tokens.push(headers.authorization)
    response.setHeader('content-type', 'application/json')
    const empty = { object: 'list', data: [], first_id: null, last_id: null, has_more: false }
    response.end(JSON.stringify(empty))
  })
  return { tokens, ...(await listenOnLoopback(server)) }
})

let variables: Record<string, string>
beforeEach(() => {
  provider.reset()
  service.tokens.length = 0
  variables = { XDG_CONFIG_HOME: scratchFolder() }
})

/** Signs in with the scripted provider for the stub service. */
async function signIn(...more: string[]): Promise<void> {
  const words = ['--issuer', provider.issuer, '--client-id', 'cli', '--url', service.origin]
  expect(await signInWith([...words, ...more], variables)).toMatchObject({ code: 0 })
}

function blocks(words: string[] = [], more: Record<string, string> = {}) {
  return quickCli(['blocks', 'list', ...words], { ...variables, ...more })
}

function logout(...words: string[]) {
  return quickCli(['logout', ...words], variables)
}

/** Writes a file of profiles by hand. */
function write(content: unknown, mode = 0o600): void {
  const file = profilesFile(variables)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content), { mode })
}

function written(url: string, token: string) {
  const tokens = { kind: 'access_token', token, expires_at: Math.floor(Date.now() / 1000) + 600 }
  const profile = { url, issuer: 'https://login.acme.example/', client_id: 'cli', tokens }
  return { version: 1, profiles: { default: profile } }
}

describe('commands that ask a service', () => {
  test('address and token of the service come from the profile', async () => {
    write(written(running.url, adminToken()))
    expect(await blocks()).toMatchObject({ code: 0, err: '' })
    const { code } = await quickCli(['sessions', 'list'], variables)
    expect(code).toBe(0)
  })

  test('a token that the service finds expired: the message names login', async () => {
    const seconds = Math.floor(Date.now() / 1000)
    write(written(running.url, adminToken({ iat: seconds - 7200, exp: seconds - 3600 })))
    const { code, err } = await blocks()
    expect({ code, err }).toEqual({
      code: 77,
      err: expect.stringContaining('Run chatkit-mint login'),
    })
    expect(err).toContain('code: token_expired')
  })

  test('a fresh token is sent without a call of the provider', async () => {
    await signIn()
    provider.reset()
    expect(await blocks()).toMatchObject({ code: 0 })
    expect(service.tokens).toEqual([`Bearer ${profilesOf(variables).default.tokens.token}`])
    expect(provider.requests).toEqual([])
  })

  test('--profile and CHATKIT_MINT_PROFILE choose, and the option wins', async () => {
    await signIn('--profile', 'one')
    await signIn('--profile', 'two')
    await blocks(['--profile', 'one'])
    await blocks([], { CHATKIT_MINT_PROFILE: 'two' })
    await blocks(['--profile', 'one'], { CHATKIT_MINT_PROFILE: 'two' })
    const { one, two } = profilesOf(variables)
    const sent = [one, two, one].map(({ tokens }) => `Bearer ${tokens.token}`)
    expect(service.tokens).toEqual(sent)
  })

  test('--token-file and CHATKIT_MINT_TOKEN win over the token of the profile', async () => {
    await signIn()
    await blocks([], { CHATKIT_MINT_TOKEN: 'from-environment' })
    await quickCli(['blocks', 'list', '--token-file', '-'], variables, { input: 'from-file' })
    expect(service.tokens).toEqual(['Bearer from-environment', 'Bearer from-file'])
  })

  test('CHATKIT_MINT_URL and --url win over the address of the profile', async () => {
    write(written('https://chat.example.com', 'x'))
    const CHATKIT_MINT_TOKEN = 'given'
    await blocks([], { CHATKIT_MINT_URL: service.origin, CHATKIT_MINT_TOKEN })
    await blocks(['--url', service.origin], { CHATKIT_MINT_TOKEN })
    expect(service.tokens).toEqual(['Bearer given', 'Bearer given'])
  })

  test('the token of a profile is never sent to another service', async () => {
    write(written('https://chat.example.com', adminToken()))
    for (const [words, more] of [
      [['--url', service.origin], {}],
      [[], { CHATKIT_MINT_URL: service.origin }],
    ] as const) {
      const { code, err } = await blocks([...words], more)
      expect({ code, err }).toEqual({ code: 78, err: expect.stringContaining('is not sent to') })
    }
    expect(service.tokens).toEqual([])
  })

  test('a --profile that does not exist calls nothing, whatever service and token are given', async () => {
    write(written('https://chat.example.com', adminToken()))
    const CHATKIT_MINT_TOKEN = 'given'
    for (const [words, more] of [
      [['--url', service.origin], {}],
      [[], { CHATKIT_MINT_URL: service.origin }],
      [[], {}],
    ] as const) {
      const all = { CHATKIT_MINT_TOKEN, ...more }
      const { code, err } = await blocks(['--profile', 'stagin', ...words], all)
      expect({ code, err }).toEqual({ code: 78, err: expect.stringContaining('profile stagin') })
    }
    expect(service.tokens).toEqual([])
  })

  test('--profile together with a variable that names another service calls neither', async () => {
    write(written('https://chat.example.com', adminToken()))
    const more = { CHATKIT_MINT_URL: service.origin, CHATKIT_MINT_TOKEN: 'given' }
    const { code, err } = await blocks(['--profile', 'default'], more)
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('unset one of them') })
    expect(service.tokens).toEqual([])
  })

  test('--url wins over the service of a profile, with a token that is given for it', async () => {
    write(written('https://chat.example.com', adminToken()))
    const more = { CHATKIT_MINT_TOKEN: 'given' }
    await blocks(['--profile', 'default', '--url', service.origin], more)
    expect(service.tokens).toEqual(['Bearer given'])
  })

  test('OPENAI_API_KEY in the environment wins over a profile; --profile over that', async () => {
    await signIn()
    const at = {
      ...variables,
      OPENAI_API_KEY: 'sk-test-key',
      OPENAI_BASE_URL: `${service.origin}/v1`,
    }
    await quickCli(['threads', 'list'], at)
    await quickCli(['threads', 'list', '--profile', 'default'], at)
    const { token } = profilesOf(variables).default.tokens
    expect(service.tokens).toEqual(['Bearer sk-test-key', `Bearer ${token}`])
  })

  test('a missing profile, or one without tokens, is reported with what to do', async () => {
    await signIn()
    const other = await blocks(['--profile', 'other', '--url', service.origin])
    expect(other).toMatchObject({
      code: 78,
      err: expect.stringContaining('Run chatkit-mint login'),
    })
    await logout()
    expect(await blocks()).toMatchObject({
      code: 78,
      err: expect.stringContaining('nobody is signed in'),
    })
    expect(service.tokens).toEqual([])
  })
})

describe('a token that has expired', () => {
  beforeEach(async () => {
    provider.script.tokenSeconds = 1
    await signIn()
    provider.script.tokenSeconds = 3600
    provider.requests.length = 0
  })

  test('is renewed, and the rotated refresh token is kept', async () => {
    const before = profilesOf(variables).default.tokens
    expect(await blocks()).toMatchObject({ code: 0, err: '' })
    const after = profilesOf(variables).default.tokens
    expect(after.refresh_token).not.toBe(before.refresh_token)
    expect(service.tokens).toEqual([`Bearer ${after.token}`])
  })

  test('is renewed once by commands that run together: a refresh token counts once', async () => {
    const ended = await Promise.all([blocks(), blocks(), blocks()])
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(provider.requests.filter(({ path }) => path === '/token')).toHaveLength(1)
    expect(new Set(service.tokens).size).toBe(1)
  })

  test('an answer without a new refresh token keeps the old one', async () => {
    provider.script.refresh = false
    const { refresh_token: kept } = profilesOf(variables).default.tokens
    expect(await blocks()).toMatchObject({ code: 0 })
    expect(profilesOf(variables).default.tokens.refresh_token).toBe(kept)
  })

  test('whose refresh token has expired is not sent; the message names login and the profile', async () => {
    provider.script.errors = ['invalid_grant']
    expect(await blocks()).toMatchObject({
      code: 77,
      err: expect.stringMatching(/run chatkit-mint login\.$/m),
    })
    expect(service.tokens).toEqual([])
  })

  test('that the provider renews with a token of another kind is not sent', async () => {
    provider.script.opaque = true
    expect(await blocks()).toMatchObject({ code: 77 })
    expect(service.tokens).toEqual([])
  })

  test('is not sent when the provider names another issuer by now', async () => {
    provider.script.namesIssuer = 'https://other.example'
    expect(await blocks()).toMatchObject({ code: 69 })
    expect(service.tokens).toEqual([])
  })

  test('without a refresh token is reported without any call', async () => {
    Object.assign(provider.script, { refresh: false, tokenSeconds: 1 })
    await signIn('--profile', 'short')
    provider.requests.length = 0
    const { code, err } = await blocks(['--profile', 'short'])
    expect({ code, err }).toEqual({
      code: 77,
      err: expect.stringContaining('login --profile short'),
    })
    expect([service.tokens, provider.requests]).toEqual([[], []])
  })
})

describe('the file', () => {
  test.each([0o640, 0o604, 0o620])('mode %o is refused, and nothing is sent', async (mode) => {
    await signIn()
    chmodSync(profilesFile(variables), mode)
    for (const { code, err } of [await blocks(), await logout()]) {
      expect({ code, err }).toEqual({ code: 78, err: expect.stringContaining('chmod 600') })
    }
    expect(service.tokens).toEqual([])
  })

  test.runIf(process.getuid?.() === 0)(
    'of another user is refused, and nothing is sent',
    async () => {
      await signIn()
      chownSync(profilesFile(variables), 12_345, 12_345)
      for (const { code, err } of [await blocks(), await logout()]) {
        expect({ code, err }).toEqual({ code: 78, err: expect.stringContaining('chmod 600') })
      }
      expect(service.tokens).toEqual([])
    },
  )

  test.each([
    { default: { url: 'https://chat.example.com', token: 'x' } },
    { version: 2, profiles: {} },
    { version: 1, profiles: {}, more: 1 },
    { version: 1, profiles: { a: { issuer: 'http://b.example', client_id: 'x' } } },
    { version: 1, profiles: { 'a/b': { issuer: 'https://b.example', client_id: 'x' } } },
    '{',
    '',
  ])('with %j is refused and stays as it is', async (content) => {
    write(content)
    const before = readFileSync(profilesFile(variables), 'utf8')
    const words = ['login', '--issuer', provider.issuer, '--client-id', 'cli', '--timeout', '1']
    for (const { code, err } of [await blocks(), await quickCli(words, variables)]) {
      expect({ code, err }).toEqual({ code: 78, err: expect.stringContaining('Move it away') })
    }
    expect(readFileSync(profilesFile(variables), 'utf8')).toBe(before)
    expect(provider.requests).toEqual([])
  })

  // Node's own recursive mkdir never returns there.
  test.runIf(existsSync('/proc/self'))('a folder that cannot be made ends it at once', async () => {
    variables = { XDG_CONFIG_HOME: '/proc/config' }
    await expect(signIn()).rejects.toThrow(
      '74: chatkit-mint: cannot write /proc/config/chatkit-mint',
    )
  })

  test('XDG_CONFIG_HOME that is relative counts as none, and ~/.config is next', async () => {
    const home = variables['XDG_CONFIG_HOME'] ?? ''
    variables = { XDG_CONFIG_HOME: `${home}/.config` }
    await signIn()
    variables = { XDG_CONFIG_HOME: 'relative', HOME: home }
    expect(await blocks()).toMatchObject({ code: 0 })
  })

  test('the lock of a process that was killed does not last', async () => {
    await signIn()
    const lock = `${profilesFile(variables)}.lock`
    writeFileSync(lock, '')
    utimesSync(lock, 0, 0)
    expect(await logout()).toMatchObject({ code: 0 })
  })
})

describe('logout', () => {
  test('forgets the tokens, revokes the refresh token, and keeps the rest for the next login', async () => {
    await signIn()
    const { tokens, ...rest } = profilesOf(variables).default
    const { code, out, err } = await logout()
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('Revoked at') })
    expect(profilesOf(variables).default).toEqual(rest)
    const { form } = provider.requests.at(-1) ?? {}
    expect(Object.fromEntries(form ?? [])).toEqual({
      client_id: 'cli',
      token: tokens.refresh_token,
      token_type_hint: 'refresh_token',
    })
    expect(out + err).not.toContain(tokens.token)
  })

  test('only the named profile is signed out', async () => {
    await signIn('--profile', 'one')
    await signIn('--profile', 'two')
    await logout('--profile', 'one')
    const { one, two } = profilesOf(variables)
    expect([one.tokens, typeof two.tokens.token]).toEqual([undefined, 'string'])
  })

  test('without a refresh token the access token is revoked, and of an ID token nothing', async () => {
    provider.script.refresh = false
    await signIn()
    await logout()
    expect(provider.requests.at(-1)?.form.get('token_type_hint')).toBe('access_token')
    provider.script.opaque = true
    await signIn()
    provider.requests.length = 0
    expect((await logout()).err).toContain('nothing to revoke')
    expect(provider.requests).toEqual([])
  })

  test.each<[string, () => unknown, RegExp]>([
    [
      'has no endpoint for it',
      () => provider.script.without.push('revocation_endpoint'),
      /has no endpoint/,
    ],
    ['fails', () => Object.assign(provider.script, { revocationStatus: 503 }), /Not revoked.*503/],
    [
      'is another by now',
      () => Object.assign(provider.script, { namesIssuer: 'https://o.example' }),
      /Not revoked/,
    ],
  ])('is done also when the provider %s, and says so', async (_, change, told) => {
    await signIn()
    change()
    const { code, err } = await logout()
    expect({ code, err }).toEqual({ code: 0, err: expect.stringMatching(told) })
    expect(err).toContain('The service would still accept a copy of the token until')
    expect(profilesOf(variables).default.tokens).toBeUndefined()
  })

  test('is done even if the provider is down, and says so', async () => {
    const file = written('https://chat.example.com', adminToken())
    const profile = { ...file.profiles.default, issuer: 'http://127.0.0.1:9' }
    write({ version: 1, profiles: { default: profile } })
    const { code, err } = await logout()
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('Not revoked') })
    expect(profilesOf(variables).default.tokens).toBeUndefined()
  })

  test('says that nobody is signed in, and makes no file', async () => {
    expect(await logout()).toMatchObject({
      code: 0,
      out: 'Nobody is signed in with profile default.\n',
    })
    expect(() => readFileSync(profilesFile(variables))).toThrow('ENOENT')
  })
})
