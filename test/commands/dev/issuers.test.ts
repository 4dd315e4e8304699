import { decodeJwt, decodeProtectedHeader } from 'jose'
import { describe, expect, test, vi } from 'vitest'
import { EVENTUALLY_MS } from '../../support/eventually.ts'
import { startKeyServer } from '../../support/key-server.ts'
import { startService } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'
import { createSecretSigner, createSigner } from '../../support/tokens.ts'
import { startDevScene } from './scene.ts'

const REAL_SECRET = 'the real secret of production, of more than 32 bytes'
const TENANT = '11111111-2222-3333-4444-555555555555'
const PAGE = 'Origin: http://localhost:5173'

const realKey = createSigner('ES256')
const published = forAllTests(() => startKeyServer([realKey.publicJwk]))

interface Kind {
  readonly issuer: string
  /** Lines of its entry beside `issuer`. */
  readonly entry: string
  readonly header: object
  readonly claims: object
}

const INLINE = `jwks: { keys: [${JSON.stringify(realKey.publicJwk)}] }`

/** Each kind of issuer, with the expected shape of its tokens. */
const KINDS: readonly Kind[] = [
  ['RS256, keys by discovery', 'audience: [chat-api, other], algorithms: [RS256, ES256]'],
  ['ES256, keys at jwks_uri', 'audience: [a], algorithms: [ES256], jwks_uri: https://k.test/j'],
  ['EdDSA', 'audience: [a], algorithms: [EdDSA]'],
  ['Ed25519', 'audience: [a], algorithms: [Ed25519]'],
  ['PS512', 'audience: [a], algorithms: [PS512]'],
  ['ES384', 'audience: [a], algorithms: [ES384]'],
  ['HS256', 'audience: [a], algorithms: [HS256], secret_env: REAL_SECRET'],
  ['HS512', 'audience: [a], algorithms: [HS512], secret_env: OTHER_SECRET'],
  [
    'a secret beside a key set, HS256 first',
    'audience: [a], algorithms: [HS256, ES256], secret_env: REAL_SECRET, jwks_uri: https://k.test/j',
  ],
  [
    'a secret beside a key set, ES256 first',
    'audience: [a], algorithms: [ES256, HS256], secret_env: REAL_SECRET, jwks_uri: https://k.test/j',
  ],
  ['keys in the file', `audience: [a], algorithms: [ES256], ${INLINE}`],
  ['audience_claim azp', 'audience: [a], audience_claim: azp, algorithms: [RS256]'],
  ['audience_claim client_id', 'audience: [a], audience_claim: client_id, algorithms: [RS256]'],
  ['audience_claim none', 'audience_claim: none, algorithms: [RS256]'],
  ['token_types at+jwt alone', 'audience: [a], algorithms: [ES256], token_types: [at+jwt]'],
  ['token_types none alone', 'audience: [a], algorithms: [ES256], token_types: [none]'],
  [
    'required_claims and max_token_age_seconds',
    'audience: [a], algorithms: [ES256], required_claims: [email, email_verified, x], max_token_age_seconds: 60',
  ],
].map(([name = '', entry = ''], at) => ({
  issuer: `https://issuer-${at}.test/${encodeURIComponent(name)}`,
  entry,
  ...expectedOf(name),
}))

function expectedOf(name: string): Pick<Kind, 'header' | 'claims'> {
  const alg = /^(?:[A-Z]{2}\d{3}|Ed\w+)/.exec(name)?.[0]
  const audience = /audience_claim (azp|client_id)/.exec(name)?.[1]
  const type = /token_types (\S+)/.exec(name)?.[1]
  return {
    header: {
      ...(alg && { alg }),
      ...(name.includes('HS256 first') && { alg: 'HS256' }),
      ...(type === 'at+jwt' && { typ: 'at+jwt' }),
    },
    claims: {
      sub: 'carol',
      ...(audience && { [audience]: 'a' }),
      ...(name.startsWith('required') && { email: 'carol@example.com', email_verified: true }),
    },
  }
}

