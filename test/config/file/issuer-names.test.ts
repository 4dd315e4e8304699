import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { settingsNotes } from '../../../src/config/settings-notes.ts'
import { minimalWith, problemsOf, settingsOf } from '../fixtures.ts'

// The names that an issuer may have, and the issuers for which {tenantid} stands.

const ISSUER = 'https://login.corp.test/'
const KEYS = '    jwks_uri: https://keys.example/k\n'
const AUDIENCE = '    audience: [chat-api]\n'
/** A public key for ES256. */
const P256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
const named = (issuer: string, more = ''): string =>
  minimalWith(`${ISSUER}\n${AUDIENCE}`, `'${issuer}'\n${AUDIENCE}${more}`)

describe('an issuer that is no URL', () => {
  test.each([
    'stytch.com/project-test-1',
    'urn:acme:login',
    'P2abc',
    'my app',
    'https://a.example/?x',
  ])('%s works beside jwks_uri, and is refused where keys are discovered', (issuer) => {
    expect(problemsOf(named(issuer, KEYS))).toEqual([])
    expect(settingsOf(named(issuer, KEYS)).issuers[0]?.issuer).toBe(issuer)
    expect(problemsOf(named(issuer))).toEqual([expect.stringMatching(/^2 issuers\[0\]\.issuer /)])
  })

  test('it works with a secret too, and beside a key set in the file', () => {
    const of = (more: string, algorithms: string) =>
      settingsOf(named('my app', more).replace('RS256', algorithms)).issuers[0]
    const [jwks, secret] = [
      `    jwks: ${JSON.stringify({ keys: [P256] })}\n`,
      '    secret_env: S\n',
    ]
    const alone = { keys: { kind: 'secret' }, sharedSecretEnv: undefined }
    expect(of(secret, 'HS256')).toMatchObject(alone)
    expect(of(jwks, 'ES256')).toMatchObject({ keys: { kind: 'jwks' }, sharedSecretEnv: undefined })
    for (const algorithms of ['ES256, HS256', 'HS256']) {
      const both = { keys: { kind: 'jwks' }, sharedSecretEnv: 'S' }
      expect(of(jwks + secret, algorithms)).toMatchObject(both)
    }
  })

  test('the message says that it needs jwks_uri', () => {
    expect(problemsOf(named('stytch.com/project-test-1'))[0]).toMatch(/needs jwks_uri$/)
  })

  test.each([
    ...['', ' ', 'a\u0007b', 'x'.repeat(513), 'key:billing'],
    ...['https://a:b@id.example', 'https://a@id.example', 'https://:b@id.example'],
  ])('"%s" is refused', (issuer) => {
    const text = minimalWith(ISSUER, JSON.stringify(issuer)).replace(AUDIENCE, AUDIENCE + KEYS)
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^2 issuers\[0\]\.issuer /)])
  })

  test('a path named common is refused at Microsoft alone', () => {
    expect(problemsOf(named('https://login.acme.test/common'))).toEqual([])
  })
})

describe('plain http', () => {
  const http = 'http://keycloak:8080/realms/app'
  const insecure = '    insecure_http: true\n'
  const HTTP_KEYS = '    jwks_uri: http://keycloak:8080/k\n'

  test.each<[string, string, RegExp]>([
    ['a discovered issuer', named(http), /\.issuer must be https/],
    ['an issuer with a key set', named(http, KEYS), /\.issuer must be https/],
    ['a jwks_uri', named(ISSUER, HTTP_KEYS), /\.jwks_uri must be https/],
    ['false', named(http, '    insecure_http: false\n'), /\.issuer must be https/],
  ])('%s is refused without insecure_http: true', (_name, text, message) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(message)])
  })

  test('insecure_http: true allows the issuer and its jwks_uri, and is reported', () => {
    expect(problemsOf(named(http, insecure))).toEqual([])
    const both = named(ISSUER, insecure + HTTP_KEYS)
    expect(problemsOf(both)).toEqual([])
    expect(settingsNotes(settingsOf(both))).toEqual([expect.stringMatching(/insecure_http lets/)])
  })

  test('insecure_http allows http alone', () => {
    for (const issuer of ['ftp://keycloak/x', 'file:///etc/passwd', 'http://a:b@keycloak/']) {
      expect(problemsOf(named(issuer, insecure))).toHaveLength(1)
    }
  })
})

