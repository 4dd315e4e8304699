import { Agent } from 'undici'
import { afterAll, beforeEach, expect, test, vi } from 'vitest'
import { createAuthenticator } from '../../src/authenticate/authenticate.ts'
import type { IssuerSettings } from '../../src/config/settings.ts'
import { Secret } from '../../src/lib/secret.ts'
import { eventually } from '../support/eventually.ts'
import { issuerSettings, recordingLog, stoppedClock } from '../support/issuer-settings.ts'
import { startKeyServer } from '../support/key-server.ts'
import { claimsOf, createSecretSigner, createSigner } from '../support/tokens.ts'

// A token that was verified before: the signature is not verified again, and everything else is.

const verifySpy = vi.spyOn(globalThis.crypto.subtle, 'verify')
const es = createSigner('ES256', 'one')
const next = createSigner('ES256', 'two')
const clock = stoppedClock()
const server = await startKeyServer([es.publicJwk])
const otherServer = await startKeyServer([es.publicJwk])
const dispatcher = new Agent()
const SHARED = 'https://secret.example'
let secret = 'the secret before, 32 bytes long.'

afterAll(async () => {
  await dispatcher.close()
  await Promise.all([server.close(), otherServer.close()])
})
beforeEach(() => {
  secret = 'the secret before, 32 bytes long.'
  server.keys = [es.publicJwk]
  verifySpy.mockClear()
})

function serviceOf(main: Partial<IssuerSettings> = {}) {
  const remote = (of: typeof server) =>
    ({
      issuer: of.issuer,
      algorithms: ['ES256'],
      keys: { kind: 'jwks_uri', url: of.jwksUri },
    }) as const
  const issuers = [
    issuerSettings({ ...remote(server), ...main }),
    issuerSettings(remote(otherServer)),
    issuerSettings({
      issuer: SHARED,
      algorithms: ['HS256'],
      keys: { kind: 'secret', secretEnv: 'SHARED' },
    }),
  ]
  const secrets = () => new Secret(secret)
  return createAuthenticator({
    issuers,
    now: clock.now,
    log: recordingLog().log,
    dispatcher,
    secrets,
  })
}

const claims = (changes = {}) => claimsOf(server.issuer, clock.now(), changes)
const invalid = { code: 'invalid_token' }
const verifications = () => verifySpy.mock.calls.length

test('a token seen before gives the same principal without another verification', async () => {
  const service = serviceOf()
  const token = es.token(claims({ groups: ['staff'] }))
  const first = await service.authenticate(token, {})
  expect(verifications()).toBe(1)
  expect(await service.authenticate(token, {})).toBe(first)
  expect(verifications()).toBe(1)
  expect(Object.isFrozen(first.claims)).toBe(true)
})

test('a token seen before is not known by another spelling of its signature', async () => {
  const service = serviceOf()
  const token = es.token(claims())
  await service.authenticate(token, {})
  const last = token.at(-1) ?? ''
  // 64 bytes leave four unused bits in the last character: 15 others decode to the same bytes.
  const others = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
  for (const other of others.filter((one) => one !== last)) {
    await expect(service.authenticate(token.slice(0, -1) + other, {})).rejects.toMatchObject(
      invalid,
    )
  }
  await expect(service.authenticate(`${token}=`, {})).rejects.toMatchObject(invalid)
  await expect(service.authenticate(`${token} `, {})).rejects.toMatchObject(invalid)
})

test('a token seen before expires to the second, and is verified anew after the clock was set back', async () => {
  const service = serviceOf({ clockToleranceSeconds: 30 })
  const token = es.token(claims())
  await service.authenticate(token, {})
  clock.advance(329)
  await service.authenticate(token, {})
  clock.advance(1)
  await expect(service.authenticate(token, {})).rejects.toMatchObject({ code: 'token_expired' })
  expect(verifications()).toBe(2)
  clock.advance(-330)
  await service.authenticate(token, {})
  expect(verifications()).toBe(3)
})

test.each([
  ['nbf', { nbf: -10 }, -50],
  ['iat', { iat: -10 }, -50],
] as const)(
  'a token seen before is refused when the clock is set back before its %s',
  async (_name, at, back) => {
    const service = serviceOf({ clockToleranceSeconds: 30 })
    const [[name, offset] = ['', 0]] = Object.entries(at)
    const token = es.token(claims({ [name]: clock.now() / 1000 + offset }))
    await service.authenticate(token, {})
    clock.advance(back)
    await expect(service.authenticate(token, {})).rejects.toMatchObject(invalid)
    clock.advance(-back)
  },
)

