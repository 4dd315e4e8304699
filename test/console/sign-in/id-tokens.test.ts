import { createServer } from 'node:http'
import {
  CompactSign,
  exportJWK,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose'
import { Agent } from 'undici'
import { expect, test } from 'vitest'
import { createIdentityProvider } from '../../../src/console/sign-in/identity-provider.ts'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { USER_AGENT } from '../../../src/lib/version.ts'
import { freePort } from '../../support/network/listen.ts'
import { forAllTests } from '../../support/started.ts'

// A provider that issues the ID token that the test chooses (OpenID Connect Core 1.0 §3.1.3.7).

const CLIENT_ID = 'console'
const CLIENT_SECRET = 'a-client-secret-of-more-than-32-characters'
const REDIRECT_URI = 'http://localhost:8787/admin/callback'

type Keys = Awaited<ReturnType<typeof generateKeyPair>>
type Maker = (claims: JWTPayload) => Promise<string>

const port = await freePort()
const issuer = `http://127.0.0.1:${port}`
const keys = await generateKeyPair('RS256')
const others = await generateKeyPair('RS256')
let attempt: Awaited<ReturnType<typeof provider.begin>>
let make: Maker
/** Instead of the provider's token endpoint: a page with this status. */
let page: number | undefined
/** Added to the path of the token endpoint in the discovery document. */
let moved = ''
/** The provider's answer at its key set. */
let published: { readonly keys: readonly unknown[] } | undefined = { keys: [await publicJwk(keys)] }

/** `User-Agent` and `Accept-Encoding` of every request that the provider got. */
const agents = new Set<string>()

const sign = (claims: JWTPayload, key = keys.privateKey) =>
  new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k' }).sign(key)

/** A payload that no object can hold: with repeated keys, or a number beyond all others. */
const signText = (payload: string) =>
  new CompactSign(new TextEncoder().encode(payload))
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .sign(keys.privateKey)

/** Good claims apart from these. */
const having =
  (changes: JWTPayload): Maker =>
  (claims) =>
    sign({ ...claims, ...changes })

async function publicJwk({ publicKey }: Keys) {
  return { ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }
}

function goodClaims(): JWTPayload {
  const now = Math.floor(Date.now() / 1000)
  const times = { iat: now, exp: now + 300 }
  return { iss: issuer, aud: CLIENT_ID, sub: 'ada', nonce: attempt.nonce, ...times }
}

const server = createServer(async (request, response) => {
  agents.add(`${request.headers['user-agent']} ${request.headers['accept-encoding']}`)
  const json = (body: object) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(body))
  }
  if (request.url === '/jwks') return published ? json(published) : response.writeHead(404).end()
  if (request.url === `/token${moved}`) {
    if (page !== undefined) {
      return response.writeHead(page, { 'content-type': 'text/html' }).end('<h1>Hello')
    }
    const token = await make(goodClaims())
    return json({ access_token: 'a', token_type: 'bearer', ...(token && { id_token: token }) })
  }
  if (request.url !== '/.well-known/openid-configuration') return response.writeHead(404).end()
  return json({
    issuer,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: `${issuer}/token${moved}`,
    jwks_uri: `${issuer}/jwks`,
    id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
  })
})
forAllTests(() => listenOnLoopback(server, port))

const provider = createIdentityProvider({
  settings: {
    issuer,
    clientId: CLIENT_ID,
    clientSecretEnv: 'CONSOLE_CLIENT_SECRET',
    sessionMinutes: 60,
    idleMinutes: 30,
  },
  redirectUri: REDIRECT_URI,
  clientSecret: () => new Secret(CLIENT_SECRET),
  dispatcher: new Agent(),
  clockTolerance: 90,
  now: Date.now,
})

async function redeem(maker: Maker) {
  make = maker
  attempt = await provider.begin(false)
  const callback = new URL(
    `${REDIRECT_URI}?${new URLSearchParams({ code: 'c', state: attempt.state })}`,
  )
  return provider.redeem(callback, attempt)
}

test.each<[string, Maker]>([
  ['one for us', sign],
  [
    'a clock ahead by less than the tolerance',
    (claims) => sign({ ...claims, iat: (claims.iat ?? 0) + 80, nbf: (claims.iat ?? 0) + 80 }),
  ],
  [
    'an end that passed by less than the tolerance',
    (claims) => sign({ ...claims, exp: (claims.iat ?? 0) - 80 }),
  ],
  [
    'one for us and others, as the authorized party',
    having({ aud: [CLIENT_ID, 'another'], azp: CLIENT_ID }),
  ],
  ['more groups than a user’s token may hold', having({ groups: 'g'.repeat(20_000) })],
])('an ID token with %s is accepted', async (_name, maker) => {
  expect(await redeem(maker)).toMatchObject({ sub: 'ada', iss: issuer })
})

