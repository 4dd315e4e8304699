import { Agent } from 'undici'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type Authenticator, createAuthenticator } from '../../src/authenticate/authenticate.ts'
import type { IssuerSettings, KeySource } from '../../src/config/settings.ts'
import { issuerSettings, recordingLog, stoppedClock } from '../support/issuer-settings.ts'
import { type KeyServerBehaviour, startKeyServer } from '../support/key-server.ts'
import { forEachTest } from '../support/started.ts'
import {
  claimsOf,
  createSigner,
  type KeyPairSigner,
  type Signer,
  withSameKey,
} from '../support/tokens.ts'

// The identity provider's mishaps, through real HTTP on loopback.

const old = createSigner('ES256', 'old')
const fresh = createSigner('ES256', 'fresh')

const dispatcher = new Agent()
let clock: ReturnType<typeof stoppedClock>
let record: ReturnType<typeof recordingLog>
let service: Authenticator

const server = forEachTest(() => startKeyServer([old.publicJwk]))
beforeEach(async () => {
  clock = stoppedClock()
  record = recordingLog()
  service = serviceOf({ kind: 'jwks_uri', url: server.jwksUri })
})
afterAll(() => dispatcher.close())

function serviceOf(keys: KeySource, changes: Partial<IssuerSettings> = {}): Authenticator {
  const issuers = [issuerSettings({ issuer: server.issuer, keys, ...changes })]
  const secrets = () => undefined
  return createAuthenticator({ issuers, now: clock.now, log: record.log, dispatcher, secrets })
}

/** The code of the refusal, or `ok`. */
function outcome(signer: Signer, header = {}): Promise<string> {
  const token = signer.token(claimsOf(server.issuer, clock.now()), header)
  return service.authenticate(token, {}).then(
    () => 'ok',
    ({ code }) => code,
  )
}

const publish = (...signers: KeyPairSigner[]) => {
  server.keys = signers.map(({ publicJwk }) => publicJwk)
}

describe('the key set cannot be fetched', () => {
  test('the reason of the refusal names the address, what came, and what to mend', async () => {
    server.jwksBehaviour = { kind: 'answer', status: 404, body: '' }
    const token = old.token(claimsOf(server.issuer, clock.now()))
    await expect(service.authenticate(token, {})).rejects.toMatchObject({
      code: 'idp_unavailable',
      reason: `no keys of issuer ${server.issuer}: GET ${server.jwksUri}: answered 404: no key set there; correct the path in \`jwks_uri\``,
    })
    clock.advance(6)
    server.jwksBehaviour = { kind: 'answer', status: 200, body: '<html>' }
    await expect(service.authenticate(token, {})).rejects.toMatchObject({
      reason: expect.stringContaining(`GET ${server.jwksUri}: `),
    })
  })

  test('without known keys, asking for readiness fetches them, at most once in 5 s', async () => {
    server.jwksBehaviour = { kind: 'reset' }
    for (let i = 0; i < 10; i++) expect(service.ready()).toBe(false)
    await expect.poll(record.text).toContain('issuer keys could not be fetched')
    expect(server.fetches.jwks).toBe(1)
    server.jwksBehaviour = { kind: 'ok' }
    clock.advance(5)
    expect(service.ready()).toBe(false)
    await expect.poll(() => service.ready()).toBe(true)
    expect(server.fetches.jwks).toBe(2)
  })

  test('an unknown kid during an outage is invalid_token, and costs no more fetches', async () => {
    expect(await outcome(old)).toBe('ok')
    server.jwksBehaviour = { kind: 'reset' }
    clock.advance(5)
    for (let i = 0; i < 20; i++) expect(await outcome(fresh)).toBe('invalid_token')
    expect(server.fetches.jwks).toBe(2)
    expect(await outcome(old)).toBe('ok')
  })
})

