import { beforeEach, describe, expect, test } from 'vitest'
import { startKeyServer } from '../support/key-server.ts'
import { expectProblem } from '../support/problem-answer.ts'
import { rawExchange, rawRequest } from '../support/raw-http.ts'
import { APP_ORIGIN, HIGH_LIMITS, startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { createSecretSigner, createSigner, withSameKey } from '../support/tokens.ts'

// Real identity providers: token shapes and key sets that stopped people who adopted the service, each tested
// from the request to the answer. All share one key set: an EC and an RSA key with the same kid, the RSA key
// for two algorithms, and twice.

const SECRET = 'a shared secret of at least thirty-two bytes'
const TENANTS = ['11111111-2222-3333-4444-555555555555', '77777777-8888-9999-aaaa-bbbbbbbbbbbb']
const es = createSigner('ES256', 'one-kid')
const rs = createSigner('RS256', 'one-kid')
const ps = withSameKey(rs, 'PS256')
const hs = createSecretSigner('HS256', SECRET)

const keys = forAllTests(() =>
  startKeyServer([es.publicJwk, rs.publicJwk, es.publicJwk, ps.publicJwk, rs.publicJwk]),
)
const running = forAllTests(() => {
  // An address that no rule knows as loopback, and that leads to this machine.
  const inside = keys.jwksUri.replace('127.0.0.1', '[::ffff:127.0.0.1]')
  const published = `jwks_uri: '${keys.jwksUri}'`
  return startService({
    config: `
issuers:
  - { issuer: https://clerk.test, audience: ['${APP_ORIGIN}'], audience_claim: azp, audience_when_absent: accept, algorithms: [RS256], cookie: __session, ${published} }
  - { issuer: https://api.workos.com, audience_claim: none, algorithms: [RS256], ${published} }
  - { issuer: stytch.com/project-test-1, audience: [project-test-1], algorithms: [RS256], ${published} }
  - { issuer: P2descope, audience: [P2descope], algorithms: [RS256], ${published} }
  - { issuer: https://ref.supabase.co/auth/v1, audience: [authenticated], algorithms: [ES256, HS256], secret_env: TEST_SHARED_SECRET, ${published} }
  - { issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0', tenants: [${TENANTS}], audience: [api], algorithms: [RS256], ${published} }
  - { issuer: http://keycloak:8080/realms/app, audience: [chat], algorithms: [RS256], insecure_http: true, jwks_uri: '${inside}' }
  - { issuer: https://login.acme.test/realms/app, audience: [chat], algorithms: [RS256, PS256, ES256], insecure_http: true, jwks_uri: '${inside}' }
user: issuer + "|" + claims.sub
workflows:
  support: { id: wf_support }
cors: { origins: ['${APP_ORIGIN}'] }
${HIGH_LIMITS}
`,
  })
})
beforeEach(() => running.upstream.clearRequests())

type Claims = Readonly<Record<string, unknown>>

function signed(signer: typeof rs | typeof hs, claims: Claims): string {
  const seconds = Math.floor(Date.now() / 1000)
  return signer.token({ sub: 'alice', iat: seconds, exp: seconds + 300, ...claims })
}

const clerk = (more: Claims = {}) =>
  signed(rs, { iss: 'https://clerk.test', sid: 'sess_1', ...more })
const workos = (more: Claims = {}) =>
  signed(rs, { iss: 'https://api.workos.com', sid: 's', org_id: 'o', role: 'r', jti: 'j', ...more })
const supabase = (signer: typeof rs | typeof hs) =>
  signed(signer, { iss: 'https://ref.supabase.co/auth/v1', aud: 'authenticated' })
const entra = (tenant = TENANTS[0], more: Claims = {}) => {
  const iss = `https://login.microsoftonline.com/${tenant}/v2.0`
  return signed(rs, { iss, aud: 'api', tid: tenant, ...more })
}
const keycloak = (iss: string, signer = rs) => signed(signer, { iss, aud: 'chat' })
const REALM = 'https://login.acme.test/realms/app'
const project = (iss: string, aud: string) => signed(rs, { iss, aud: [aud] })
const groups = () => Array.from({ length: 200 }, () => crypto.randomUUID())
const byPublicKey = (key: string | Buffer) => createSecretSigner('HS256', key)
const JWK = JSON.stringify(rs.publicJwk)
const PEM = rs.publicKey.export({ type: 'spki', format: 'pem' })

function mint(...headers: string[]) {
  return rawExchange(running.url, rawRequest('POST /v1/sessions', { headers }))
}

describe('mints', () => {
  test.each<[string, () => string]>([
    ['Clerk, native: neither aud nor azp', clerk],
    ['Clerk, a page: azp', () => clerk({ azp: APP_ORIGIN })],
    ['WorkOS: no aud, azp, client_id', workos],
    ['Stytch: no URL as issuer', () => project('stytch.com/project-test-1', 'project-test-1')],
    ['Descope: a project id as issuer', () => project('P2descope', 'P2descope')],
    ['Supabase while its keys move: HS256', () => supabase(hs)],
    ['Supabase while its keys move: ES256', () => supabase(es)],
    ['Entra ID: the first tenant', entra],
    ['Entra ID: the second tenant', () => entra(TENANTS[1])],
    ['Entra ID: 200 groups', () => entra(TENANTS[0], { groups: groups() })],
    ['Keycloak in a cluster, by its inner name', () => keycloak('http://keycloak:8080/realms/app')],
    ['Keycloak with a public name and inner keys', () => keycloak(REALM)],
    ['one kid for two keys: the EC key', () => keycloak(REALM, es)],
    ['one RSA key for two algorithms: PS256', () => keycloak(REALM, ps)],
  ])('%s', async (_name, token) => {
    expect(await mint(`Authorization: Bearer ${token()}`)).toMatchObject({ status: 200 })
    expect(running.upstream.requests()).toHaveLength(1)
  })

  test('Clerk, a page: azp, from its cookie', async () => {
    const cookie = `Cookie: __session=${clerk({ azp: APP_ORIGIN })}`
    expect(await mint(cookie, `Origin: ${APP_ORIGIN}`)).toMatchObject({ status: 200 })
  })

  test('a token with 200 groups is longer than 8 KiB, and within 12 KiB', () => {
    const { length } = entra(TENANTS[0], { groups: groups() })
    expect(length).toBeGreaterThan(8192)
    expect(length).toBeLessThan(12_288)
  })
})

describe('is refused, and mints nothing', () => {
  test.each<[string, () => string]>([
    ['Clerk: a wrong azp', () => clerk({ azp: 'https://evil.example' })],
    ['Clerk: a foreign aud without azp', () => clerk({ aud: 'billing' })],
    ['Clerk: a foreign client_id without azp', () => clerk({ client_id: 'billing' })],
    [
      'WorkOS: another issuer of its own',
      () => workos({ iss: 'https://api.workos.com/user_management/c' }),
    ],
    ['Stytch: another project', () => project('stytch.com/project-test-2', 'project-test-1')],
    ['Supabase: HS256 signed with the public key (PEM)', () => supabase(byPublicKey(PEM))],
    ['Supabase: HS256 signed with the public key (JWK)', () => supabase(byPublicKey(JWK))],
    ['Supabase: RS256, which is not on the list', () => supabase(rs)],
    ['Entra ID: a tenant that is not listed', () => entra('22222222-3333-4444-5555-666666666666')],
    ['Entra ID: the common address', () => entra('common')],
    ['Entra ID: a tid of another tenant', () => entra(TENANTS[0], { tid: TENANTS[1] })],
    [
      'Entra ID: 250 groups, over 12 KiB',
      () => entra(TENANTS[0], { groups: [...groups(), ...groups().slice(150)] }),
    ],
    ['Keycloak: https in the place of http', () => keycloak('https://keycloak:8080/realms/app')],
    ['an issuer with a slash more', () => keycloak(`${REALM}/`)],
  ])('%s', async (_name, token) => {
    expectProblem(await mint(`Authorization: Bearer ${token()}`), 401, 'invalid_token')
    expect(running.upstream.requests()).toEqual([])
  })

  test('Clerk, native: a token without azp from the cookie', async () => {
    const answer = await mint(`Cookie: __session=${clerk()}`, `Origin: ${APP_ORIGIN}`)
    expectProblem(answer, 401, 'invalid_token')
    expect(running.upstream.requests()).toEqual([])
  })
})