const CONFIG = `
issuers:
${KINDS.map(({ issuer, entry }) => `  - { issuer: '${issuer}', ${entry} }`).join('\n')}
  - issuer: https://login.microsoftonline.com/{tenantid}/v2.0
    tenants: [${TENANT}, 22222222-2222-3333-4444-555555555555]
    audience: [api]
    algorithms: [RS256]
  - { issuer: 'https://cookie.test', audience: [a], algorithms: [ES256], cookie: __session }
  - { issuer: 'https://proxy.test', audience: [a], algorithms: [ES256], token_header: X-Proxy-Jwt }
user: 'issuer + "|" + claims.sub'
workflows: { support: { id: wf_support } }
cors: { origins: ['https://app.acme.example'] }
limits: { failed_auth_per_ip: { max: 100000, seconds: 60 } }
`

const dev = forAllTests(() => startDevScene(CONFIG, { REAL_SECRET }))

describe('a token of each kind of issuer mints', () => {
  test.each(KINDS)('$issuer', async ({ issuer, header, claims }) => {
    const { token, send_as } = await dev.token({ sub: 'carol', issuer })
    expect(decodeProtectedHeader(token)).toMatchObject(header)
    expect(decodeJwt(token)).toMatchObject({ iss: issuer, ...claims })
    for (const line of send_as) {
      const answer = await dev.mint(line)
      expect([answer.status, await answer.json()]).toEqual([
        200,
        { client_secret: expect.any(String) },
      ])
    }
  })

  test('none of them names an audience where the config asks for none, nor a typ', async () => {
    const of = (text: string) => KINDS.find(({ issuer }) => issuer.includes(text))?.issuer ?? ''
    const without = await dev.token({ sub: 'a', issuer: of('audience_claim%20none') })
    expect(Object.keys(without.claims)).not.toContain('aud')
    const untyped = await dev.token({ sub: 'a', issuer: of('token_types%20none') })
    expect(Object.keys(untyped.header)).toEqual(['alg', 'kid'])
  })

  test('{tenantid}: each tenant is an issuer, whose tokens have its tid', async () => {
    const issuer = `https://login.microsoftonline.com/${TENANT}/v2.0`
    const { claims, send_as } = await dev.token({ sub: 'carol', issuer })
    expect(claims).toMatchObject({ iss: issuer, tid: TENANT, aud: 'api' })
    expect((await dev.mint(...send_as)).status).toBe(200)
  })

  test('cookie: the token mints from the cookie too, from a page of this machine', async () => {
    const { send_as } = await dev.token({ sub: 'carol', issuer: 'https://cookie.test' })
    expect(send_as.map((line) => line.split(/[:=]/)[1])).toEqual([expect.any(String), ' __session'])
    const [, cookie = ''] = send_as
    expect((await dev.mint(cookie, PAGE)).status).toBe(200)
    expect((await dev.mint(cookie)).status).toBe(401)
    expect((await dev.mint(cookie, 'Origin: https://evil.example')).status).toBe(403)
  })

  test('token_header: the token mints bare in that header', async () => {
    const { token, send_as } = await dev.token({ sub: 'carol', issuer: 'https://proxy.test' })
    expect(send_as).toEqual([`x-proxy-jwt: ${token}`, `Authorization: Bearer ${token}`])
    for (const line of send_as) expect((await dev.mint(line)).status).toBe(200)
  })

  test('the first issuer of the config is the default', async () => {
    const { claims } = await dev.token({ sub: 'carol' })
    expect(claims['iss']).toBe(KINDS[0]?.issuer)
    expect(claims['aud']).toBe('chat-api')
  })

  test('the sign-in itself counts as an issuer, for apps that sign in there', async () => {
    const { send_as } = await dev.token({ sub: 'carol', issuer: dev.urls.signIn })
    expect((await dev.mint(...send_as)).status).toBe(200)
  })
})