describe('an answer that is no usable key set', () => {
  const weak = { kty: 'RSA', e: 'AQ', kid: 'weak', n: createSigner('RS256').publicJwk['n'] }
  const privateKey = fresh.privateKey.export({ format: 'jwk' })
  const set = (...keys: unknown[]) => JSON.stringify({ keys })
  test.each<[string, KeyServerBehaviour]>([
    ['HTML', { kind: 'answer', status: 200, body: '<!doctype html><title>Down</title>' }],
    ['an empty set', { kind: 'answer', status: 200, body: '{"keys": []}' }],
    ['300 MB', { kind: 'flood', bytes: 300_000_000 }],
    ['weak keys alone', { kind: 'answer', status: 200, body: set(weak, weak) }],
    ['a private key', { kind: 'answer', status: 200, body: set(fresh.publicJwk, privateKey) }],
    ['a truncated set', { kind: 'answer', status: 200, body: set(fresh.publicJwk).slice(0, -1) }],
    ['a redirect', { kind: 'redirect', location: '/elsewhere.json' }],
    ['an error with a good set', { kind: 'answer', status: 500, body: set(fresh.publicJwk) }],
  ])('a key set answered as %s is a failure, and known keys stay', async (_name, behaviour) => {
    server.jwksBehaviour = behaviour
    expect(await outcome(old)).toBe('idp_unavailable')
    server.jwksBehaviour = { kind: 'ok' }
    clock.advance(5)
    expect(await outcome(old)).toBe('ok')
    server.jwksBehaviour = behaviour
    clock.advance(601)
    expect(await outcome(old)).toBe('ok')
    expect(await outcome(fresh)).toBe('invalid_token')
    expect(server.fetches).toEqual({ jwks: 3, discovery: 0, other: 0 })
    const failed = record.lines.filter(({ msg }) => msg === 'issuer keys could not be fetched')
    expect(failed).toHaveLength(2)
  })
})

describe('a key set that lists more than good keys', () => {
  const weak = { kty: 'RSA', e: 'AQ', kid: 'weak', n: createSigner('RS256').publicJwk['n'] }

  test('good keys verify beside keys that cannot be used, which are logged once', async () => {
    server.keys = [weak, { kty: 'oct', k: 'AAAA' }, null, old.publicJwk].map((key) => ({ ...key }))
    expect(await outcome(old)).toBe('ok')
    clock.advance(700)
    expect(await outcome(old)).toBe('ok')
    expect(server.fetches.jwks).toBe(2)
    const logged = record.lines.filter(({ msg }) => msg === 'keys of the issuer are left out')
    expect(logged).toHaveLength(1)
  })

  test('a token is verified by the key of its algorithm when a kid is repeated', async () => {
    const rsa = withSameKey(createSigner('RS256'), 'RS256', old.kid ?? null)
    server.keys = [rsa.publicJwk, old.publicJwk, old.publicJwk]
    expect(await outcome(old)).toBe('ok')
  })
})

describe('rotation', () => {
  test('a rotation with overlap refuses no good token', async () => {
    expect(await outcome(old)).toBe('ok')
    publish(old, fresh)
    clock.advance(5)
    expect(await Promise.all([outcome(old), outcome(fresh), outcome(fresh)])).toEqual(
      Array(3).fill('ok'),
    )
    publish(fresh)
    expect(await outcome(fresh)).toBe('ok')
    expect(server.fetches.jwks).toBe(2)
  })

  test('a rotation without overlap refuses new tokens for at most 5 s, and costs one fetch', async () => {
    expect(await outcome(old)).toBe('ok')
    publish(fresh)
    clock.advance(1)
    expect(await outcome(fresh)).toBe('invalid_token')
    expect(server.fetches.jwks).toBe(1)
    clock.advance(4)
    expect(await outcome(fresh)).toBe('ok')
    expect(await outcome(old)).toBe('invalid_token')
    expect(server.fetches.jwks).toBe(2)
  })

  test('a rotation under the same kid accepts the new key and refuses the old one', async () => {
    const successor = createSigner('ES256', 'old')
    expect(await outcome(old)).toBe('ok')
    publish(successor)
    clock.advance(5)
    expect(await outcome(successor)).toBe('ok')
    expect(await outcome(old)).toBe('invalid_token')
  })

  test('a forged token that makes the service fetch the new keys is refused', async () => {
    const forger = createSigner('ES256', 'old')
    expect(await outcome(old)).toBe('ok')
    publish(old, fresh)
    clock.advance(5)
    expect(await outcome(forger)).toBe('invalid_token')
    expect(server.fetches.jwks).toBe(2)
  })

  test('a rotation of keys without kid accepts the new key', async () => {
    const before = createSigner('ES256', null)
    const after = createSigner('ES256', null)
    publish(before)
    expect(await outcome(before)).toBe('ok')
    publish(after)
    clock.advance(5)
    expect(await outcome(after)).toBe('ok')
  })

  test('a key that is no longer published stops counting within 10 minutes', async () => {
    expect(await outcome(old)).toBe('ok')
    publish(fresh)
    clock.advance(601)
    expect(await outcome(old)).toBe('invalid_token')
  })
})

