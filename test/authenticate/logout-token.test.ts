import { createRequire } from 'node:module'
import { Agent } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Authenticator, createAuthenticator } from '../../src/authenticate/authenticate.ts'
import type { IssuerSettings } from '../../src/config/settings.ts'
import { issuerSettings, recordingLog, stoppedClock } from '../support/issuer-settings.ts'
import { startKeyServer } from '../support/key-server.ts'
import { forAllTests } from '../support/started.ts'
import {
  claimsOf,
  createSecretSigner,
  createSigner,
  handMade,
  logoutClaimsOf,
} from '../support/tokens.ts'

/** The part of oidc-provider that is used here; the package brings no types. */
interface ProviderModule {
  readonly Provider: new (
    issuer: string,
    configuration: object,
  ) => {
    readonly Client: {
      find(id: string): Promise<{ backchannelLogout(sub: string, sid: string): Promise<void> }>
    }
  }
}
const { Provider }: ProviderModule = createRequire(import.meta.url)('oidc-provider')

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const es = createSigner('ES256')
const rs = createSigner('RS256')
const clock = stoppedClock()
const seconds = clock.now() / 1000
const dispatcher = new Agent()
let service: Authenticator

const server = forAllTests(() => startKeyServer([es.publicJwk, rs.publicJwk]))
beforeAll(async () => {
  service = serviceOf({})
})
afterAll(async () => {
  await dispatcher.close()
})

function serviceOf(changes: Partial<IssuerSettings>, now = clock.now): Authenticator {
  const settings = issuerSettings({
    issuer: server.issuer,
    logout: { clientIds: ['web-app', 'other-app'], algorithms: ['ES256'] },
    ...changes,
  })
  const options = { issuers: [settings], log: recordingLog().log, secrets: () => undefined }
  return createAuthenticator({ ...options, dispatcher, now })
}

const token = (changes = {}, header = {}) =>
  es.token(logoutClaimsOf(server.issuer, clock.now(), changes), { typ: 'logout+jwt', ...header })

async function refused(raw: string, reason: RegExp, verifier = service): Promise<void> {
  await expect(verifier.verifyLogoutToken(raw)).rejects.toMatchObject({
    code: 'invalid_request',
    reason: expect.stringMatching(reason),
  })
}

test('a good logout token gives the command', async () => {
  expect(await service.verifyLogoutToken(token({ sid: 'sso-1' }))).toEqual({
    issuer: server.issuer,
    subject: 'alice',
    sid: 'sso-1',
    jti: 'logout-1',
    issuedAt: seconds,
  })
})

test.each<[string, Record<string, unknown>]>([
  ['with sid alone', { sub: undefined, sid: 'sso-1' }],
  ['with sub alone', { sid: undefined }],
  ['without exp, which the specification required only by its errata', { exp: undefined }],
  ['when it is two minutes old', { iat: seconds - 120, exp: undefined }],
  ['when it was issued ahead within the tolerance', { iat: seconds + 30 }],
  ['for several clients', { aud: ['x', 'other-app'] }],
  ['with other events', { events: { [EVENT]: {}, 'https://example.org/e': {} } }],
  ['with members in the event', { events: { [EVENT]: { reason: 'x' } } }],
  ['with claims of its own', { trace: 'x' }],
])('a logout token is accepted %s', async (_name, changes) => {
  expect((await service.verifyLogoutToken(token(changes))).jti).toBe('logout-1')
})

test.each(['logout+jwt', 'LOGOUT+JWT', 'application/logout+jwt', 'JWT', undefined])(
  'a logout token with typ %j is accepted',
  async (typ) => {
    expect((await service.verifyLogoutToken(token({}, { typ }))).subject).toBe('alice')
  },
)

test.each<[string, Record<string, unknown>, RegExp]>([
  ['the aud of another client', { aud: 'mobile-app' }, /aud is not for/],
  ['the aud of the API', { aud: 'chat-api' }, /aud is not for/],
  ['an aud that begins like ours', { aud: 'web-app-2' }, /aud is not for/],
  ['no aud', { aud: undefined }, /aud/],
  ['no iat', { iat: undefined }, /iat/],
  ['iat as text', { iat: '1' }, /iat/],
  ['an iat more than two minutes ago', { iat: seconds - 121 }, /issued too long ago/],
  ['such an iat, though exp is ahead', { iat: seconds - 600, exp: seconds + 600 }, /too long ago/],
  ['an iat ahead beyond the tolerance', { iat: seconds + 31 }, /iat is ahead/],
  ['an exp that has passed', { exp: seconds - 30 }, /exp passed/],
  ['null as exp', { exp: null }, /exp/],
  ['an exp in milliseconds', { exp: clock.now() }, /ten years/],
  ['an nbf ahead', { nbf: seconds + 31 }, /nbf is ahead/],
  ['no events', { events: undefined }, /events/],
  ['no event', { events: {} }, /events/],
  ['events as text', { events: EVENT }, /events/],
  ['events as an array', { events: [EVENT] }, /events/],
  ['another event', { events: { 'https://example.org/e': {} } }, /events/],
  ['an event that is no object', { events: { [EVENT]: true } }, /events/],
  ['an event that is null', { events: { [EVENT]: null } }, /events/],
  ['an event that is an array', { events: { [EVENT]: [] } }, /events/],
  ['a nonce', { nonce: 'n' }, /nonce/],
  ['a nonce that is null', { nonce: null }, /nonce/],
  ['neither sub nor sid', { sub: undefined }, /neither sub nor sid/],
  ['an empty sub', { sub: '' }, /sub/],
  ['a sub with NUL', { sub: 'alice\0' }, /sub/],
  ['a number as sub', { sub: 1 }, /sub/],
  ['a list as sid', { sid: ['s1'] }, /sid/],
  ['a number as sid', { sid: 1 }, /sid/],
  ['null as sub beside a sid', { sub: null, sid: 'sso-1' }, /sub/],
  ['no jti', { jti: undefined }, /jti/],
  ['an empty jti', { jti: '' }, /jti/],
  ['a number as jti', { jti: 1 }, /jti/],
  ['a jti of 256 characters', { jti: 'j'.repeat(256) }, /jti/],
  ['another iss', { iss: 'https://evil.example' }, /not configured/],
  ['no iss', { iss: undefined }, /iss/],
])('a logout token with %s is refused', async (_name, changes, reason) => {
  await refused(token(changes), reason)
})

