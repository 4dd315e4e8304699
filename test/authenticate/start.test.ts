import { Agent } from 'undici'
import { afterAll, expect, test } from 'vitest'
import { createAuthenticator } from '../../src/authenticate/authenticate.ts'
import type { IssuerSettings } from '../../src/config/settings.ts'
import { Secret } from '../../src/lib/secret.ts'
import { issuerSettings, recordingLog, stoppedClock } from '../support/issuer-settings.ts'
import { startKeyServer } from '../support/key-server.ts'
import { forAllTests } from '../support/started.ts'
import { claimsOf, createSigner } from '../support/tokens.ts'

// Faults of the settings that the start of the service finds, and keys that it fetches then.

const old = createSigner('ES256')
const clock = stoppedClock()
const dispatcher = new Agent()

const server = forAllTests(() => startKeyServer([old.publicJwk]))
afterAll(async () => {
  await dispatcher.close()
})

function start(issuers: IssuerSettings[], secret?: Secret) {
  const { log } = recordingLog()
  return createAuthenticator({ issuers, now: clock.now, log, dispatcher, secrets: () => secret })
}

function inline(keys: Record<string, unknown>[]): IssuerSettings {
  return issuerSettings({ issuer: server.issuer, keys: { kind: 'jwks', jwks: { keys } } })
}

test('a key without a kid is named by its kind where a token has a kid', async () => {
  const { kid: _, alg: __, ...key } = old.publicJwk
  const token = old.token(claimsOf(server.issuer, clock.now()), { kid: 'made-by-a-library' })
  await expect(start([inline([key])]).authenticate(token, {})).rejects.toMatchObject({
    reason: expect.stringContaining('kid "made-by-a-library"; its keys are "no kid (EC)"'),
  })
})

test('an inline key set is used without any fetch', async () => {
  const service = start([inline([old.publicJwk])])
  expect(service.ready()).toBe(true)
  const token = old.token(claimsOf(server.issuer, clock.now()))
  expect((await service.authenticate(token, {})).subject).toBe('alice')
  expect(server.fetches).toEqual({ jwks: 0, discovery: 0, other: 0 })
})

test.each<[string, Record<string, unknown>[]]>([
  ['empty', []],
  ['with a private key', [old.privateKey.export({ format: 'jwk' }) as Record<string, unknown>]],
  ['with weak keys alone', [{ kty: 'RSA', e: 'AQ', n: 'AAAA' }]],
])('an inline key set %s stops the start, and the error names the issuer', (_name, keys) => {
  expect(() => start([inline(keys)])).toThrow(`issuer ${server.issuer}: jwks: key set refused`)
})

test.each([
  [undefined, 'is not set'],
  ['x'.repeat(31), 'has fewer than 32 bytes'],
])('the secret %s stops the start, and the error does not show it', (value, message) => {
  const issuers = [issuerSettings({ keys: { kind: 'secret', secretEnv: 'SHARED' } })]
  const secret = value === undefined ? undefined : new Secret(value)
  expect(() => start(issuers, secret)).toThrow(`SHARED: ${message}`)
  expect(() => start(issuers, secret)).not.toThrow(/xxxx/)
})

test('every issuer that stops the start has its line', () => {
  const other = { ...inline([]), issuer: 'urn:other' }
  expect(() => start([inline([]), other])).toThrow(
    new RegExp(`^issuer ${server.issuer}: jwks: .*\nissuer urn:other: jwks: .*$`),
  )
})

test('an issuer with a secret beside its key set is ready before the set is fetched', () => {
  const sharedSecretEnv = 'SHARED'
  const both = issuerSettings({ algorithms: ['ES256', 'HS256'], sharedSecretEnv })
  expect(start([both], new Secret('x'.repeat(32))).ready()).toBe(true)
})

test('warm fetches the keys of all issuers, even if one of them is down', async () => {
  const down = issuerSettings({ issuer: 'http://127.0.0.1:9' })
  const up = issuerSettings({ issuer: server.issuer })
  const both = start([down, up])
  expect(both.ready()).toBe(false)
  await both.warm()
  expect(both.ready()).toBe(true)
  expect([...both.keyAges()]).toEqual([
    ['http://127.0.0.1:9', undefined],
    [server.issuer, 0],
  ])
})

test('asking for the ages of keys renews old keys', async () => {
  const service = start([issuerSettings({ issuer: server.issuer })])
  await service.warm()
  clock.advance(3600)
  expect(service.keyAges().get(server.issuer)).toBe(3600)
  await expect.poll(() => service.keyAges().get(server.issuer)).toBe(0)
})