test('a token without kid is verified by any of the first three keys of its kind', async () => {
  const signers = Array.from({ length: 4 }, (_, i) => createSigner('ES256', `k${i}`))
  publish(...signers, createSigner('ES384'))
  const codes = []
  for (const signer of signers) codes.push(await outcome(signer, { kid: undefined }))
  expect(codes).toEqual(['ok', 'ok', 'ok', 'invalid_token'])
})

describe('discovery', () => {
  beforeEach(() => {
    service = serviceOf({ kind: 'discovery' })
  })

  test('discovery finds the keys, and is asked once in an hour', async () => {
    for (let i = 0; i < 5; i++) {
      expect(await outcome(old)).toBe('ok')
      clock.advance(601)
    }
    expect(server.fetches).toEqual({ jwks: 5, discovery: 1, other: 0 })
    clock.advance(3600)
    expect(await outcome(old)).toBe('ok')
    expect(server.fetches.discovery).toBe(2)
  })

  test.each<[string, Record<string, unknown>]>([
    ['of another issuer', { issuer: 'https://evil.example' }],
    ['without jwks_uri', { jwks_uri: undefined }],
    ['with a jwks_uri by plain http', { jwks_uri: 'http://keys.example/jwks.json' }],
  ])('a discovery document %s is a failure', async (_name, changes) => {
    server.discovery = changes
    expect(await outcome(old)).toBe('idp_unavailable')
    expect(server.fetches.jwks).toBe(0)
    expect(record.text()).toMatch(/discovery document refused|not an https address/)
  })

  test.each<KeyServerBehaviour>([
    { kind: 'answer', status: 404, body: 'not found' },
    { kind: 'answer', status: 200, body: '<html>' },
    { kind: 'redirect', location: '/elsewhere' },
    { kind: 'reset' },
  ])('a discovery answer of kind $kind is a failure', async (behaviour) => {
    server.discoveryBehaviour = behaviour
    expect(await outcome(old)).toBe('idp_unavailable')
    expect(server.fetches).toEqual({ jwks: 0, discovery: 1, other: 0 })
  })

  test('discovery is asked again when the key set at the known address lacks the key of a token', async () => {
    expect(await outcome(old)).toBe('ok')
    const body = JSON.stringify({ keys: [old.publicJwk] })
    server.jwksBehaviour = { kind: 'answer', status: 200, body }
    server.discovery = { jwks_uri: `${server.issuer}/moved.json` }
    publish(fresh)
    clock.advance(5)
    expect(await outcome(fresh)).toBe('invalid_token')
    clock.advance(5)
    expect(await outcome(fresh)).toBe('ok')
    expect(await outcome(old)).toBe('invalid_token')
    expect(server.fetches).toEqual({ jwks: 2, discovery: 2, other: 1 })
  })

  test('discovery is asked again when the address of the key set stops working', async () => {
    expect(await outcome(old)).toBe('ok')
    server.jwksBehaviour = { kind: 'answer', status: 410, body: '' }
    clock.advance(601)
    expect(await outcome(old)).toBe('ok')
    server.discovery = { jwks_uri: `${server.issuer}/moved.json` }
    clock.advance(5)
    await outcome(old)
    await expect.poll(() => server.fetches).toEqual({ jwks: 2, discovery: 2, other: 1 })
  })
})
