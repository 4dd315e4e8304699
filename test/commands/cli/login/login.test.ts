import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { decodeJwt } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { listenOnLoopback } from '../../../../src/embedded/kit/listen.ts'
import { startSignIn } from '../../../../src/embedded/sign-in/sign-in.ts'
import { scratchFolder } from '../../../support/scratch-folder.ts'
import { createBrowser } from '../../../support/sign-in/browser.ts'
import { forAllTests } from '../../../support/started.ts'
import { quickCli } from '../run-cli.ts'
import { beginLogin, cameBackTo, profilesFile, profilesOf, signInWith } from './scene.ts'
import { startScriptedProvider } from './scripted-provider.ts'

const provider = forAllTests(() => startScriptedProvider())

let variables: { XDG_CONFIG_HOME: string }
beforeEach(() => {
  provider.reset()
  variables = { XDG_CONFIG_HOME: scratchFolder() }
})

function client(...more: string[]): string[] {
  return ['--issuer', provider.issuer, '--client-id', 'cli', ...more]
}

function paths(): string[] {
  return provider.requests.map(({ path }) => path)
}

describe('by browser', () => {
  test('an admin of the embedded sign-in signs in with PKCE S256, state and nonce', async () => {
    const signIn = await startSignIn({ port: 0 })
    try {
      const words = ['--issuer', signIn.issuer, '--client-id', 'web-app']
      const { url, ended } = beginLogin([...words, '--url', 'https://chat.example.com'], variables)
      const asked = new URL(await url)
      expect(Object.fromEntries(asked.searchParams)).toMatchObject({
        redirect_uri: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/callback$/),
        code_challenge_method: 'S256',
        code_challenge: expect.stringMatching(/^[\w-]{43}$/),
        state: expect.stringMatching(/^[\w-]{43}$/),
        nonce: expect.stringMatching(/^[\w-]{43}$/),
      })
      const browser = createBrowser()
      await browser.go(asked.href)
      expect((await browser.submit('/sign-in/', { account: 'ada' })).status).toBe(200)
      const { code, out } = await ended
      expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('Signed in as ada') })
      const { tokens, ...kept } = profilesOf(variables).default
      expect(kept).toMatchObject({ client_id: 'web-app', url: 'https://chat.example.com' })
      expect(tokens.kind).toBe('access_token')
      expect(decodeJwt(tokens.token)).toMatchObject({ sub: 'ada', aud: 'chat-api' })
    } finally {
      await signIn.close()
    }
  })

  test('no token is printed, and the file is for this user alone', async () => {
    const { code, out, err, page } = await signInWith(client(), variables)
    expect({ code, page }).toEqual({ code: 0, page: 200 })
    const { token, refresh_token: refresh, expires_at: end } = profilesOf(variables).default.tokens
    expect(end).toBe(decodeJwt(token).exp)
    expect(out + err).not.toContain(token)
    expect(out + err).not.toContain(refresh)
    const file = profilesFile(variables)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(file)).mode & 0o777).toBe(0o700)
  })

  test('when the access token is opaque, the ID token is kept, and the output says so', async () => {
    provider.script.opaque = true
    const { out } = await signInWith(client(), variables)
    expect(out).toContain('Commands send the ID token (the access token is no JWT)')
    const { kind, token } = profilesOf(variables).default.tokens
    expect(kind).toBe('id_token')
    expect(decodeJwt(token)).toMatchObject({ aud: 'cli' })
  })

  test('a second login needs no issuer and no client id, and --scope is asked for again', async () => {
    await signInWith(client('--scope', 'api://chat/.default'), variables)
    const { url, ended } = beginLogin([], variables)
    const scope = new URL(await url).searchParams.get('scope')
    expect(scope).toBe('openid profile offline_access api://chat/.default')
    await fetch(await cameBackTo(await url))
    expect((await ended).code).toBe(0)
  })

  test('two logins at once both end up in the file', async () => {
    const names = ['one', 'two', 'three']
    const ended = await Promise.all(
      names.map((name) => signInWith(client('--profile', name), variables)),
    )
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(Object.keys(profilesOf(variables)).toSorted()).toEqual(names.toSorted())
  })
})