test('a token seen before is refused when it has become too old', async () => {
  const service = serviceOf({ maxTokenAgeSeconds: 60 })
  const token = es.token(claims())
  await service.authenticate(token, {})
  clock.advance(60)
  await service.authenticate(token, {})
  clock.advance(1)
  await expect(service.authenticate(token, {})).rejects.toMatchObject(invalid)
})

test('a token seen before is refused from a cookie that its issuer does not take', async () => {
  const service = serviceOf({ cookie: '__session' })
  const token = es.token(claims())
  await service.authenticate(token, { cookie: '__session' })
  await expect(service.authenticate(token, { cookie: 'other' })).rejects.toMatchObject(invalid)
  await service.authenticate(token, {})
})

test('a token seen before does not help a token of another issuer with the same key', async () => {
  const service = serviceOf()
  await service.authenticate(es.token(claims()), {})
  const other = await service.authenticate(es.token(claims({ iss: otherServer.issuer })), {})
  expect(other.issuer).toBe(otherServer.issuer)
  expect(verifications()).toBe(2)
})

test('a token that was refused before its nbf is accepted afterwards', async () => {
  const service = serviceOf({ clockToleranceSeconds: 0 })
  const token = es.token(claims({ nbf: clock.now() / 1000 + 10 }))
  await expect(service.authenticate(token, {})).rejects.toMatchObject(invalid)
  clock.advance(10)
  await service.authenticate(token, {})
})

test('a token that was refused is accepted once its key is published', async () => {
  const service = serviceOf()
  const token = next.token(claims())
  await expect(service.authenticate(token, {})).rejects.toMatchObject(invalid)
  server.keys = [es.publicJwk, next.publicJwk]
  clock.advance(5)
  await service.authenticate(token, {})
})

test('a token seen before is refused when its key is no longer published', async () => {
  const service = serviceOf()
  const old = es.token(claims())
  await service.authenticate(old, {})
  server.keys = [next.publicJwk]
  clock.advance(5)
  // The first token with the new key makes the service fetch that key.
  await service.authenticate(next.token(claims()), {})
  await expect(service.authenticate(old, {})).rejects.toMatchObject(invalid)
})

test('a token seen before is verified once more when the key set changes and keeps its key', async () => {
  const service = serviceOf()
  const old = es.token(claims())
  await service.authenticate(old, {})
  server.keys = [es.publicJwk, next.publicJwk]
  clock.advance(5)
  await service.authenticate(next.token(claims()), {})
  verifySpy.mockClear()
  await service.authenticate(old, {})
  await service.authenticate(old, {})
  expect(verifications()).toBe(1)
})

test('keys that are too old verify no token, seen before or not', async () => {
  const service = serviceOf({ staleKeysSeconds: 3600 })
  const token = es.token(claims({ exp: clock.now() / 1000 + 86_400 }))
  await service.authenticate(token, {})
  server.jwksBehaviour = { kind: 'reset' }
  clock.advance(3600)
  await service.authenticate(token, {})
  clock.advance(1)
  await expect(service.authenticate(token, {})).rejects.toMatchObject({ code: 'idp_unavailable' })
  server.jwksBehaviour = { kind: 'ok' }
})

test('uses of a token seen before keep the keys fresh, as verifying it would', async () => {
  const service = serviceOf()
  const token = es.token(claims({ exp: clock.now() / 1000 + 86_400 }))
  await service.authenticate(token, {})
  clock.advance(8 * 60)
  const before = server.fetches.jwks
  await service.authenticate(token, {})
  await eventually(() => expect(server.fetches.jwks).toBe(before + 1))
})

test('a token seen before is refused when the shared secret that signed it was replaced', async () => {
  const service = serviceOf()
  const token = createSecretSigner('HS256', secret).token(claimsOf(SHARED, clock.now()))
  await service.authenticate(token, {})
  await service.authenticate(token, {})
  secret = 'the secret afterwards, 32 bytes long.'
  await expect(service.authenticate(token, {})).rejects.toMatchObject(invalid)
})
