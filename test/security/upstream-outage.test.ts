import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type ScriptedUpstream,
  startScriptedUpstream,
} from '../support/chatkit/scripted-upstream.ts'
import { eventually } from '../support/eventually.ts'
import { type Running, startService, tokenFor } from '../support/running-service.ts'
import { answer, type Problem, refused, retryAfter } from './upstream-fixture.ts'

/** The rows of "Upstream" that pass: limits and outages, as a client of the service sees them. */

let upstream: ScriptedUpstream
let service: Running
beforeEach(async () => {
  upstream = await startScriptedUpstream()
  service = await startService({ env: { OPENAI_BASE_URL: upstream.url } })
})
afterEach(async () => {
  await service.close()
  await upstream.close()
})

const mint = () => service.mint(tokenFor('alice'))

describe('a limit', () => {
  test('Retry-After: 1 is waited for, once, and the mint succeeds', async () => {
    upstream.creates = [retryAfter(429, '1'), { kind: 'ok' }]
    expect((await mint()).status).toBe(200)
    const [first, second, ...more] = upstream.creations()
    expect(more).toEqual([])
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(990)
  })

  test('a second 429 is passed on', async () => {
    upstream.creates = [retryAfter(429, '0'), retryAfter(429, '17')]
    expect(await refused(service, mint())).toEqual(limited('17'))
    expect(upstream.seen).toHaveLength(2)
  })

  const limited = (retryAfter: string): Problem => ({
    status: 503,
    code: 'upstream_rate_limited',
    retryAfter,
  })
  test.each([
    ['120', '120'],
    ['121', '120'],
    ['86400', '120'],
    ['8', '8'],
    ['soon', '5'],
    ['-1', '5'],
    ['1.5', '5'],
    ['1e3', '5'],
    ['99999999999999999999', '5'],
    ['Sunday', '5'],
  ])('Retry-After: %s is handed on as %s, without a retry', async (asked, handedOn) => {
    upstream.creates = [retryAfter(429, asked), { kind: 'ok' }]
    expect(await refused(service, mint())).toEqual(limited(handedOn))
    expect(upstream.seen).toHaveLength(1)
  })

  test('an HTTP date far ahead is handed on in seconds; one that is over is no wait', async () => {
    upstream.creates = [retryAfter(429, new Date(Date.now() + 60_000).toUTCString())]
    const { retryAfter: seconds, ...problem } = await refused(service, mint())
    expect(problem).toMatchObject({ status: 503, code: 'upstream_rate_limited' })
    expect(Number(seconds)).toBeGreaterThan(55)
    expect(Number(seconds)).toBeLessThanOrEqual(60)
    expect(upstream.seen).toHaveLength(1)
    upstream.creates = [retryAfter(429, 'Sun, 06 Nov 1994 08:49:37 GMT'), { kind: 'ok' }]
    expect((await mint()).status).toBe(200)
    expect(upstream.seen).toHaveLength(3)
  })
})

describe('an outage', () => {
  const unavailable = { status: 503, code: 'upstream_unavailable' }
  test.each([500, 502, 503, 504, 529])('%i: one retry, then 503', async (status) => {
    upstream.creates = [answer(status)]
    const { retryAfter: seconds, ...problem } = await refused(service, mint())
    expect(problem).toEqual(unavailable)
    expect(Number(seconds)).toBeGreaterThanOrEqual(1)
    expect(Number(seconds)).toBeLessThanOrEqual(120)
    expect(upstream.seen).toHaveLength(2)
    upstream.creates = [answer(status), { kind: 'ok' }]
    expect((await mint()).status).toBe(200)
    expect(upstream.seen).toHaveLength(4)
  })

  test('reset before an answer: one retry, then 503', async () => {
    upstream.creates = [{ kind: 'reset' }]
    expect(await refused(service, mint())).toMatchObject(unavailable)
    expect(upstream.seen).toHaveLength(2)
    upstream.creates = [{ kind: 'reset' }, { kind: 'ok' }]
    expect((await mint()).status).toBe(200)
    expect(upstream.seen).toHaveLength(4)
  })

  test('refused: 503; back within the retry: 200', async () => {
    const port = Number(new URL(upstream.url).port)
    await upstream.close()
    const problem = await refused(service, mint())
    expect(problem).toMatchObject(unavailable)
    expect(service.log.findLast(({ msg }) => msg === 'request')).toMatchObject({
      upstream: { operation: 'create_session', attempts: 2 },
    })
    const late = mint()
    await setTimeout(30)
    upstream = await startScriptedUpstream(port)
    expect((await late).status).toBe(200)
    expect(upstream.seen).toHaveLength(1)
  })

  test('a connection that the upstream closed between requests does not surface', async () => {
    expect((await mint()).status).toBe(200)
    expect(upstream.connections()).toBe(1)
    upstream.onRequest = (seen) => {
      if (seen.connection === 1) upstream.creates = [{ kind: 'reset' }]
      else upstream.creates = [{ kind: 'ok' }]
    }
    expect((await mint()).status).toBe(200)
    expect(upstream.creations().map(({ connection }) => connection)).toEqual([1, 1, 2])
  })
})

