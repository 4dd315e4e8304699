import { expect, test } from 'vitest'
import { ADMINS, expectRefusedMint, mintWith, revoke, signOut } from '../../support/admin-calls.ts'
import { stoppedClock } from '../../support/issuer-settings.ts'
import { answerOf } from '../../support/problem-answer.ts'
import { onSqlite } from '../../support/registry/each-store.ts'
import {
  DEFAULT_CONFIG,
  HIGH_LIMITS,
  type Running,
  startService,
  tokenFor,
} from '../../support/running-service.ts'

const config = (limits: string) => DEFAULT_CONFIG.replace(HIGH_LIMITS, limits)

let running: Running

test('allows max mints per window, then 429 until the window ends, and every answer says how many are left', async () => {
  const clock = stoppedClock(Date.now())
  const limits = config('limits: { mints_per_user: { max: 3, seconds: 60 } }')
  running = await startService({ config: limits, env: onSqlite(), now: clock.now })
  const standing: (string | undefined)[] = []
  for (let n = 0; n < 3; n++) {
    const { status, headers } = await answerOf(await running.mint(tokenFor('alice')))
    expect([status, headers['ratelimit-policy']]).toEqual([200, '"mints";q=3;w=60'])
    standing.push(headers['ratelimit'])
    clock.advance(10)
  }
  expect(standing).toEqual(['"mints";r=2;t=60', '"mints";r=1;t=50', '"mints";r=0;t=40'])

  const refused = await expectRefusedMint(running, tokenFor('alice'), [429, 'rate_limited'])
  expect(refused.headers).toMatchObject({
    'ratelimit-policy': '"mints";q=3;w=60',
    ratelimit: '"mints";r=0;t=30',
    'retry-after': '30',
  })
  // Other users are not affected.
  expect((await running.mint(tokenFor('bob'))).status).toBe(200)
  clock.advance(29)
  const late = await expectRefusedMint(running, tokenFor('alice'), [429, 'rate_limited'])
  expect(late.headers['retry-after']).toBe('1')
  clock.advance(1)
  expect((await running.mint(tokenFor('alice'))).status).toBe(200)
})

test('refused mints count, those that are judged before the limit do not', async () => {
  running = await startService({ config: config('limits: { mints_per_user: { max: 3 } }') })
  for (let n = 0; n < 5; n++) {
    const evil = await running.mint(tokenFor(), { headers: { origin: 'https://evil.example' } })
    expect(evil.status).toBe(403)
    expect(evil.headers.has('ratelimit')).toBe(false)
    expect((await running.mint('a.b.c')).status).toBe(401)
  }
  expect((await mintWith(running, tokenFor(), { x: 1 })).status).toBe(400)
  expect((await mintWith(running, tokenFor(), { workflow: 'none' })).status).toBe(403)
  running.upstream.setFaults({ status: 400, times: 1 })
  expect((await running.mint()).status).toBe(502)
  await expectRefusedMint(running, tokenFor(), [429, 'rate_limited'])
  // The limit is judged before the body.
  await expectRefusedMint(running, tokenFor(), [429, 'rate_limited'], { x: 1 })
})

test('60 at once: exactly max of them mint', async () => {
  running = await startService({ config: config('limits: { mints_per_user: { max: 7 } }') })
  const answers = await Promise.all(Array.from({ length: 60 }, () => running.mint()))
  const statuses = answers.map(({ status }) => status)
  expect(statuses.filter((status) => status === 200)).toHaveLength(7)
  expect(statuses.filter((status) => status === 429)).toHaveLength(53)
  expect(running.upstream.requests()).toHaveLength(7)
})

test('the default is 10 in 60 s', async () => {
  running = await startService({ config: config('') })
  for (let n = 9; n >= 0; n--) {
    const { status, headers } = await running.mint()
    expect([status, headers.get('ratelimit')]).toEqual([
      200,
      expect.stringMatching(new RegExp(`^"mints";r=${n};t=(?:60|59)$`)),
    ])
    expect(headers.get('ratelimit-policy')).toBe('"mints";q=10;w=60')
  }
  await expectRefusedMint(running, tokenFor(), [429, 'rate_limited'])
})

test('users are told apart by what they map to, not by their tokens', async () => {
  running = await startService({ config: config('limits: { mints_per_user: { max: 1 } }') })
  expect((await running.mint(tokenFor('alice', { jti: '1' }))).status).toBe(200)
  expect((await running.mint(tokenFor('alice', { jti: '2' }))).status).toBe(429)
  expect((await running.mint(tokenFor('Alice'))).status).toBe(200)
})

test('a sign-out is not limited, and says nothing of limits', async () => {
  running = await startService({ config: config('limits: { mints_per_user: { max: 1 } }') })
  await running.mint()
  for (let n = 0; n < 3; n++) {
    const answer = await signOut(running, tokenFor())
    expect(answer.status).toBe(204)
    expect(answer.headers.has('ratelimit')).toBe(false)
  }
})

test('a rate limit is judged before body, workflow and block, for a blocked user too', async () => {
  const limits = config('limits: { mints_per_user: { max: 2 } }')
  running = await startService({ config: `${limits}\n${ADMINS}\n` })
  await revoke(running, 'alice', { block_seconds: 3600 })
  const codes: string[] = []
  for (const body of [undefined, undefined, undefined, '{"workflow":"none"}', '{']) {
    const headers = { 'content-type': 'application/json' }
    const answer = await running.mint(
      tokenFor('alice'),
      body === undefined ? {} : { body, headers },
    )
    codes.push(`${answer.status} ${/"code":"(\w+)"/.exec(await answer.text())?.[1]}`)
  }
  const limited = '429 rate_limited'
  expect(codes).toEqual(['403 user_blocked', '403 user_blocked', limited, limited, limited])
  const others: number[] = []
  for (let tries = 0; tries < 3; tries++) others.push((await running.mint(tokenFor('bob'))).status)
  expect(others).toEqual([200, 200, 429])
})