test('discovery, token and key set are asked for under the name of this service, uncompressed', async () => {
  await redeem(sign)
  expect([...agents]).toEqual([`${USER_AGENT} identity`])
})

const past = { iat: 1_000_000_000, exp: 1_000_000_300 }

test.each<[string, Maker]>([
  ['none', async () => ''],
  ['no JWT', async () => 'a.b.c'],
  ['a time of issue ahead', (claims) => sign({ ...claims, iat: (claims.iat ?? 0) + 100 })],
  ['an end that passed', (claims) => sign({ ...claims, exp: (claims.iat ?? 0) - 100 })],
  ['another audience', having({ aud: 'chat-api' })],
  ['others besides us, and no authorized party', having({ aud: [CLIENT_ID, 'another'] })],
  ['another authorized party', having({ aud: [CLIENT_ID, 'another'], azp: 'another' })],
  ['another authorized party, and us alone as the audience', having({ azp: 'another' })],
  ['another issuer', having({ iss: 'https://other.example' })],
  ['the issuer with a slash', having({ iss: `${issuer}/` })],
  ['another nonce', having({ nonce: 'another' })],
  ['no nonce', ({ nonce: _, ...claims }) => sign(claims)],
  ['no end', ({ exp: _, ...claims }) => sign(claims)],
  ['no subject', ({ sub: _, ...claims }) => sign(claims)],
  ['ended', having(past)],
  ['an end in milliseconds', having({ exp: Date.now() })],
  [
    'an endless end',
    ({ exp: _, ...claims }) => signText(JSON.stringify(claims).replace('{', '{"exp":1e400,')),
  ],
  [
    'a repeated claim',
    (claims) => signText(JSON.stringify(claims).replace('{', '{"sub":"another",')),
  ],
  ['signed with a key that is not the issuer’s', (claims) => sign(claims, others.privateKey)],
  ['not signed', async (claims) => new UnsecuredJWT(claims).encode()],
  [
    'signed with the client secret, though the provider has keys',
    (claims) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256' })
        .sign(new TextEncoder().encode(CLIENT_SECRET)),
  ],
])('an ID token with %s is refused', async (_name, maker) => {
  await expect(redeem(maker)).rejects.toMatchObject({ code: 'invalid_request' })
})

test.each<[string, Maker, RegExp]>([
  ['another audience', having({ aud: 'chat-api' }), /"aud" \(audience\) claim/],
  ['another issuer', having({ iss: `${issuer}/` }), /"iss" \(issuer\) claim/],
  ['another nonce', having({ nonce: 'another' }), /"nonce" claim/],
  ['an end that passed', having(past), /expiration is past/],
  ['a foreign key', (claims) => sign(claims, others.privateKey), /signature verification failed/],
  ['none', async () => '', /"id_token" property/],
])('the log says what is wrong with an ID token with %s', async (_name, maker, reason) => {
  await expect(redeem(maker)).rejects.toMatchObject({ reason: expect.stringMatching(reason) })
})

test('an ID token signed with a new key of the provider is accepted at once, and one with an old key no more', async () => {
  await redeem(sign)
  const before = published
  published = { keys: [await publicJwk(others)] }
  expect(await redeem((claims) => sign(claims, others.privateKey))).toMatchObject({ sub: 'ada' })
  await expect(redeem(sign)).rejects.toMatchObject({ code: 'invalid_request' })
  published = before
})

test('a key set with a repeated, a broken and a null member signs admins in', async () => {
  const before = published
  const jwk = await publicJwk(keys)
  published = {
    keys: [jwk, { ...jwk, key_ops: null }, { kty: 'RSA', kid: 'k', n: 'AA', e: 'AQAB' }],
  }
  expect(await redeem(sign)).toMatchObject({ sub: 'ada' })
  published = before
})

test.each([
  ['has no key', { keys: [] }],
  ['is not there', undefined],
])('a provider whose key set %s is unavailable, and nobody is suspected', async (_name, set) => {
  const before = published
  published = set
  await expect(redeem(sign)).rejects.toMatchObject({ code: 'idp_unavailable' })
  published = before
})

test.each([200, 403, 404])(
  'a provider that sends a page with status %i instead of tokens is unavailable, and nobody is suspected',
  async (status) => {
    page = status
    await expect(redeem(sign)).rejects.toMatchObject({
      code: 'idp_unavailable',
      reason: expect.stringContaining(`(${status})`),
    })
    page = undefined
  },
)

test('a token endpoint that has moved is found again at the next sign-in', async () => {
  await redeem(sign)
  moved = '/moved'
  await expect(redeem(sign)).rejects.toMatchObject({ code: 'idp_unavailable' })
  expect(await redeem(sign)).toMatchObject({ sub: 'ada' })
  moved = ''
})
