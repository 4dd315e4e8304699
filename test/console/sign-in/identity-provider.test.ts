import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { Agent } from 'undici'
import { beforeEach, expect, test } from 'vitest'
import { createIdentityProvider } from '../../../src/console/sign-in/identity-provider.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { serve } from '../../support/network/listen.ts'
import { forAllTests } from '../../support/started.ts'

// A provider whose metadata and token endpoint answer as the test wants (RFC 8414, RFC 6749 §5.2).

const CLIENT_SECRET = 'aClientSecretOfMoreThan32Characters'
const REDIRECT_URI = 'http://localhost:8787/admin/callback'

let clock = 1_800_000_000_000
let discoveries = 0
let isDown = false
let metadata: object = {}
/** Status and error code of the token endpoint. */
let refusal: readonly [status: number, error: string] = [400, 'invalid_grant']
let asked: { readonly headers: IncomingMessage['headers']; readonly form: URLSearchParams }

const server = forAllTests(() =>
  serve(async (request, response) => {
    response.setHeader('content-type', 'application/json')
    const issuer = server.origin
    if (request.url === '/token') {
      asked = { headers: request.headers, form: new URLSearchParams(await text(request)) }
      const [status, error] = refusal
      response.writeHead(status).end(JSON.stringify({ error }))
      return
    }
    discoveries++
    if (isDown) response.statusCode = 500
    const ends = { authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token` }
    response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks`, ...ends, ...metadata }))
  }),
)
beforeEach(() => {
  discoveries = 0
  isDown = false
  metadata = {}
  refusal = [400, 'invalid_grant']
})

function provider(secret: string | undefined = CLIENT_SECRET) {
  return createIdentityProvider({
    settings: {
      ...{ issuer: server.origin, clientId: 'console', clientSecretEnv: 'CONSOLE_CLIENT_SECRET' },
      ...{ sessionMinutes: 60, idleMinutes: 30 },
    },
    redirectUri: REDIRECT_URI,
    clientSecret: () => (secret === '' ? undefined : new Secret(secret)),
    dispatcher: new Agent(),
    clockTolerance: 0,
    now: () => clock,
  })
}

async function redeem(of = provider()) {
  const attempt = await of.begin(false)
  const query = new URLSearchParams({ code: 'c', state: attempt.state })
  return of.redeem(new URL(`${REDIRECT_URI}?${query}`), attempt)
}

test('the provider is discovered once an hour', async () => {
  const known = provider()
  for (let n = 0; n < 3; n++) await known.begin(false)
  clock += 3_599_999
  await known.begin(false)
  expect(discoveries).toBe(1)
  clock += 1
  await known.begin(false)
  expect(discoveries).toBe(2)
})

test('a provider that is down is asked again after two seconds, and not before', async () => {
  const known = provider()
  isDown = true
  for (let n = 0; n < 3; n++) {
    await expect(known.begin(false)).rejects.toMatchObject({ code: 'idp_unavailable' })
  }
  expect(discoveries).toBe(1)
  isDown = false
  clock += 1999
  await expect(known.begin(false)).rejects.toMatchObject({ code: 'idp_unavailable' })
  clock += 1
  await known.begin(false)
  expect(discoveries).toBe(2)
})

test('a failed discovery is not kept when the clock is set back', async () => {
  const known = provider()
  isDown = true
  await expect(known.begin(false)).rejects.toMatchObject({ code: 'idp_unavailable' })
  isDown = false
  clock -= 60_000
  await known.begin(false)
})

test('a new sign-in is asked of the provider only when it is wanted', async () => {
  const prompt = async (again: boolean) =>
    (await provider().begin(again)).url.searchParams.get('prompt')
  expect([await prompt(true), await prompt(false)]).toEqual(['login', null])
})

const BASIC = `Basic ${Buffer.from(`console:${CLIENT_SECRET}`).toString('base64')}`

test.each<[string, readonly string[] | undefined, boolean]>([
  ['names no way', undefined, false],
  ['takes the secret in the form alone', ['client_secret_post', 'private_key_jwt'], true],
  ['takes it in either place', ['client_secret_post', 'client_secret_basic'], false],
  ['takes neither', ['private_key_jwt'], false],
])('a provider that %s gets the client secret in one place', async (_name, methods, isInForm) => {
  if (methods !== undefined) metadata = { token_endpoint_auth_methods_supported: methods }
  await expect(redeem()).rejects.toThrow()
  const places = [asked.headers.authorization, asked.form.get('client_secret')]
  expect(places).toEqual(isInForm ? [undefined, CLIENT_SECRET] : [BASIC, null])
})

test.each<[number, string, string, RegExp]>([
  [400, 'invalid_grant', 'invalid_request', /console sign-in: /],
  [400, 'invalid_client', 'idp_unavailable', /the client is refused/],
  [401, 'invalid_client', 'idp_unavailable', /the client is refused/],
  [400, 'unauthorized_client', 'idp_unavailable', /token endpoint: unauthorized_client/],
  [500, 'server_error', 'idp_unavailable', /token: answered 500/],
])('a token endpoint that answers %i %s is %s', async (status, error, code, reason) => {
  refusal = [status, error]
  await expect(redeem()).rejects.toMatchObject({ code, reason: expect.stringMatching(reason) })
})

test('a sign-in whose client secret is gone asks the provider nothing, and suspects nobody', async () => {
  asked = { headers: {}, form: new URLSearchParams() }
  const reason = expect.stringContaining('its secret is gone')
  await expect(redeem(provider(''))).rejects.toMatchObject({ code: 'idp_unavailable', reason })
  expect(asked.headers).toEqual({})
})
