import { randomBytes } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { startMember } from '../support/fleet.ts'
import { startKeyServer } from '../support/key-server.ts'
import { type Clients, createClients } from '../support/network/clients.ts'
import { forEachTest } from '../support/started.ts'
import { claimsOf, createSigner, handMade } from '../support/tokens.ts'
import { kinds, type Load, quantile, startLoad, withoutRetryAfter } from './calls.ts'

// Somebody tries tokens as fast as answers come, beside good users, some of them at the same address.

const GOOD = 8
const FLOOD = 24
const UPSTREAM_MS = 40
/** Only Linux has all of 127.0.0.0/8 as its own. */
const OTHER_ADDRESS = process.platform === 'linux' ? { localAddress: '127.0.0.2' } : {}
const good = createSigner('ES256', 'good')
const forger = createSigner('ES256', 'good')

const idp = forEachTest(() => startKeyServer([good.publicJwk]))
const upstream = forEachTest(() => startWatchedUpstream())
beforeEach(() => {
  upstream.api.setFaults({ latency_ms: UPSTREAM_MS })
})
const service = forEachTest(() => startMember({ config: config(), upstream }))
const sameAddress = forEachTest(() => createClients(service.url, { localAddress: '127.0.0.1' }))
const otherAddress = forEachTest(() => createClients(service.url, OTHER_ADDRESS))

/** The usual limit on failures: 60 in 60 s of one address. */
function config(): string {
  return `
issuers:
  - { issuer: '${idp.issuer}', audience: [chat-api], algorithms: [ES256], jwks_uri: '${idp.jwksUri}' }
user: claims.sub
workflows: { support: { id: wf_support } }
limits:
  mints_per_user: { max: 100000, seconds: 60 }
  live_sessions_per_user: { max: 100000 }
`
}

/** Each token is new, so none is cached. */
function badToken(at: number): string {
  const claims = claimsOf(idp.issuer, Date.now(), { sub: 'mallory', jti: crypto.randomUUID() })
  const kinds = [
    () => handMade({ alg: 'ES256', kid: 'good' }, claims, randomBytes(64)),
    () => forger.token(claims),
    () => good.token(claims, { kid: crypto.randomUUID() }),
    () => good.token({ ...claims, exp: 1_700_000_000 }),
    () => good.token({ ...claims, sub: undefined }),
    () => `${'x'.repeat(8000)}.${randomBytes(30).toString('base64url')}.y`,
  ]
  return kinds[at % kinds.length]?.() ?? ''
}

const mint = (clients: Clients, token: string) =>
  clients.call('/v1/sessions', { method: 'POST', token })

function goodUsers(clients: Clients): Load {
  const fresh = (sub: string) =>
    good.token(claimsOf(idp.issuer, Date.now(), { sub, jti: crypto.randomUUID() }))
  return startLoad(GOOD, (at) => mint(clients, fresh(`user-${at}`)), 10)
}

function startFlood(): Load {
  let number = 0
  return startLoad(FLOOD, () => mint(sameAddress, badToken(number++)), 0)
}

test('a flood of bad tokens: no good one is refused, wherever it comes from, or kept waiting', async () => {
  const begun = performance.now()
  const neighbours = goodUsers(sameAddress)
  const others = goodUsers(otherAddress)
  const quiet = (await Promise.all([neighbours.next(100), others.next(100)])).flat()
  const flood = startFlood()
  await flood.next(200)
  const beside = (await Promise.all([neighbours.next(150), others.next(150)])).flat()
  const tried = await flood.stop()
  const after = (await Promise.all([neighbours.next(50), others.next(50)])).flat()
  const served = [...(await neighbours.stop()), ...(await others.stop())]

  expect(kinds(served)).toEqual(new Set([200]))
  expect(kinds(tried)).toEqual(new Set(['invalid_token', 'token_expired', 'rate_limited']))
  // An expired token is not a guess: it has its own code, and is not counted.
  expect(tried.filter(({ code }) => code === 'invalid_token')).toHaveLength(60)
  expect(withoutRetryAfter(tried)).toEqual([])
  expect(upstream.api.sessions().filter(({ user }) => user === 'mallory')).toEqual([])
  // The upstream's time is in both, so that a busy machine makes less of a difference.
  const usual = Math.max(quantile(quiet, 0.5), quantile(after, 0.5))
  expect(quantile(beside, 0.5)).toBeLessThan(4 * usual)
  // Unknown key ids make us ask the identity provider, and no more than once in 5 s.
  const seconds = (performance.now() - begun) / 1000
  expect(idp.fetches.jwks).toBeLessThanOrEqual(2 + seconds / 5)
}, 40_000)
