import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../../src/lib/errors.ts'
import {
  ADMIN_CONFIG,
  callAdmin,
  expectRefusedMint,
  mintWith,
  revoke,
  secretOf,
  sessionsOf,
  signOut,
  upstreamStatus,
} from '../../support/admin-calls.ts'
import { leaksIn } from '../../support/leaks.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { serviceOnSqlite } from '../../support/registry/each-store.ts'
import { tokenFor } from '../../support/running-service.ts'

describe('current_client_secret', () => {
  const running = serviceOnSqlite(ADMIN_CONFIG)

  async function refresh(user: string, current: unknown): Promise<string> {
    const response = await mintWith(running, tokenFor(user), { current_client_secret: current })
    expect(response.status).toBe(200)
    return JSON.parse(await response.text()).client_secret
  }

  test('a live secret of the same user: its session ends once the new one is minted', async () => {
    const first = await secretOf(running, 'alice')
    const beside = await secretOf(running, 'alice')
    const second = await refresh('alice', first)
    expect(second).not.toBe(first)
    await expect.poll(() => upstreamStatus(running, first)).toBe('cancelled')
    expect(upstreamStatus(running, second)).toBe('active')
    expect(upstreamStatus(running, beside)).toBe('active')
    await expect
      .poll(async () => (await sessionsOf(running, 'alice')).map(({ status }) => status))
      .toEqual(['active', 'active', 'cancelled'])
  })

  test('the same one twice at once: both get a session, and it ends', async () => {
    const first = await secretOf(running, 'twice')
    await Promise.all([refresh('twice', first), refresh('twice', first)])
    await expect.poll(() => upstreamStatus(running, first)).toBe('cancelled')
  })

  test('another user’s secret changes nothing, and says nothing', async () => {
    const theirs = await secretOf(running, 'victim')
    await refresh('mallory', theirs)
    await refresh('mallory', theirs)
    expect(upstreamStatus(running, theirs)).toBe('active')
    expect((await sessionsOf(running, 'victim')).map(({ status }) => status)).toEqual(['active'])
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['empty', ''],
    ['unknown', 'ek_unknown'],
    ['a wildcard', '*'],
    ['a name that objects have', '__proto__'],
    ['a hash of itself', 'a'.repeat(64)],
    ['10 KB', 'e'.repeat(10_000)],
    ['NUL and a lone surrogate', '\u0000\ud800'],
  ])('%s changes nothing', async (name, current) => {
    const secret = await secretOf(running, `anything ${name}`)
    await refresh(`anything ${name}`, current)
    expect(upstreamStatus(running, secret)).toBe('active')
  })

  test.each<[unknown]>([[7], [['ek_1']], [{ secret: 'ek_1' }], [true]])(
    '%j is no secret: 400, nothing asked upstream',
    async (current) => {
      const body = { current_client_secret: current }
      await expectRefusedMint(running, tokenFor(), [400, 'invalid_request'], body)
    },
  )

  test('a secret whose session was revoked, signed out or cancelled does not stop the refresh', async () => {
    const revoked = await secretOf(running, 'ended')
    await revoke(running, 'ended')
    const signedOut = await refresh('ended', revoked)
    await signOut(running, tokenFor('ended'))
    const cancelled = await refresh('ended', signedOut)
    const [session] = await sessionsOf(running, 'ended')
    await callAdmin(running, `POST /sessions/${session?.id}/cancel`)
    const last = await refresh('ended', cancelled)
    expect(upstreamStatus(running, last)).toBe('active')
  })

  test.each<[string, { status: number; body?: Record<string, never> }, number, ErrorCode]>([
    ['upstream refuses', { status: 400 }, 502, 'upstream_rejected'],
    ['upstream is down', { status: 500 }, 503, 'upstream_unavailable'],
    ['the answer is no session', { status: 200, body: {} }, 502, 'upstream_invalid_response'],
  ])('when the new one is not minted (%s), the old one stays', async (...row) => {
    const [name, faults, status, code] = row
    const first = await secretOf(running, `stays ${name}`)
    running.upstream.setFaults(faults)
    const body = { current_client_secret: first }
    const answer = await answerOf(await mintWith(running, tokenFor(`stays ${name}`), body))
    expectProblem(answer, status, code)
    running.upstream.setFaults({})
    expect(upstreamStatus(running, first)).toBe('active')
    expect((await sessionsOf(running, `stays ${name}`))[0]?.status).toBe('active')
  })

  test('a new secret is in no answer but the one that gave it, in no log line, and goes nowhere upstream', async () => {
    const first = await secretOf(running, 'silent')
    running.upstream.clearRequests()
    const second = await refresh('silent', first)
    const unknown = 'ek_never-issued-but-quite-as-secret'
    await refresh('silent', unknown)
    const entries = await callAdmin(running, 'GET /audit?user=silent')
    const list = await callAdmin(running, 'GET /sessions?user=silent')
    const sent = JSON.stringify(running.upstream.requests())
    const planted = [first, second, unknown].map((value) => ({ what: 'a client secret', value }))
    expect(leaksIn([running.logText(), entries.body, list.body, sent].join('\n'), planted)).toEqual(
      [],
    )
  })
})
