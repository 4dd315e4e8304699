import type { LookupFunction } from 'node:net'
import { None } from 'openid-client'
import { Agent } from 'undici'
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
