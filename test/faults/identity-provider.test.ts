import { beforeEach, describe, expect, test } from 'vitest'
import { startScriptedUpstream } from '../support/chatkit/scripted-upstream.ts'
import { type Member, startMember } from '../support/fleet.ts'
import { startKeyServer } from '../support/key-server.ts'
import { HIGH_LIMITS } from '../support/running-service.ts'
import { forEachTest } from '../support/started.ts'
import { claimsOf, createSigner, type KeyPairSigner } from '../support/tokens.ts'
import { kinds, type Load, quantile, startLoad, withoutRetryAfter } from './calls.ts'
import { createJumpingClock, type JumpingClock } from './jumping-clock.ts'

// The identity provider answers no more, and changes its keys, while widgets mint. Other faults of it are with step 1.

const WIDGETS = 8
/** The contract's bound: no number of requests causes more fetches. */
const COOL_DOWN_SECONDS = 5

const old = createSigner('ES256', 'old')
const fresh = createSigner('ES256', 'fresh')

let clock: JumpingClock
let service: Member

const idp = forEachTest(() => startKeyServer([old.publicJwk]))
const upstream = forEachTest(() => startScriptedUpstream())
beforeEach(() => {
  clock = createJumpingClock()
})

async function start(): Promise<void> {
  const config = `
issuers:
  - { issuer: '${idp.issuer}', audience: [chat-api], algorithms: [ES256], jwks_uri: '${idp.jwksUri}' }
user: claims.sub
workflows: { support: { id: wf_support } }
${HIGH_LIMITS}
`
  const { nodeArguments } = clock
  service = await startMember({ config, upstream, nodeArguments })
}

/** Each with a token of its own, two days long, so that none is known from before. */
function mint(user: string, signer: KeyPairSigner) {
  const exp = Math.floor(Date.now() / 1000) + 2 * 86_400
  const claims = { sub: user, exp, iat: undefined, jti: crypto.randomUUID() }
  return service.mintAs(signer.token(claimsOf(idp.issuer, Date.now(), claims)))
}

function load(signer: KeyPairSigner | (() => KeyPairSigner)): Load {
  const current = typeof signer === 'function' ? signer : () => signer
  return startLoad(WIDGETS, (at) => mint(`user-${at}`, current()), 50)
}

const isReady = async () => (await service.statusOf('/readyz')) === 200

/** Each jump of the clock allows a fetch; so does the time that the test itself takes. */
function expectFetchesBounded(before: number, seconds: number): void {
  expect(idp.fetches.jwks - before).toBeLessThanOrEqual(2 + seconds / COOL_DOWN_SECONDS)
}

describe('down', () => {
  test('cold: 503 and never 401, alive but not ready, then served', async () => {
    idp.jwksBehaviour = { kind: 'hang' }
    await start()
    const widgets = load(old)
    const begun = performance.now()
    expect(kinds(await widgets.next(40))).toEqual(new Set(['idp_unavailable']))
    expect(withoutRetryAfter(widgets.answers)).toEqual([])
    expect(await service.statusOf('/readyz')).toBe(503)
    expect(await service.statusOf('/livez')).toBe(200)
    expect(upstream.seen).toEqual([])
    idp.jwksBehaviour = { kind: 'ok' }
    await clock.jump(service, COOL_DOWN_SECONDS)
    await expect.poll(isReady, { timeout: 10_000 }).toBe(true)
    expect(kinds(await widgets.next(40))).toEqual(new Set([200]))
    expect(kinds(await widgets.stop())).toEqual(new Set(['idp_unavailable', 200]))
    expectFetchesBounded(0, (performance.now() - begun + clock.ahead()) / 1000)
  })

  const JUMPS = [9, 3, 60, 20 * 60]
  test('warm: known keys serve for 24 h, and no answer waits', async () => {
    await start()
    const widgets = load(old)
    await widgets.next(WIDGETS)
    const well = widgets.answers.length
    const before = idp.fetches.jwks
    idp.jwksBehaviour = { kind: 'hang' }
    // To the age at which a set is refreshed in the background, then no longer fresh, then old.
    for (const minutes of JUMPS) {
      await clock.jump(service, minutes * 60)
      await widgets.next(4 * WIDGETS)
    }
    expect(kinds(widgets.answers)).toEqual(new Set([200]))
    const during = widgets.answers.slice(well)
    // At most one after each jump, however many ask.
    expect(idp.fetches.jwks - before).toBeLessThanOrEqual(JUMPS.length)
    expect(idp.fetches.jwks - before).toBeGreaterThan(0)
    expect(await isReady()).toBe(true)

    await clock.jump(service, 4 * 3600)
    await expect
      .poll(() => kinds(widgets.answers).has('idp_unavailable'), { timeout: 8000 })
      .toBe(true)
    expect(kinds(await widgets.stop())).toEqual(new Set([200, 'idp_unavailable']))
    expect(await isReady()).toBe(false)
    // One may wait for the first fetch that fails, and for no other.
    expect(quantile(during, 0.9)).toBeLessThan(1000)
  })
})

describe('new keys', () => {
  test('with overlap: no request fails', async () => {
    await start()
    let signer = old
    const widgets = load(() => signer)
    await widgets.next(WIDGETS)
    idp.keys = [old.publicJwk, fresh.publicJwk]
    // As long as providers publish a key before they sign with it, at least.
    await clock.jump(service, COOL_DOWN_SECONDS)
    signer = fresh
    await widgets.next(4 * WIDGETS)
    idp.keys = [fresh.publicJwk]
    await clock.jump(service, 11 * 60)
    await widgets.next(4 * WIDGETS)
    expect(kinds(await widgets.stop())).toEqual(new Set([200]))
    expect(idp.fetches.jwks).toBe(3)
    expect((await mint('late', old)).code).toBe('invalid_token')
  })

  test('hard: at most 5 s of 401, and the old ones are worth nothing', async () => {
    await start()
    let signer = old
    const widgets = load(() => signer)
    await widgets.next(WIDGETS)
    idp.keys = [fresh.publicJwk]
    signer = fresh
    const rotated = performance.now()
    const minted = async () => (await mint('first', fresh)).status
    await expect.poll(minted, { timeout: 10_000, interval: 50 }).toBe(200)
    expect(performance.now() - rotated).toBeLessThan(COOL_DOWN_SECONDS * 1000 + 1000)
    expect(kinds(await widgets.next(40))).toEqual(new Set([200]))
    expect(kinds(await widgets.stop())).toEqual(new Set([200, 'invalid_token']))
    expect(idp.fetches.jwks).toBe(2)
    expect((await mint('late', old)).code).toBe('invalid_token')
  })
})
