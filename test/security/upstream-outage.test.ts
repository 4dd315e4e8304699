import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type ScriptedUpstream,
  startScriptedUpstream,
} from '../support/chatkit/scripted-upstream.ts'
import { startService, tokenFor } from '../support/running-service.ts'
import { forEachTest } from '../support/started.ts'
import { answer, type Problem, refused, retryAfter } from './upstream-fixture.ts'

/** The rows of "Upstream" that pass: limits and outages, as a client of the service sees them. */

let upstream: ScriptedUpstream
beforeEach(async () => {
  upstream = await startScriptedUpstream()
})
afterEach(() => upstream.close())
const service = forEachTest(() => startService({ env: { OPENAI_BASE_URL: upstream.url } }))

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
    ['8', '8'],
    ['soon', '5'],
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
  test.each([500, 502, 503, 504, 529])('with %i gets one retry, then 503', async (status) => {
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

  test('with connections reset before an answer gets one retry, then 503', async () => {
    upstream.creates = [{ kind: 'reset' }]
    expect(await refused(service, mint())).toMatchObject(unavailable)
    expect(upstream.seen).toHaveLength(2)
    upstream.creates = [{ kind: 'reset' }, { kind: 'ok' }]
    expect((await mint()).status).toBe(200)
    expect(upstream.seen).toHaveLength(4)
  })

  test('with refused connections is 503, or 200 when it ends within the retry', async () => {
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
})
