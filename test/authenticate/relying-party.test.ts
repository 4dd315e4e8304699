import type { LookupFunction } from 'node:net'
import { customFetch, None } from 'openid-client'
import { Agent, MockAgent } from 'undici'
import { expect, test } from 'vitest'
import { discoverProvider } from '../../src/authenticate/relying-party.ts'
import { reasonOf } from '../../src/lib/show.ts'

/** As for a name with an IPv4 and an IPv6 address: the failure of both has no message of its own. */
const lookup: LookupFunction = (_name, _options, done) =>
  done(null, [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ])

test('a provider with two addresses, neither of which answers, is reported with the cause', async () => {
  const dispatcher = new Agent({ connect: { lookup } })
  const found = discoverProvider({
    issuer: 'http://localhost:9',
    clientId: 'console',
    authentication: None(),
    dispatcher,
  })
  const error: unknown = await found.catch((cause: unknown) => cause)
  expect(reasonOf(error)).toMatch(/openid-configuration: ECONNREFUSED/)
  await dispatcher.close()
})

const ISSUER = 'https://login.acme.example'
const DOCUMENT = { issuer: ISSUER, authorization_endpoint: `${ISSUER}/authorize` }
const LONG = JSON.stringify({ ...DOCUMENT, more: 'x'.repeat(256 * 1024) })

/** A provider beyond loopback. The function that is returned sends a request as openid-client does. */
async function discovered(changes = {}, [status, body]: readonly [number, string?] = [200]) {
  const dispatcher = new MockAgent()
  dispatcher.disableNetConnect()
  const provider = dispatcher.get(ISSUER)
  const document = { ...DOCUMENT, ...changes }
  provider
    .intercept({ path: '/.well-known/openid-configuration' })
    .reply(status, body ?? document, { headers: { 'content-type': 'application/json' } })
  const authentication = None()
  const found = await discoverProvider({
    issuer: ISSUER,
    clientId: 'console',
    authentication,
    dispatcher,
  })
  const ask = async (address: string) =>
    found[customFetch]?.(address, { method: 'POST', headers: {}, body: null, redirect: 'manual' })
  return { provider, ask }
}

test.each([
  ['another issuer, by a slash', { issuer: `${ISSUER}/` }, 'names the issuer'],
  [
    'a sign-in by plain http',
    { authorization_endpoint: 'http://login.acme.example/a' },
    'no https',
  ],
  ['no address of the sign-in', { authorization_endpoint: undefined }, 'is missing'],
])('a discovery document with %s is refused', async (_what, changes, reason) => {
  const error: unknown = await discovered(changes).catch((cause: unknown) => cause)
  expect(reasonOf(error)).toContain(reason)
})

test.each([
  ['HTML', [200, '<p>hello</p>']],
  ['500', [500, '{}']],
  ['a redirect', [302, '']],
  ['more than 256 KiB', [200, LONG]],
] as const)(
  'a discovery that answers with %s makes the provider unavailable',
  async (_, answer) => {
    await expect(discovered({}, answer)).rejects.toMatchObject({ code: 'idp_unavailable' })
  },
)

test.each([
  'http://login.acme.example/token',
  'https://localhost/token',
  'https://127.0.0.1:6379/token',
  'https://[::1]/token',
])('a provider beyond loopback cannot name %s as an endpoint', async (address) => {
  const { ask } = await discovered()
  await expect(ask(address)).rejects.toMatchObject({
    code: 'idp_unavailable',
    reason: expect.stringContaining('not an address for an identity provider'),
  })
})

test.each([429, 500, 503])('an endpoint that answers %i is unavailable', async (status) => {
  const { provider, ask } = await discovered()
  provider.intercept({ path: '/token', method: 'POST' }).reply(status, '{}')
  await expect(ask(`${ISSUER}/token`)).rejects.toMatchObject({
    code: 'idp_unavailable',
    reason: expect.stringContaining(`answered ${status}`),
  })
})