describe('the service judges these tokens as in production', () => {
  test.each([
    ['another audience', { audience: ['other-api'] }, 401],
    ['an end that has passed', { claims: { exp: 1 } }, 401],
    ['a subject with a control character', { sub: 'a\u0000b' }, 401],
    ['an audience that the config has too', { audience: ['other'] }, 200],
  ])('%s', async (_, request, status) => {
    const { send_as } = await dev.token({ sub: 'carol', ...request })
    expect((await dev.mint(...send_as)).status).toBe(status)
  })

  test('a token of one issuer does not pass for one of another', async () => {
    const [one, other] = [KINDS[1], KINDS[10]]
    const { token } = await dev.token({ sub: 'carol', issuer: one?.issuer })
    const [header = '', , signature = ''] = token.split('.')
    const claims = { ...decodeJwt(token), iss: other?.issuer }
    const forged = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`
    expect((await dev.mint(`Authorization: Bearer ${forged}`)).status).toBe(401)
  })
})

describe('keys of this start and keys of the config are never mixed', () => {
  const SAME = () => `
issuers:
  - { issuer: '${published.issuer}', audience: [a], algorithms: [ES256] }
  - { issuer: 'https://uri.test', audience: [a], algorithms: [ES256], jwks_uri: '${published.jwksUri}' }
  - { issuer: 'https://file.test', audience: [a], algorithms: [ES256], ${INLINE} }
  - { issuer: 'https://secret.test', audience: [a], algorithms: [HS256], secret_env: REAL_SECRET }
user: 'issuer + "|" + claims.sub'
workflows: { support: { id: wf_support } }
limits: { failed_auth_per_ip: { max: 100000, seconds: 60 } }
`
  const issuers = () => [
    published.issuer,
    'https://uri.test',
    'https://file.test',
    'https://secret.test',
  ]

  test('a token of dev is refused by the same config under the real key source', async () => {
    const env = { REAL_SECRET }
    const real = await startService({ config: SAME(), env })
    const scene = await startDevScene(SAME(), env)
    for (const issuer of issuers()) {
      const { token } = await scene.token({ sub: 'carol', issuer })
      expect((await scene.mint(`Authorization: Bearer ${token}`)).status).toBe(200)
      const answer = await real.mint(token)
      expect([answer.status, issuer]).toEqual([401, issuer])
    }
    expect(real.upstream.sessions()).toEqual([])
    await Promise.all([real.close(), scene.close()])
  })

  test('a real token is refused by dev, which asks no key set for it', async () => {
    const scene = await startDevScene(SAME(), { REAL_SECRET })
    scene.showRequests()
    const fetches = { ...published.fetches }
    const seconds = Math.floor(Date.now() / 1000)
    const shared = createSecretSigner('HS256', REAL_SECRET)
    for (const iss of issuers()) {
      const signer = iss === 'https://secret.test' ? shared : realKey
      const token = signer.token({ iss, aud: 'a', sub: 'carol', iat: seconds, exp: seconds + 60 })
      expect((await scene.mint(`Authorization: Bearer ${token}`)).status).toBe(401)
    }
    expect(published.fetches).toEqual(fetches)
    await vi.waitUntil(() => scene.said().split('\n').length > issuers().length, EVENTUALLY_MS)
    const told =
      /invalid_token: .* \(npm run dev takes only .*; npm start takes those of your issuers\)/g
    expect(scene.said().match(told)).toHaveLength(issuers().length)
    await scene.close()
  })

  test('a token of an earlier start is refused', async () => {
    const one = await startDevScene(SAME())
    const { send_as } = await one.token({ sub: 'carol' })
    await one.close()
    const other = await startDevScene(SAME())
    expect((await other.mint(...send_as)).status).toBe(401)
    await other.close()
  })
})