describe('other calls of the callback address', () => {
  test.each<[string, (callback: URL) => string, RequestInit, number]>([
    ['a wrong state', ({ origin }) => `${origin}/callback?code=x&state=y`, {}, 400],
    ['no state', ({ origin }) => `${origin}/callback?code=x`, {}, 400],
    ['an error with a wrong state', ({ origin }) => `${origin}/callback?error=a&state=y`, {}, 400],
    ['a state given twice', ({ href }) => `${href}&state=y`, {}, 400],
    ['another path', ({ origin }) => `${origin}/`, {}, 404],
    ['a form', ({ href }) => href, { method: 'POST' }, 404],
    ['another name of this machine', ({ href }) => href.replace('127.0.0.1', 'localhost'), {}, 400],
  ])('%s is refused, and the login goes on', async (_, address, init, status) => {
    const { url, ended } = beginLogin(client(), variables)
    const callback = await cameBackTo(await url)
    expect((await fetch(address(new URL(callback)), init)).status).toBe(status)
    expect(paths()).not.toContain('/token')
    expect((await fetch(callback)).status).toBe(200)
    expect((await ended).code).toBe(0)
  })

  test('a callback called twice redeems one code, and the second caller gets an error', async () => {
    const { url, ended } = beginLogin(client(), variables)
    const callback = await cameBackTo(await url)
    const answers = await Promise.all([fetch(callback), fetch(callback)])
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409])
    expect((await ended).code).toBe(0)
    expect(paths().filter((path) => path === '/token')).toHaveLength(1)
  })
})

describe('a login that fails keeps nothing', () => {
  async function refusedBy(query: Record<string, string>) {
    const { url, ended } = beginLogin(client(), variables)
    const asked = new URL(await url).searchParams
    const state = asked.get('state') ?? ''
    const page = await fetch(
      `${asked.get('redirect_uri')}?${new URLSearchParams({ state, ...query })}`,
    )
    return { ...(await ended), page: page.status }
  }

  test('error=access_denied ends with 77 and the words of the provider', async () => {
    const { code, err, page } = await refusedBy({
      error: 'access_denied',
      error_description: 'no\u001b[2J',
    })
    expect({ code, page }).toEqual({ code: 77, page: 400 })
    expect(err).toContain('the identity provider refuses: access_denied: no\\u{1b}[2J')
    expect(existsSync(profilesFile(variables))).toBe(false)
  })

  test('another error ends with 1, and so does a code of somebody else', async () => {
    expect(await refusedBy({ error: 'server_error' })).toMatchObject({ code: 1 })
    expect(await refusedBy({ code: 'stolen' })).toMatchObject({ code: 1 })
    expect(existsSync(profilesFile(variables))).toBe(false)
  })

  test('an answer of another issuer (RFC 9207) ends with 1', async () => {
    const { code } = await refusedBy({ code: 'x', iss: 'https://other.example' })
    expect(code).toBe(1)
    expect(paths()).not.toContain('/token')
  })

  test.each<[string, () => void, number, RegExp]>([
    [
      'discovery names another issuer',
      () => Object.assign(provider.script, { namesIssuer: 'https://other.example' }),
      69,
      /issuer/,
    ],
    [
      'discovery names no authorization endpoint',
      () => provider.script.without.push('authorization_endpoint'),
      69,
      /discovery: authorization_endpoint is missing/,
    ],
  ])('%s', async (_, change, expected, why) => {
    change()
    const { ended } = beginLogin(client(), variables)
    const { code, err } = await ended
    expect({ code, err }).toEqual({ code: expected, err: expect.stringMatching(why) })
  })

  test('an unreachable provider is reported, with 69', async () => {
    const words = ['--issuer', 'http://127.0.0.1:9', '--client-id', 'cli']
    const { code, err } = await beginLogin(words, variables).ended
    const address = 'http://127.0.0.1:9/.well-known/openid-configuration'
    expect(code).toBe(69)
    // The fetch's own words, and nothing of the library around it.
    expect(err).toContain(`: identity provider: GET ${address}: connect ECONNREFUSED`)
    expect(err).not.toMatch(/something went wrong/)
    expect(err).toContain('that the provider runs')
  })

  test('a provider without discovery is reported once, with the address of its document and the alternative', async () => {
    const issuer = `${provider.issuer}/without`
    const words = ['--issuer', issuer, '--client-id', 'cli']
    const { code, err } = await beginLogin(words, variables).ended
    expect(code).toBe(69)
    expect(err).toContain(
      `no discovery document at ${issuer}/.well-known/openid-configuration, which answered 404.`,
    )
    expect(err).toContain('cannot be used with login: set CHATKIT_MINT_TOKEN')
    expect(err).not.toMatch(/unknown error|unexpected HTTP/)
  })

  test('a port in use is reported before anybody signs in', async () => {
    const { port, close } = await listenOnLoopback(createServer())
    const { code, err } = await beginLogin(client('--port', `${port}`), variables).ended
    await close()
    expect({ code, err }).toEqual({ code: 74, err: expect.stringContaining('EADDRINUSE') })
  })

  test('nobody comes back: it ends by itself', async () => {
    const { code, err } = await beginLogin(client('--timeout', '1'), variables).ended
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('within 1 s') })
  })

  test('Ctrl-C ends it', async () => {
    const { url, ended, stop } = beginLogin(client(), variables)
    await url
    stop.abort(new Error('interrupted'))
    expect((await ended).code).not.toBe(0)
  })

  test.each([
    ['--client-id=cli', 'no identity provider is named'],
    ['--issuer=https://login.acme.example/', 'no identity provider is named'],
    ['--issuer=http://login.acme.example/ --client-id=cli', 'must be an https URL'],
    ['--issuer=https://a:b@login.acme.example/ --client-id=x', 'must be an https URL'],
    ['--issuer=login --client-id=cli', 'must be an https URL'],
    ['--issuer=https://login.acme.example/ --client-id=', 'must not be empty'],
    [
      '--issuer=https://a.example/ --client-id=x --url=http://b.example',
      '--url must be an https URL',
    ],
    ['--port=0', 'from 1 to 65535'],
    ['--timeout=3600', 'from 1 to 300'],
    ['--profile=../x', '1 to 64 letters'],
    ['--profile=.', '1 to 64 letters'],
    ['--profile=__proto__', '1 to 64 letters'],
    ['--profile=', '1 to 64 letters'],
  ])('%s: exit 2, and nobody is asked', async (words, why) => {
    const { code, err } = await quickCli(['login', ...words.split(' ')], variables)
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(why) })
    expect(provider.requests).toEqual([])
  })

  test('a profile name with a slash in the environment ends with 78', async () => {
    const at = { ...variables, CHATKIT_MINT_PROFILE: 'a/b' }
    expect(await quickCli(['login', ...client()], at)).toMatchObject({ code: 78 })
  })

  test('a file that others can read is refused before anybody signs in', async () => {
    await signInWith(client(), variables)
    const before = readFileSync(profilesFile(variables), 'utf8')
    provider.reset()
    chmodSync(profilesFile(variables), 0o644)
    const { code, err } = await beginLogin([], variables).ended
    expect({ code, err }).toEqual({ code: 78, err: expect.stringContaining('chmod 600') })
    expect(provider.requests).toEqual([])
    expect(readFileSync(profilesFile(variables), 'utf8')).toBe(before)
  })

  test('a folder that cannot be written is named before anybody signs in', async () => {
    // Root may write everywhere else.
    const at = { XDG_CONFIG_HOME: '/sys' }
    const { code, err } = await beginLogin(client(), at).ended
    expect({ code, err }).toEqual({ code: 74, err: expect.stringContaining('/sys/chatkit-mint') })
    expect(provider.requests).toEqual([])
  })

  test('without a folder for settings no sign-in begins', async () => {
    const { code } = await quickCli(['login', ...client(), '--timeout', '1'])
    expect(code).toBe(78)
  })
})

