import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import {
  ADMIN_CONFIG,
  ADMINS,
  askAdmin,
  callAdmin,
  type RevokeSeen,
  revoke,
  secretOf,
  sessionsOf,
  signOut,
  upstreamStatus,
} from '../../support/admin-calls.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { serviceOnSqlite } from '../../support/registry/each-store.ts'
import { DEFAULT_CONFIG, ISSUER, startService, tokenFor } from '../../support/running-service.ts'

// The guarantee of a revoke: whatever the widget does meanwhile, it is left without a valid secret.

const running = serviceOnSqlite(ADMIN_CONFIG)

const creates = () =>
  running.upstream.requests().filter(({ path }) => path === '/v1/chatkit/sessions')
const upstreamOf = (user: string) =>
  running.upstream.sessions().filter((session) => session.user === user)

/** Begins a mint, and runs `act` when the upstream has made the session but not answered yet. */
async function mintMeanwhile(user: string, act: () => Promise<unknown>): Promise<Response> {
  // Longer than `act` takes on a busy machine.
  running.upstream.setFaults({ latency_ms: 1000, times: 1 })
  const response = running.mint(tokenFor(user))
  await expect.poll(() => creates().length).toBe(1)
  await act()
  return response
}

test.each<[string, (user: string) => Promise<unknown>]>([
  ['a revoke with a block', (user) => revoke(running, user, { block_seconds: 60 })],
  ['a revoke without one', (user) => revoke(running, user)],
  [
    'a revoke by subject',
    (subject) => askAdmin(running, 'POST /revoke', { issuer: ISSUER, subject }),
  ],
  ['a sign-out', (user) => signOut(running, tokenFor(user))],
])('a mint under way fails after %s, and its session ends upstream', async (name, act) => {
  const user = `racing ${name}`
  const response = await mintMeanwhile(user, () => act(user))
  expectProblem(await answerOf(response), 403, 'user_blocked')
  await expect.poll(() => upstreamOf(user).map(({ status }) => status)).toEqual(['cancelled'])
  expect(await sessionsOf(running, user)).toEqual([])
  // The service does not retry by itself.
  expect(creates()).toHaveLength(1)
})

test('no secret works after many mints and a revoke at the same time have all answered', async () => {
  running.upstream.setFaults({ latency_ms: 20 })
  const mints = Array.from({ length: 60 }, async (_, n) => {
    await sleep(n * 2)
    const response = await running.mint(tokenFor('storm'))
    const body: { client_secret?: string; code?: string } = JSON.parse(await response.text())
    return { status: response.status, ...body }
  })
  await sleep(50)
  await revoke(running, 'storm', { block_seconds: 60 })
  const answers = await Promise.all(mints)
  for (const { status, code } of answers) {
    if (status !== 200) expect([status, code]).toEqual([403, 'user_blocked'])
  }
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 403]))
  await expect
    .poll(() => upstreamOf('storm').filter(({ status }) => status === 'active'))
    .toEqual([])
})

describe('when OpenAI does not confirm', () => {
  test.each([
    ['500', { status: 500 }],
    ['429', { status: 429 }],
    ['401, our key', { status: 401 }],
    ['a redirect', { status: 302 }],
  ] as const)(
    '%s: 202 cancelling, then tried again until it is cancelled',
    async (name, faults) => {
      const user = `unconfirmed ${name}`
      const secret = await secretOf(running, user)
      const [session] = await sessionsOf(running, user)
      running.upstream.setFaults(faults)
      const answer = await callAdmin(running, `POST /sessions/${session?.id}/cancel`)
      expect([answer.status, answer.json()]).toEqual([202, { ...session, status: 'cancelling' }])
      expect((await sessionsOf(running, user)).map(({ status }) => status)).toEqual(['cancelling'])
      expect(upstreamStatus(running, secret)).toBe('active')
      running.upstream.setFaults({})
      await expect.poll(() => upstreamStatus(running, secret), { timeout: 4000 }).toBe('cancelled')
      await expect
        .poll(async () => (await sessionsOf(running, user))[0]?.status, { timeout: 2000 })
        .toBe('cancelled')
      const after = await callAdmin(running, `POST /sessions/${session?.id}/cancel`)
      expect([after.status, after.json()['status']]).toEqual([200, 'cancelled'])
    },
  )

  test('a revoke names the sessions by id, and the block holds meanwhile', async () => {
    await secretOf(running, 'unconfirmed')
    const [session] = await sessionsOf(running, 'unconfirmed')
    running.upstream.setFaults({ status: 500 })
    const answer = await revoke(running, 'unconfirmed', { block_seconds: 60 })
    expect(answer).toMatchObject({ cancelled: [], cancelling: [session?.id] })
    running.upstream.clearRequests()
    expectProblem(await answerOf(await running.mint(tokenFor('unconfirmed'))), 403, 'user_blocked')
    expect(creates()).toEqual([])
    // A repeated revoke still names the session as long as it is unconfirmed.
    const again = await revoke(running, 'unconfirmed')
    expect(again).toMatchObject({ cancelled: [], cancelling: [session?.id] })
  })
})

test('a user mapped from other claims is revoked by subject once there was a session, and is 404 before', async () => {
  const config = `${DEFAULT_CONFIG.replace('user: claims.sub', 'user: claims.email')}\n${ADMINS}\n`
  const running = await startService({ config })
  const body = { issuer: ISSUER, subject: 'alice', block_seconds: 60 }
  expectProblem(await callAdmin(running, 'POST /revoke', { body }), 404, 'not_found')
  const first = await secretOf(running, 'alice', { email: 'alice@old.example' })
  const second = await secretOf(running, 'alice', { email: 'alice@new.example' })
  const other = await secretOf(running, 'bob', { email: 'bob@acme.example' })
  const answer = await askAdmin<RevokeSeen>(running, 'POST /revoke', body)
  expect(answer.cancelled).toHaveLength(2)
  expect([first, second, other].map((secret) => upstreamStatus(running, secret))).toEqual([
    'cancelled',
    'cancelled',
    'active',
  ])
  for (const email of ['alice@old.example', 'alice@new.example']) {
    const refused = await running.mint(tokenFor('alice', { email }))
    expect(refused.status).toBe(403)
  }
})