test('a logout token of a tenant may leave tid out, and with one it must be that of iss', async () => {
  const ofTenant = serviceOf({ tenant: 'tenant-a' })
  for (const tid of [undefined, 'tenant-a']) {
    expect((await ofTenant.verifyLogoutToken(token({ tid }))).jti).toBe('logout-1')
  }
  for (const tid of ['tenant-b', 'TENANT-A', '', null]) {
    await refused(token({ tid }), /tid is not the tenant/, ofTenant)
  }
  expect((await service.verifyLogoutToken(token({ tid: 'tenant-b' }))).jti).toBe('logout-1')
})

test.each(['at+jwt', 'dpop+jwt', 'secevent+jwt', 'id_token+jwt', 'none'])(
  'a logout token with typ %s is refused',
  (typ) => refused(token({}, { typ }), /typ/),
)

test('an access token of the same issuer is refused as a logout token', () =>
  refused(es.token(claimsOf(server.issuer, clock.now())), /aud/))

test('a logout token with an algorithm only for access tokens is refused', () =>
  refused(rs.token(logoutClaimsOf(server.issuer, clock.now())), /alg "RS256" is not on/))

test('a logout token with alg none is refused', () =>
  refused(
    handMade({ alg: 'none' }, logoutClaimsOf(server.issuer, clock.now()), Buffer.from('x')),
    /alg "none" is not on/,
  ))

test("a logout token signed by HS256 with the client's id or the public key is refused", async () => {
  const pem = String(es.publicKey.export({ type: 'spki', format: 'pem' }))
  for (const secret of ['web-app', pem]) {
    const forger = createSecretSigner('HS256', secret, 'ES256')
    await refused(forger.token(logoutClaimsOf(server.issuer, clock.now())), /alg "HS256"/)
  }
})

test('a logout token of another signer is refused, and so is garbage', async () => {
  const forger = createSigner('ES256')
  await refused(forger.token(logoutClaimsOf(server.issuer, clock.now())), /signature is wrong/)
  await refused('', /segments/)
  await refused(`${token()}.AAAA`, /segments/)
  await refused('x'.repeat(12_289), /12 KiB/)
})

test('a logout token of an issuer without logout is refused', () =>
  refused(token(), /without logout/, serviceOf({ logout: undefined })))

test('the reason of a refusal holds no token, subject or sid', async () => {
  const raw = token({ sub: 'subject-x', sid: 'session-x', aud: 'other' })
  const error = await service.verifyLogoutToken(raw).catch((thrown: unknown) => thrown)
  expect(String(error) + JSON.stringify(error)).not.toMatch(/eyJ|subject-x|session-x/)
})

test('a logout token is idp_unavailable, not a bad request, while the keys cannot be fetched', async () => {
  const keys = { kind: 'jwks_uri', url: 'http://127.0.0.1:9/jwks.json' } as const
  await expect(serviceOf({ keys }).verifyLogoutToken(token())).rejects.toMatchObject({
    code: 'idp_unavailable',
    retryAfterSeconds: 5,
  })
})

test('a logout token is refused as a bearer token', async () => {
  await expect(service.authenticate(token({ aud: 'chat-api' }), {})).rejects.toMatchObject({
    code: 'invalid_token',
    reason: expect.stringMatching(/^typ/),
  })
})

test('a logout token that oidc-provider sends is accepted', async () => {
  const received: string[] = []
  const provider = new Provider(server.issuer, {
    jwks: { keys: [{ ...rs.privateKey.export({ format: 'jwk' }), kid: 'RS256', alg: 'RS256' }] },
    features: { backchannelLogout: { enabled: true } },
    clients: [
      {
        client_id: 'web-app',
        client_secret: 'not used here, but required',
        redirect_uris: ['https://app.example/cb'],
        backchannel_logout_uri: 'https://app.example/logout',
        backchannel_logout_session_required: true,
      },
    ],
    fetch: async (_url: string, { body }: RequestInit) => {
      received.push(String(new URLSearchParams(String(body)).get('logout_token')))
      return new Response(null, { status: 200 })
    },
  })
  const client = await provider.Client.find('web-app')
  await client.backchannelLogout('alice', 'sso-1')
  const logout = { clientIds: ['web-app'], algorithms: ['RS256'] }
  const command = await serviceOf({ logout }, Date.now).verifyLogoutToken(String(received[0]))
  expect(command).toMatchObject({ issuer: server.issuer, subject: 'alice', sid: 'sso-1' })
})
