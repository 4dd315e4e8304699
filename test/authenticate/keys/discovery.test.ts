import { describe, expect, test } from 'vitest'
import { createDiscovery } from '../../../src/authenticate/keys/discovery.ts'
import { stoppedClock } from '../../support/issuer-settings.ts'

function setUp(issuer: string, document: unknown) {
  const clock = stoppedClock()
  const asked: string[] = []
  const fetchJson = async (url: URL) => {
    asked.push(url.href)
    return document
  }
  return { clock, asked, discovery: createDiscovery({ issuer, fetchJson, now: clock.now }) }
}

test.each([
  ['https://id.example', 'https://id.example/.well-known/openid-configuration'],
  ['https://id.example/', 'https://id.example/.well-known/openid-configuration'],
  ['https://id.example/a/b', 'https://id.example/a/b/.well-known/openid-configuration'],
  ['https://id.example/a/', 'https://id.example/a/.well-known/openid-configuration'],
])('the issuer %s is asked at %s', async (issuer, address) => {
  const { asked, discovery } = setUp(issuer, { issuer, jwks_uri: 'https://keys.example/k' })
  expect((await discovery.keySetUrl()).href).toBe('https://keys.example/k')
  expect(asked).toEqual([address])
})

test('a missing document: the reason says what to do', async () => {
  const fetchJson = async (url: URL, ifAbsent?: string) => {
    throw new Error(`GET ${url}: ${ifAbsent}`)
  }
  const discovery = createDiscovery({ issuer: 'https://id.example', fetchJson, now: Date.now })
  await expect(discovery.keySetUrl()).rejects.toThrow(
    /: no discovery document there; name `jwks_uri` in the config/,
  )
})

test('a discovery answer is kept for an hour, or until it is to be forgotten', async () => {
  const issuer = 'https://id.example'
  const document = { issuer, jwks_uri: 'https://id.example/k' }
  const { asked, clock, discovery } = setUp(issuer, document)
  await discovery.keySetUrl()
  clock.advance(3599)
  await discovery.keySetUrl()
  expect(asked).toHaveLength(1)
  clock.advance(1)
  await discovery.keySetUrl()
  expect(asked).toHaveLength(2)
  discovery.forget()
  await discovery.keySetUrl()
  expect(asked).toHaveLength(3)
  clock.advance(-3600)
  await discovery.keySetUrl()
  expect(asked).toHaveLength(4)
})

test.each<[string, string, unknown]>([
  ['another issuer', 'https://id.example', { issuer: 'https://evil.example' }],
  ['issuer with a slash more', 'https://id.example', { issuer: 'https://id.example/' }],
  ['issuer with a slash less', 'https://id.example/', { issuer: 'https://id.example' }],
  ['no issuer', 'https://id.example', { issuer: undefined }],
  ['no jwks_uri', 'https://id.example', { jwks_uri: undefined }],
  ['jwks_uri that is no address', 'https://id.example', { jwks_uri: '/keys' }],
  ['jwks_uri with plain http', 'https://id.example', { jwks_uri: 'http://id.example/k' }],
  ['jwks_uri on loopback', 'https://id.example', { jwks_uri: 'https://127.0.0.1/k' }],
  ['jwks_uri on localhost, http', 'https://id.example', { jwks_uri: 'http://localhost:1/k' }],
  ['jwks_uri on [::1]', 'https://id.example', { jwks_uri: 'https://[::1]/k' }],
  ['jwks_uri on the address of no host', 'https://id.example', { jwks_uri: 'https://0.0.0.0/k' }],
  ['jwks_uri as a decimal address', 'https://id.example', { jwks_uri: 'http://2130706433/k' }],
  ['jwks_uri of a file', 'https://id.example', { jwks_uri: 'file:///etc/passwd' }],
  ['jwks_uri with credentials', 'https://id.example', { jwks_uri: 'https://a:b@id.example/k' }],
  ['an array', 'https://id.example', []],
  ['null', 'https://id.example', null],
])('a discovery document with this fault is refused: %s', async (_name, issuer, changes) => {
  const isObject = typeof changes === 'object' && changes !== null && !Array.isArray(changes)
  const good = { issuer, jwks_uri: 'https://id.example/k' }
  const { discovery } = setUp(issuer, isObject ? { ...good, ...changes } : changes)
  await expect(discovery.keySetUrl()).rejects.toMatchObject({
    code: 'idp_unavailable',
    reason: expect.stringMatching(/^discovery document refused/),
  })
})

test('a loopback issuer may have its keys on loopback, by http', async () => {
  const issuer = 'http://localhost:8080'
  const { discovery } = setUp(issuer, { issuer, jwks_uri: 'http://127.0.0.1:8080/k' })
  expect((await discovery.keySetUrl()).port).toBe('8080')
})

describe('insecure_http', () => {
  const keySet = (issuer: string, jwksUri: string) => {
    const fetchJson = async () => ({ issuer, jwks_uri: jwksUri })
    const { now } = stoppedClock()
    return createDiscovery({ issuer, fetchJson, now }).keySetUrl()
  }

  test.each(['127.0.0.1', '0.0.0.0', '[::]', '[::ffff:127.0.0.1]', 'keys.localhost', 'localhost.'])(
    'a plain http issuer on the network must not name a key set on this machine: %s',
    async (host) => {
      const refused = { code: 'idp_unavailable' }
      const asked = keySet('http://keycloak:8080/realms/app', `http://${host}:9200/k`)
      await expect(asked).rejects.toMatchObject(refused)
    },
  )

  test('a plain http issuer may name a plain http key set', async () => {
    const url = await keySet('http://keycloak:8080/realms/app', 'http://keycloak:8080/k')
    expect(url.href).toBe('http://keycloak:8080/k')
  })

  test.each([
    ['https://id.example', 'http://keycloak:8080/k'],
    ['https://id.example', 'http://127.0.0.1/k'],
    ['http://keycloak:8080', 'http://127.0.0.1/k'],
    ['http://keycloak:8080', 'file:///etc/passwd'],
    ['http://keycloak:8080', 'http://a:b@keycloak:8080/k'],
  ])('the discovery of %s never leads to %s', async (issuer, jwksUri) => {
    await expect(keySet(issuer, jwksUri)).rejects.toMatchObject({ code: 'idp_unavailable' })
  })
})