describe('by code (--device)', () => {
  test('prints address and code, waits while it is pending, and keeps the tokens', async () => {
    provider.script.errors = ['authorization_pending', 'authorization_pending']
    const { code, err } = await beginLogin(client('--device'), variables).ended
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('WDJB-MJHT') })
    expect(err).toContain(`${provider.issuer}/enter`)
    expect(paths().filter((path) => path === '/token')).toHaveLength(3)
    expect(profilesOf(variables).default.tokens.kind).toBe('access_token')
  })

  test.each([
    ['access_denied', 77],
    ['expired_token', 1],
  ])('%s ends it with %i and keeps nothing', async (error, expected) => {
    provider.script.errors = [error]
    const { code, err } = await beginLogin(client('--device'), variables).ended
    expect({ code, err }).toEqual({ code: expected, err: expect.stringContaining(error) })
    expect(existsSync(profilesFile(variables))).toBe(false)
  })

  test('a code that nobody enters ends by itself', async () => {
    provider.script.errors = Array.from({ length: 10_000 }, () => 'authorization_pending')
    const { code, err } = await beginLogin(client('--device', '--timeout', '1'), variables).ended
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('within 1 s') })
  })

  test('a provider that asks to slow down is asked again later', async () => {
    provider.script.errors = ['slow_down']
    const { code, err } = await beginLogin(client('--device', '--timeout', '1'), variables).ended
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('within 1 s') })
    expect(paths().filter((path) => path === '/token')).toHaveLength(1)
  })

  // openid-client alone would wait 5 s.
  test('Ctrl-C ends it at once', { timeout: 4000 }, async () => {
    provider.script.deviceInterval = 60
    const { ended, stop } = beginLogin(client('--device'), variables)
    await expect.poll(paths).toContain('/device')
    stop.abort(new Error('interrupted'))
    expect((await ended).code).not.toBe(0)
    expect(paths()).not.toContain('/token')
  })

  test('a provider without device codes says so', async () => {
    provider.script.without = ['device_authorization_endpoint']
    const { code, err } = await beginLogin(client('--device'), variables).ended
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('leave --device out') })
  })
})