/** Milliseconds of the tenth shortest of 51 calls, one after the other: the neighbours of a test slow many. */
async function durationOf(call: () => Promise<void>): Promise<number> {
  const took: number[] = []
  for (let number = 0; number < 51; number++) {
    const started = performance.now()
    await call()
    took.push(performance.now() - started)
  }
  return took.sort((a, b) => a - b)[10] ?? Number.NaN
}

describe('an outage under load', () => {
  const statuses = (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const response = await mint()
        await response.text()
        return response.status
      }),
    )

  test('opens the breaker, answers fast without a call, and is over within 5 s of the cure', async () => {
    upstream.creates = [answer(503)]
    await statuses(20)
    const asked = upstream.seen.length
    expect(asked).toBe(40)
    const withoutCall = await durationOf(async () => {
      expect(await refused(service, mint())).toEqual({
        status: 503,
        code: 'upstream_unavailable',
        retryAfter: '2',
      })
    })
    expect(upstream.seen).toHaveLength(asked)
    upstream.creates = [{ kind: 'ok' }]
    const cured = performance.now()
    await vi.waitFor(async () => expect((await mint()).status).toBe(200), 8000)
    expect(performance.now() - cured).toBeLessThan(5000)
    expect(new Set(await statuses(20))).toEqual(new Set([200]))
    const withCall = await durationOf(async () => expect((await mint()).status).toBe(200))
    expect(withoutCall).toBeLessThan(10 * withCall)
  })

  test('does not keep a user from signing out', async () => {
    expect((await mint()).status).toBe(200)
    upstream.creates = [answer(503)]
    await statuses(20)
    const headers = { authorization: `Bearer ${tokenFor('alice')}` }
    const response = await fetch(`${service.url}/v1/sessions`, { method: 'DELETE', headers })
    expect(response.status).toBe(204)
    await eventually(() => expect(upstream.cancellations()).toHaveLength(1))
  })
})

describe('a cancel', () => {
  const signOut = async () => {
    const headers = { authorization: `Bearer ${tokenFor('alice')}` }
    return (await fetch(`${service.url}/v1/sessions`, { method: 'DELETE', headers })).status
  }

  test.each([404, 410])('answered %i counts as gone: nobody asks again', async (status) => {
    await mint()
    upstream.cancels = [answer(status)]
    expect(await signOut()).toBe(204)
    await setTimeout(3500)
    expect(upstream.cancellations()).toHaveLength(1)
  })

  test('answered 500 three times is tried until it is confirmed, the second time within 2 s', async () => {
    await mint()
    upstream.cancels = [answer(500), answer(500), answer(500), { kind: 'ok' }]
    expect(await signOut()).toBe(204)
    await vi.waitFor(() => expect(upstream.cancellations()).toHaveLength(4), 15_000)
    const at = upstream.cancellations().map((seen) => seen.at)
    const gaps = at.slice(1).map((time, index) => time - (at[index] ?? 0))
    expect(gaps[0]).toBeLessThan(2_400)
    expect(Math.max(...gaps)).toBeLessThan(5_500)
    await setTimeout(1000)
    expect(upstream.cancellations()).toHaveLength(4)
  })
})