describe('{tenantid}', () => {
  const ENTRA = 'https://login.microsoftonline.com/{tenantid}/v2.0'
  const A = '11111111-1111-1111-1111-111111111111'
  const B = '22222222-2222-2222-2222-222222222222'
  const inTenant = (tenant: string): string => ENTRA.replace('{tenantid}', tenant)
  const tenants = (...ids: string[]): string => `    tenants: [${ids.join(', ')}]\n`
  const several = (issuer: string, more: string): string =>
    named(issuer, more).replace("'claims.sub'", `'issuer + "|" + claims.sub'`)

  test('stands for one issuer of each tenant', () => {
    const text = several(ENTRA, `${tenants(A, B, A)}    jwks_uri: https://k.example/{tenantid}/k\n`)
    expect(settingsOf(text).issuers).toMatchObject(
      [A, B].map((tenant) => ({
        issuer: inTenant(tenant),
        tenant,
        keys: { kind: 'jwks_uri', url: `https://k.example/${tenant}/k` },
      })),
    )
  })

  test.each<[string, string, RegExp]>([
    ['no tenants', several(ENTRA, ''), /tenants is missing/],
    ['an empty list', several(ENTRA, '    tenants: []\n'), /tenants needs at least 1/],
    ['tenants without it', named(ISSUER, tenants(A)), /tenants needs \{tenantid\}/],
    ['a domain', several(ENTRA, tenants('acme.example')), /tenants\[0\] must be the id/],
    ['common', several(ENTRA, tenants('common')), /tenants\[0\] stands for the tenants of every/],
    ['101 tenants', several(ENTRA, tenants(...Array(101).fill(A))), /100/],
    [
      'audience_claim: none',
      several(ENTRA, tenants(A)).replace(AUDIENCE, '    audience_claim: none\n'),
      /must not be none/,
    ],
    ['another spelling', several(ENTRA.replace('id}', 'Id}'), ''), /write \{tenantid\}/],
    ['users told apart by sub alone', named(ENTRA, tenants(A, B)), /user must look at issuer/],
  ])('%s is refused', (_name, text, message) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(message)])
  })

  test.each(['common', 'organizations', 'consumers'])(
    'the issuer of %s is refused with advice',
    (one) => {
      for (const issuer of [inTenant(one), `https://sts.windows.net/${one}/`]) {
        for (const more of ['', KEYS]) {
          expect(problemsOf(named(issuer, more))).toEqual([
            expect.stringMatching(
              /issuer stands for the tenants of everybody; write .*\{tenantid\}/,
            ),
          ])
        }
      }
    },
  )

  test('admins name concrete tenants', () => {
    const admins = (issuer: string): string =>
      `${several(ENTRA, tenants(A, B))}admins: { when: 'true', issuers: ['${issuer}'] }\n`
    expect(problemsOf(admins(inTenant(A)))).toEqual([])
    expect(problemsOf(admins(ENTRA))).toEqual([expect.stringMatching(/name the tenant in it$/)])
    expect(problemsOf(admins(inTenant('33333333')))).toHaveLength(1)
    const silent = `${several(ENTRA, tenants(A, B))}admins: { when: 'true' }\n`
    expect(problemsOf(silent)).toEqual([expect.stringMatching(/admins\.issuers is missing/)])
  })

  test('the console names a concrete tenant', () => {
    const text = (issuer: string): string =>
      `${several(ENTRA, tenants(A))}admins: { when: 'true' }\nconsole: { issuer: '${issuer}', client_id: c, client_secret_env: S }\n`
    expect(problemsOf(text(inTenant(A)))).toEqual([])
    expect(problemsOf(text(ENTRA))).toHaveLength(1)
    expect(problemsOf(text(inTenant(B)))).toHaveLength(1)
  })

  test('a tenant twice in the file is refused', () => {
    const text = several(ENTRA, tenants(A)).replace(
      'issuers:\n',
      `issuers:\n  - { issuer: '${inTenant(A)}', audience: [x], algorithms: [RS256] }\n`,
    )
    expect(problemsOf(text)).toEqual([expect.stringMatching(/issuers\[1\]\.issuer is there twice/)])
  })
})
