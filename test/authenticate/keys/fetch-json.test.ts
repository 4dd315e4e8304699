import { Agent } from 'undici'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createFetchJson } from '../../../src/authenticate/keys/fetch-json.ts'
import { type KeyServerBehaviour, startKeyServer } from '../../support/key-server.ts'
import { forAllTests } from '../../support/started.ts'

const dispatcher = new Agent()
const fetchJson = createFetchJson({ dispatcher, insecureHttp: false })
const answer = (body: string, status = 200): KeyServerBehaviour => ({
  kind: 'answer',
  status,
  body,
})
let url: URL

const server = forAllTests(() => startKeyServer())
beforeAll(async () => {
  url = new URL(server.jwksUri)
})
afterAll(async () => {
  await dispatcher.close()
})
beforeEach(() => {
  server.fetches.other = 0
})

test('a JSON document of 256 KiB is fetched', async () => {
  const text = JSON.stringify({ filler: 'x'.repeat(262_144 - 13) })
  expect(text).toHaveLength(262_144)
  server.jwksBehaviour = answer(text)
  expect(await fetchJson(url)).toEqual(JSON.parse(text))
})

test('a byte order mark before the document is dropped', async () => {
  server.jwksBehaviour = answer('\ufeff{"keys":[]}')
  expect(await fetchJson(url)).toEqual({ keys: [] })
})

test('a content-encoding that the body does not have does no harm', async () => {
  server.jwksBehaviour = { kind: 'mislabelled' }
  expect(await fetchJson(url)).toEqual({ keys: [] })
})

test('the request asks for JSON, not compressed', async () => {
  server.jwksBehaviour = { kind: 'negotiates' }
  expect(await fetchJson(url)).toEqual({ keys: [] })
})

test.each<[string, () => KeyServerBehaviour, RegExp]>([
  ['two byte order marks', () => answer('\ufeff\ufeff{"keys":[]}'), /not JSON/],
  ['HTML', () => answer('<!doctype html><p>Sign in'), /not JSON$/],
  ['nothing', () => answer(''), /not JSON/],
  [
    'a coding that the request refuses',
    () => ({ kind: 'compressed' }),
    /not UTF-8; answered with content-encoding "gzip"/,
  ],
  ['a repeated key', () => answer('{"keys":[],"keys":[]}'), /repeated key/],
  ['256 KiB and a byte', () => answer(`${' '.repeat(262_143)}{}`), /more than 262144 bytes/],
  ['204', () => answer('', 204), /answered 204/],
  ['404', () => answer('{"keys":[]}', 404), /answered 404/],
  ['500 with a long body', () => answer('x'.repeat(1e6), 500), /answered 500/],
  [
    'a redirect',
    () => ({ kind: 'redirect', location: `${server.issuer}/bait?code=1` }),
    /answered 302, which leads to "http:.*\/bait"; no redirect is followed: correct `issuer`, or .* `jwks_uri`/,
  ],
  ['a redirect to the same host', () => ({ kind: 'redirect', location: '/keys' }), /:\d+\/keys"/],
  ['a cut connection', () => ({ kind: 'reset' }), /GET /],
])('an answer of %s is a failure', async (_name, behaviour, reason) => {
  server.jwksBehaviour = behaviour()
  await expect(fetchJson(url)).rejects.toMatchObject({
    code: 'idp_unavailable',
    reason: expect.stringMatching(reason),
  })
  expect(server.fetches.other).toBe(0)
})

test.each([
  [404, /: answered 404: nothing there$/],
  [500, /: answered 500$/],
])(
  'an answer of %i: the reason has the advice for a missing document where it fits',
  async (status, reason) => {
    server.jwksBehaviour = answer('', status)
    await expect(fetchJson(url, 'nothing there')).rejects.toMatchObject({
      reason: expect.stringMatching(reason),
    })
  },
)

test('an answer of 300 MB is cut off before it is read', async () => {
  server.jwksBehaviour = { kind: 'flood', bytes: 300_000_000 }
  await expect(fetchJson(url)).rejects.toMatchObject({ code: 'idp_unavailable' })
  expect(server.floodedBytes).toBeLessThan(100_000_000)
})

test.each<'hang' | 'stall'>(['hang', 'stall'])(
  'a fetch that ends in a %s is given up at its deadline',
  async (kind) => {
    server.jwksBehaviour = { kind }
    const impatient = createFetchJson({ dispatcher, insecureHttp: false, deadlineMs: 100 })
    await expect(impatient(url)).rejects.toMatchObject({
      code: 'idp_unavailable',
      reason: expect.stringMatching(/timeout/i),
    })
  },
)

test.each(['http://192.0.2.1/k', 'http://keys.example/k', 'ftp://127.0.0.1/k'])(
  'an address that is not https is refused: %s',
  async (address) => {
    await expect(fetchJson(new URL(address))).rejects.toMatchObject({
      reason: expect.stringContaining('not an https address'),
    })
  },
)

test('an address where nobody listens is a failure', async () => {
  const gone = await startKeyServer()
  await gone.close()
  const byName = gone.jwksUri.replace('127.0.0.1', 'localhost')
  for (const address of [gone.jwksUri, byName]) {
    await expect(fetchJson(new URL(address))).rejects.toMatchObject({
      code: 'idp_unavailable',
      reason: expect.stringContaining('ECONNREFUSED'),
    })
  }
})

test('plain http beyond loopback is fetched only with insecure_http', async () => {
  // An address that the rule does not know as loopback, and that leads to this machine.
  const mapped = new URL(server.jwksUri.replace('127.0.0.1', '[::ffff:127.0.0.1]'))
  const { jwks } = server.fetches
  await expect(fetchJson(mapped)).rejects.toMatchObject({ code: 'idp_unavailable' })
  expect(server.fetches.jwks).toBe(jwks)
  server.jwksBehaviour = { kind: 'ok' }
  const insecure = createFetchJson({ dispatcher, insecureHttp: true })
  expect(await insecure(mapped)).toEqual({ keys: [] })
  await expect(insecure(new URL('ftp://keycloak/k'))).rejects.toMatchObject({
    reason: expect.stringMatching(/not an https address/),
  })
})
