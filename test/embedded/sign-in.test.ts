import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { WEB_APP } from '../../src/embedded/sign-in/clients.ts'
import { startSignIn } from '../../src/embedded/sign-in/sign-in.ts'
import { createBrowser } from '../support/sign-in/browser.ts'
import { signInAs, signOut } from '../support/sign-in/sign-in-as.ts'
import { forAllTests } from '../support/started.ts'

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.string() })
const keySetSchema = z.object({ keys: z.array(z.record(z.string(), z.unknown())) })

const signIn = forAllTests(() => startSignIn({ port: 0 }))

function authorizationUrl(changes: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({
    client_id: 'web-app',
    response_type: 'code',
    redirect_uri: 'http://127.0.0.1/callback',
    scope: 'openid',
    code_challenge: 'x'.repeat(43),
    code_challenge_method: 'S256',
    ...changes,
  })
  return `${signIn.issuer}/auth?${query}`
}

/** The page with the accounts, and the browser that has it open. */
async function openPage() {
  const browser = createBrowser()
  const { url } = await browser.go(authorizationUrl())
  return { browser, url }
}

test('its address in a browser says what it is and how to get a token', async () => {
  const answer = await fetch(`${signIn.issuer}/`)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    'text/html; charset=utf-8',
  ])
  expect(await answer.text()).toContain('npx chatkit-mint token create --sub alice')
})

describe('tokens', () => {
  test.each(['RS256', 'ES256', 'EdDSA'] as const)(
    'of %s are access tokens of RFC 9068 that verify with the discovered key',
    async (algorithm) => {
      const provider = await startSignIn({ port: 0, algorithm })
      const { accessToken, idToken } = await signInAs(provider, 'alice')
      const discovered = await fetch(`${provider.issuer}/.well-known/openid-configuration`)
      const { issuer, jwks_uri: jwksUri } = discoverySchema.parse(await discovered.json())
      expect(issuer).toBe(provider.issuer)
      const keys = createRemoteJWKSet(new URL(jwksUri))
      const options = { issuer, audience: 'chat-api', algorithms: [algorithm], typ: 'at+jwt' }
      const { payload } = await jwtVerify(accessToken, keys, options)
      expect(payload).toMatchObject({
        sub: 'alice',
        groups: ['support'],
        plan: 'pro',
        client_id: 'web-app',
        sid: expect.stringMatching(/^.{20,}$/),
      })
      expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(3600)
      const idOptions = { issuer, audience: 'web-app', algorithms: [algorithm] }
      expect((await jwtVerify(idToken, keys, idOptions)).payload).toMatchObject({
        sub: 'alice',
        groups: ['support'],
      })
      await provider.close()
    },
  )

  test.each([
    ['bob', { groups: [], plan: 'free', roles: [] }],
    ['ada', { plan: 'pro', roles: ['chatkit-admin'] }],
  ])('%s has claims of its own', async (name, claims) => {
    const { accessToken } = await signInAs(signIn, name)
    expect(decodeJwt(accessToken)).toMatchObject({ sub: name, ...claims })
  })

  test('accounts and life can be chosen', async () => {
    const provider = await startSignIn({
      port: 0,
      accounts: { zoe: { level: 3 } },
      tokenSeconds: 43_200,
    })
    const claims = decodeJwt((await signInAs(provider, 'zoe')).accessToken)
    expect(claims).toMatchObject({ sub: 'zoe', level: 3 })
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(43_200)
    await expect(signInAs(provider, 'alice')).rejects.toThrow(/alice is refused: status 400/)
    await provider.close()
  })

  test('keys are new at each start, and only their public half is published', async () => {
    const other = await startSignIn({ port: 0 })
    const [one, two] = await Promise.all(
      [signIn, other].map(async ({ issuer }) => {
        return keySetSchema.parse(await (await fetch(`${issuer}/jwks`)).json()).keys
      }),
    )
    await other.close()
    expect(one).toHaveLength(1)
    expect(one?.[0]).toMatchObject({ kty: 'EC', alg: 'ES256', use: 'sig' })
    expect(one?.[0]).not.toHaveProperty('d')
    expect(one?.[0]?.['x']).not.toBe(two?.[0]?.['x'])
  })
})

