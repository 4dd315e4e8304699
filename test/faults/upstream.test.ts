import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type ScriptedUpstream,
  startScriptedUpstream,
} from '../support/chatkit/scripted-upstream.ts'
import { startMember } from '../support/fleet.ts'
import type { Seen } from '../support/network/clients.ts'
import { forEachTest } from '../support/started.ts'
import { kinds, type Load, quantile, startLoad, withoutRetryAfter } from './calls.ts'

// The ChatKit API goes away, crawls, and comes and goes, while widgets mint and an admin revokes.

const WIDGETS = 12
const CURED_WITHIN_MS = 5_000
/** At least: a refusal that asked the upstream has paused before its retry. */
const RETRY_TAKES_MS = 100

let upstream: ScriptedUpstream

beforeEach(async () => {
  upstream = await startScriptedUpstream()
})
const service = forEachTest(() => startMember({ upstream }))
afterEach(() => upstream.close())

const failing = { kind: 'answer', status: 503 } as const
const unavailable = new Set(['upstream_unavailable'])

function load(count = WIDGETS): Load {
  return startLoad(count, (at) => service.mint(`user-${at}`), 30)
}

async function holding(user: string, sessions: number): Promise<void> {
  for (let at = 0; at < sessions; at++) expect((await service.mint(user)).status).toBe(200)
}

/** Waits until widgets are answered and the upstream is not asked. */
async function untilOpen(widgets: Load): Promise<void> {
  await vi.waitFor(
    async () => {
      const asked = upstream.creations().length
      await widgets.next(20)
      expect(upstream.creations().length).toBe(asked)
    },
    { timeout: 12_000, interval: 10 },
  )
}

/** From now until a mint succeeds. */
async function untilMinted(): Promise<number> {
  const cured = performance.now()
  const minted = async () => (await service.mint('first-back')).status
  await expect.poll(minted, { timeout: 10_000, interval: 50 }).toBe(200)
  return performance.now() - cured
}

async function expectServing(): Promise<void> {
  expect(await service.statusOf('/livez')).toBe(200)
  expect(await service.statusOf('/readyz')).toBe(200)
}

function expectRefusals(answers: readonly Seen[], codes: ReadonlySet<string>): void {
  expect(answers.length).toBeGreaterThan(0)
  expect(kinds(answers)).toEqual(codes)
  expect(withoutRetryAfter(answers)).toEqual([])
}

test('down: clear answers, quick ones soon; a revoke holds, and its cancels follow the return', async () => {
  await holding('mallory', 3)
  const widgets = load()
  await widgets.next(WIDGETS)
  const port = Number(new URL(upstream.url).port)
  await upstream.close()
  const down = performance.now()
  // Nothing listens, so calls cannot be counted: an answer without the wait for a retry shows the open breaker.
  await vi.waitFor(
    () => expect(service.log().some(({ reason }) => reason === 'the breaker is open')).toBe(true),
    10_000,
  )
  const quick = await widgets.next(100)
  expectRefusals(widgets.between(down, performance.now()), unavailable)
  expect(quantile(quick, 0.5)).toBeLessThan(RETRY_TAKES_MS)
  await expectServing()

  const revoked = await service.revoke('mallory', 3600)
  expect(revoked.status).toBe(200)
  expect(revoked.body).toMatchObject({ cancelled: [], cancelling: { length: 3 } })
  upstream = await restarted(port)
  expect(await untilMinted()).toBeLessThan(CURED_WITHIN_MS)
  await vi.waitFor(() => expect(cancelledIds()).toEqual(new Set(revoked.body.cancelling)), 12_000)
  expect((await service.mint('mallory')).code).toBe('user_blocked')
  expect(kinds(await widgets.next(50))).toEqual(new Set([200]))
})

/** Keeps the requests that it has seen, because the ids of sessions are counted by them. */
async function restarted(port: number): Promise<ScriptedUpstream> {
  const again = await startScriptedUpstream(port)
  again.seen.push(...upstream.seen)
  return again
}

const cancelledIds = () =>
  new Set(upstream.cancellations().map(({ path }) => path.split('/').at(-2)))

test('slow: 504 at the deadline, then quick refusals; revokes go their own way all along', async () => {
  await holding('mallory', 3)
  await holding('trudy', 3)
  upstream.creates = [{ kind: 'hang' }]
  const crawling = performance.now()
  const widgets = load(40)
  await vi.waitFor(() => expect(upstream.creations().length).toBeGreaterThan(40), 5_000)
  expect((await service.revoke('mallory', 3600)).body).toMatchObject({
    cancelled: { length: 3 },
    cancelling: [],
  })
  await untilOpen(widgets)
  // Refusals by the open breaker can overtake the last of the mints that hang.
  const begunAtOnce = () => widgets.answers.filter(({ begun }) => begun < crawling + 4_000)
  await vi.waitFor(() => expect(begunAtOnce()).toHaveLength(40), 5_000)
  const first = begunAtOnce()
  expect(kinds(first)).toEqual(new Set(['upstream_timeout']))
  expect(new Set(first.map(({ status }) => status))).toEqual(new Set([504]))
  expect(Math.min(...first.map(({ ended }) => ended)) - crawling).toBeGreaterThan(7_900)
  expect((await service.revoke('trudy', 3600)).body.cancelled).toHaveLength(3)
  await expectServing()

  upstream.creates = [{ kind: 'ok' }]
  expect(await untilMinted()).toBeLessThan(CURED_WITHIN_MS)
  expect(kinds(await widgets.next(50))).toEqual(new Set([200]))
})

describe('flapping', () => {
  test('opens at each fault, answers quickly, closes after each cure; revokes do not notice', async () => {
    const widgets = load()
    for (const round of [1, 2]) {
      await holding(`mallory-${round}`, 2)
      await widgets.next(WIDGETS)
      upstream.creates = [failing]
      await untilOpen(widgets)
      const quick = await widgets.next(100)
      expectRefusals(quick, unavailable)
      expect(quantile(quick, 0.5)).toBeLessThan(RETRY_TAKES_MS)
      const revoked = await service.revoke(`mallory-${round}`, 3600)
      expect(revoked.body).toMatchObject({ cancelled: { length: 2 }, cancelling: [] })
      await expectServing()

      upstream.creates = [{ kind: 'ok' }]
      expect(await untilMinted()).toBeLessThan(CURED_WITHIN_MS)
      expect(kinds(await widgets.next(50))).toEqual(new Set([200]))
    }
    expect(kinds(await widgets.stop())).toEqual(new Set([200, 'upstream_unavailable']))
  })

  test('of the cancels alone: no mint is refused, and every cancel is done later', async () => {
    const users = Array.from({ length: 12 }, (_, at) => `leaver-${at}`)
    for (const user of users) await holding(user, 2)
    upstream.cancels = [failing]
    const revoked = await Promise.all(users.map((user) => service.revoke(user, 3600)))
    expect(new Set(revoked.map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(revoked.map(({ body }) => body.cancelling.length))).toEqual(new Set([2]))
    const widgets = load()
    await widgets.next(100)
    expect(kinds(await widgets.stop())).toEqual(new Set([200]))

    upstream.seen.length = 0
    upstream.cancels = [{ kind: 'ok' }]
    const owed = new Set(revoked.flatMap(({ body }) => body.cancelling))
    expect(owed.size).toBe(2 * users.length)
    await vi.waitFor(() => expect(cancelledIds()).toEqual(owed), 12_000)
    for (const user of users) expect((await service.mint(user)).code).toBe('user_blocked')
  })
})
