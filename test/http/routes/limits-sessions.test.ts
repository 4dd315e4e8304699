import { expect, test } from 'vitest'
import {
  ADMINS,
  expectRefusedMint,
  mintWith,
  secretOf,
  sessionsOf,
  upstreamStatus,
} from '../../support/admin-calls.ts'
import { stoppedClock } from '../../support/issuer-settings.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { onSqlite } from '../../support/registry/each-store.ts'
import {
  DEFAULT_CONFIG,
  HIGH_LIMITS,
  type Running,
  startService,
  tokenFor,
} from '../../support/running-service.ts'

let running: Running

const config = (cap: string) => {
  const limits = `limits: { mints_per_user: { max: 1000 }, live_sessions_per_user: ${cap} }`
  return `${DEFAULT_CONFIG.replace(HIGH_LIMITS, limits)}\n${ADMINS}\n`
}
const refresh = (current: string) => ({ current_client_secret: current })

test('evict_oldest: the oldest session ends upstream, and its refresh is refused', async () => {
  running = await startService({ config: config('{ max: 2 }'), env: onSqlite() })
  const first = await secretOf(running, 'alice')
  const second = await secretOf(running, 'alice')
  const other = await secretOf(running, 'bob')
  const third = await secretOf(running, 'alice')
  await expect.poll(() => upstreamStatus(running, first)).toBe('cancelled')
  const others = [second, third, other].map((secret) => upstreamStatus(running, secret))
  expect(others).toEqual(['active', 'active', 'active'])
  expect((await sessionsOf(running, 'alice')).map(({ status }) => status)).toEqual([
    'active',
    'active',
    'cancelled',
  ])

  // Otherwise two tabs would evict each other for ever. The evicted one gets 429 at each try.
  for (let tries = 0; tries < 3; tries++) {
    const token = tokenFor('alice')
    await expectRefusedMint(running, token, [429, 'session_limit'], refresh(first))
  }
  expect(upstreamStatus(running, second)).toBe('active')
  // The tabs that have a session refresh it, and evict nobody.
  const response = await mintWith(running, tokenFor('alice'), refresh(third))
  expect(response.status).toBe(200)
  expect(upstreamStatus(running, second)).toBe('active')
  await expect.poll(() => upstreamStatus(running, third)).toBe('cancelled')
  // Someone else's evicted secret changes nothing.
  expect((await mintWith(running, tokenFor('bob'), refresh(first))).status).toBe(200)
})

test('deny: 429 session_limit, nothing asked upstream, until one has ended', async () => {
  const clock = stoppedClock(Date.now())
  running = await startService({
    config: config('{ max: 2, when_full: deny }'),
    env: onSqlite(),
    now: clock.now,
  })
  const claims = { exp: Math.floor(clock.now() / 1000) + 7200 }
  const token = tokenFor('dora', claims)
  const first = await secretOf(running, 'dora')
  const second = await secretOf(running, 'dora')
  const refused = await expectRefusedMint(running, token, [429, 'session_limit'])
  expect(refused.headers['retry-after']).toMatch(/^\d+$/)
  expect((await running.mint(tokenFor('erin'))).status).toBe(200)
  // A refresh replaces its own session, so it fits under the cap.
  const third = await answerOf(await mintWith(running, token, refresh(first)))
  expect(third.status).toBe(200)
  await expect.poll(() => upstreamStatus(running, first)).toBe('cancelled')
  // A secret that is no live secret of this user frees nothing under the cap.
  for (const secret of [first, 'ek_of_nobody', await secretOf(running, 'frank')]) {
    await expectRefusedMint(running, token, [429, 'session_limit'], refresh(secret))
  }
  expect(upstreamStatus(running, second)).toBe('active')
  clock.advance(601)
  expect((await running.mint(token)).status).toBe(200)
})

test('deny: the refresh of an expired session evicts nobody', async () => {
  const clock = stoppedClock(Date.now())
  running = await startService({
    config: config('{ max: 1, when_full: deny }'),
    env: onSqlite(),
    now: clock.now,
  })
  const token = tokenFor('gina')
  const expired = await secretOf(running, 'gina')
  clock.advance(601)
  await secretOf(running, 'gina')
  await expectRefusedMint(running, token, [429, 'session_limit'], refresh(expired))
})

test('30 at once with deny: exactly max get a secret, the rest 429, and no session is left over', async () => {
  running = await startService({ config: config('{ max: 4, when_full: deny }') })
  const answers = await Promise.all(
    Array.from({ length: 30 }, async () => answerOf(await running.mint())),
  )
  const refused = answers.filter(({ status }) => status !== 200)
  for (const answer of refused) expectProblem(answer, 429, 'session_limit')
  expect(refused).toHaveLength(26)
  const active = () => running.upstream.sessions().filter(({ status }) => status === 'active')
  await expect.poll(() => active().length).toBe(4)
})

test('the default cap is 20, the oldest goes', async () => {
  running = await startService({ config: config('{}') })
  const secrets: string[] = []
  for (let n = 0; n < 21; n++) secrets.push(await secretOf(running, 'alice'))
  const status = () => secrets.map((secret) => upstreamStatus(running, secret))
  await expect.poll(status).toEqual(['cancelled', ...Array(20).fill('active')])
})