describe('who gets a code', () => {
  test('a public client without PKCE does not', async () => {
    const url = new URL(authorizationUrl())
    url.searchParams.delete('code_challenge')
    url.searchParams.delete('code_challenge_method')
    const answer = await fetch(url, { redirect: 'manual' })
    const location = new URL(answer.headers.get('location') ?? '')
    expect(location.searchParams.get('error')).toBe('invalid_request')
    expect(location.searchParams.has('code')).toBe(false)
  })

  test('a code without the verifier of its challenge gives no token', async () => {
    const { browser } = await openPage()
    const until = 'http://127.0.0.1/callback'
    const back = await browser.submit('/sign-in/', { account: 'alice' }, until)
    const code = new URL(back.url).searchParams.get('code')
    expect(code).not.toBeNull()
    const answer = await fetch(`${signIn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: 'web-app',
        redirect_uri: until,
        code: code ?? '',
        code_verifier: 'y'.repeat(43),
      }),
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error: 'invalid_grant' })
  })

  test.each([
    { redirect_uri: 'https://evil.example/callback' },
    { redirect_uri: 'http://127.0.0.1/other' },
    { client_id: 'unknown' },
  ])('%j is refused with a page, not a redirect', async (changes) => {
    const answer = await fetch(authorizationUrl(changes), { redirect: 'manual' })
    expect(answer.status).toBe(400)
    const page = await answer.text()
    expect(page).toContain('Sign-in failed')
    expect(page).not.toContain('fonts.googleapis')
  })

  test('a loopback redirect may be on any port', async () => {
    const answer = await fetch(
      authorizationUrl({ redirect_uri: 'http://localhost:5173/callback' }),
      { redirect: 'manual' },
    )
    expect(answer.headers.get('location')).toMatch(/^(?:http:\/\/127\.0\.0\.1:\d+)?\/sign-in\//)
  })
})

describe('the page', () => {
  test('lists the accounts as buttons of a form, without script, light and dark', async () => {
    const { browser, url } = await openPage()
    const answer = await browser.send(url)
    const page = await answer.text()
    expect(page.match(/<button name="account" value="\w+">/g)).toEqual([
      '<button name="account" value="alice">',
      '<button name="account" value="bob">',
      '<button name="account" value="ada">',
    ])
    expect(page).toContain('<form method="post">')
    expect(page).toContain('<html lang="en">')
    expect(page).toContain('color-scheme: light dark')
    expect(page).not.toMatch(/<script|\bon\w+=/)
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
  })

  test('asks no other host for anything', async () => {
    const { browser, url } = await openPage()
    const signedIn = await signInAs(signIn, 'bob')
    const pages = await Promise.all([
      browser.send(url),
      signedIn.browser.send(`${signIn.issuer}/session/end`),
      browser.send(`${signIn.issuer}/session/end/success`),
      browser.send(`${signIn.issuer}/auth`),
    ])
    for (const page of await Promise.all(pages.map((answer) => answer.text()))) {
      expect(page).toContain('<h1>')
      const own = page.replaceAll(signIn.issuer, '').replace('<link rel="icon" href="data:,">', '')
      expect(own).not.toMatch(/https?:|@import|url\(|<link|<img|\/\//)
    }
  })

  test('only the accounts can be chosen', async () => {
    const { browser, url } = await openPage()
    for (const account of ['mallory', '', '__proto__', 'toString']) {
      const body = new URLSearchParams({ account })
      expect((await browser.send(url, { method: 'POST', body })).status).toBe(400)
    }
  })

  test('a page of another browser cannot be used', async () => {
    const { url } = await openPage()
    const body = new URLSearchParams({ account: 'alice' })
    const answer = await createBrowser().send(url, { method: 'POST', body })
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('another browser')
  })

  test.each([
    ['evil.example', 403],
    ['localhost:8788', 200],
  ])('answers the Host %s with %i', async (host, status) => {
    const url = `${signIn.issuer}/.well-known/openid-configuration`
    const sent = request(url, { headers: { host }, agent: false }).end()
    const [response] = await once(sent, 'response')
    response.resume()
    expect(response.statusCode).toBe(status)
  })
})

test('a sign-out sends a logout token with the sid of the access token', async () => {
  const received: string[] = []
  const app = createServer(async (incoming, response) => {
    received.push(await text(incoming))
    response.end()
  })
  const { origin } = await listenOnLoopback(app)
  const backchannelLogoutUri = `${origin}/logout`
  const provider = await startSignIn({ port: 0, clients: [{ ...WEB_APP, backchannelLogoutUri }] })
  const signedIn = await signInAs(provider, 'alice')

  await signOut(provider, signedIn)

  expect(received).toHaveLength(1)
  const token = new URLSearchParams(received[0]).get('logout_token') ?? ''
  expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', typ: 'logout+jwt' })
  expect(decodeJwt(token)).toMatchObject({
    iss: provider.issuer,
    aud: 'web-app',
    sub: 'alice',
    sid: decodeJwt(signedIn.accessToken)['sid'],
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  })
  await provider.close()
  app.close()
})

test('a confidential client authenticates with its secret', async () => {
  const clients = [
    {
      clientId: 'console',
      clientSecret: 'a secret of the console',
      redirectUris: ['https://chat.example/admin/callback'],
    },
  ]
  const provider = await startSignIn({ port: 0, clients })
  const { accessToken } = await signInAs(provider, 'ada')
  expect(decodeJwt(accessToken)).toMatchObject({ sub: 'ada', client_id: 'console' })
  const [client] = clients
  const wrong = { ...provider, client: { ...WEB_APP, ...client, clientSecret: 'another' } }
  await expect(signInAs(wrong, 'ada')).rejects.toThrow(/no tokens: status 401/)
  await provider.close()
})

test('only pages of this machine may read the answers of the token endpoint', async () => {
  const readable = async (origin: string) => {
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'web-app',
      code: 'x',
    })
    const answer = await fetch(`${signIn.issuer}/token`, {
      method: 'POST',
      headers: { origin },
      body,
    })
    return answer.headers.get('access-control-allow-origin')
  }
  expect(await readable('http://localhost:3000')).toBe('http://localhost:3000')
  for (const origin of ['https://evil.example', 'http://localhost.evil.example', 'null']) {
    expect([origin, await readable(origin)]).toEqual([origin, null])
  }
})
