import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Registry } from '../../src/registry/port.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { callAdmin, secretFrom, upstreamStatus } from '../support/admin-calls.ts'
import {
  ISSUER,
  key,
  LOGOUT_CONFIG,
  logoutToken,
  OTHER_ISSUER,
  sendLogout,
  userToken,
} from '../support/logout-calls.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { serviceOnSqlite } from '../support/registry/each-store.ts'
import { createFaultyRegistry } from '../support/registry/faulty-registry.ts'
import { type Running, startService } from '../support/running-service.ts'
import { claimsOf } from '../support/tokens.ts'

// The sessions that a logout ends, and the tokens that no longer mint (OpenID Connect Back-Channel Logout
// 1.0 §2.7). Times are given outright: a token of the same second as the logout counts as older.

const logouts = z.object({
  data: z.array(
    z.object({ id: z.string(), actor: z.string().nullable(), user: z.string().nullable() }),
  ),
})

const seconds = () => Math.floor(Date.now() / 1000)
const earlier = (sub: string, claims = {}) => userToken(sub, { iat: seconds() - 60, ...claims })
const later = (sub: string, claims = {}) => userToken(sub, { iat: seconds() + 5, ...claims })

async function logOut(running: Running, claims: Record<string, unknown>): Promise<void> {
  const answer = await sendLogout(running, logoutToken(claims))
  expect([answer.status, answer.body]).toEqual([200, ''])
}

async function expectOver(running: Running, token: string): Promise<void> {
  running.upstream.clearRequests()
  expectProblem(await answerOf(await running.mint(token)), 401, 'invalid_token')
  // Cancels of the logout may still be on their way.
  const asked = running.upstream.requests().filter(({ path }) => !path.endsWith('/cancel'))
  expect(asked).toEqual([])
}

async function expectMints(running: Running, token: string): Promise<void> {
  expect((await running.mint(token)).status).toBe(200)
}

const running = serviceOnSqlite(LOGOUT_CONFIG)

const expectEnded = (secret: string) =>
  expect.poll(() => upstreamStatus(running, secret)).toBe('cancelled')

test('sub alone: all of the subject’s sessions end, whatever their sid; nobody else’s', async () => {
  const mine = [
    await secretFrom(running, earlier('alice', { sid: 's1' })),
    await secretFrom(running, earlier('alice', { sid: 's2' })),
    await secretFrom(running, earlier('alice')),
  ]
  const bob = await secretFrom(running, earlier('bob', { sid: 's1' }))
  const namesake = key.token(claimsOf(OTHER_ISSUER, Date.now(), { sub: 'alice', sid: 's1' }))
  const other = await secretFrom(running, namesake)
  await logOut(running, { sub: 'alice', sid: undefined })
  for (const secret of mine) await expectEnded(secret)
  for (const claims of [{ sid: 's1' }, { sid: 's3' }, {}]) {
    await expectOver(running, earlier('alice', claims))
    await expectMints(running, later('alice', claims))
  }
  expect([bob, other].map((one) => upstreamStatus(running, one))).toEqual(['active', 'active'])
  await expectMints(running, earlier('bob', { sid: 's1' }))
  await expectMints(running, namesake)
})

test('a logout with sid alone ends the sessions of that sign-in, found by the sid of their tokens', async () => {
  const one = await secretFrom(running, earlier('carol', { sid: 'c1' }))
  const two = await secretFrom(running, earlier('carol', { sid: 'c2' }))
  const without = await secretFrom(running, earlier('carol'))
  const issuer = OTHER_ISSUER
  const other = await secretFrom(running, key.token(claimsOf(issuer, Date.now(), { sid: 'c1' })))
  await logOut(running, { sub: undefined, sid: 'c1' })
  await expectEnded(one)
  await expectOver(running, earlier('carol', { sid: 'c1' }))
  const rest = [two, without, other].map((secret) => upstreamStatus(running, secret))
  expect(rest).toEqual(['active', 'active', 'active'])
  await expectMints(running, earlier('carol', { sid: 'c2' }))
  await expectMints(running, earlier('carol'))
  await expectMints(running, later('carol', { sid: 'c1' }))
})

test('sub and sid: that sign-in, and what may stem from it for want of a sid', async () => {
  const one = await secretFrom(running, earlier('dora', { sid: 'd1' }))
  const without = await secretFrom(running, earlier('dora'))
  const two = await secretFrom(running, earlier('dora', { sid: 'd2' }))
  const others = await secretFrom(running, earlier('erin'))
  await logOut(running, { sub: 'dora', sid: 'd1' })
  await expectEnded(one)
  await expectEnded(without)
  await expectOver(running, earlier('dora', { sid: 'd1' }))
  await expectOver(running, earlier('dora'))
  expect(upstreamStatus(running, two)).toBe('active')
  expect(upstreamStatus(running, others)).toBe('active')
  await expectMints(running, earlier('dora', { sid: 'd2' }))
  await expectMints(running, earlier('erin'))
  await expectMints(running, later('dora'))
})

test('a subject that looks like the substitute for a missing sid ends no sessions of others', async () => {
  const frank = await secretFrom(running, earlier('frank'))
  const answer = await sendLogout(running, logoutToken({ sub: 'eve', sid: '\u0000frank' }))
  expectProblem(answer, 400, 'invalid_request')
  expect(upstreamStatus(running, frank)).toBe('active')
})

test.each<[string, Record<string, unknown>]>([
  ['issued before', { iat: seconds() - 3600 }],
  ['issued in the same second', {}],
  ['without iat', { iat: undefined }],
  ['with an iat of fractions', { iat: seconds() - 0.5 }],
])('tokens %s no longer mint: 401, and nothing is asked upstream', async (name, claims) => {
  const sub = `over ${name}`
  const token = userToken(sub, claims)
  await logOut(running, { sub, iat: seconds() + 1 })
  await expectOver(running, token)
  await expectMints(running, later(sub))
})

test('a logout sets no block: a new sign-in mints at once, and old secrets replace nothing', async () => {
  const old = await secretFrom(running, earlier('again'))
  await logOut(running, { sub: 'again' })
  const response = await running.mint(later('again'), {
    body: JSON.stringify({ current_client_secret: old }),
    headers: { 'content-type': 'application/json' },
  })
  expect(response.status).toBe(200)
})

test.each([{ sid: 'f1' }, {}])(
  'a mint in flight during the logout (%j) gets no secret, and its session ends',
  async (claims) => {
    const sub = `in-flight-${Object.keys(claims).length}`
    running.upstream.clearRequests()
    // Longer than the logout takes on a busy machine.
    running.upstream.setFaults({ latency_ms: 1000, times: 1 })
    const pending = running.mint(earlier(sub, claims))
    await expect.poll(() => running.upstream.requests().length).toBe(1)
    await logOut(running, { sub, ...claims })
    const answer = await answerOf(await pending)
    expectProblem(answer, 401, 'invalid_token')
    const ofUser = () =>
      running.upstream.sessions().filter(({ user }) => user === `${ISSUER}|${sub}`)
    await expect.poll(() => ofUser().map(({ status }) => status)).toEqual(['cancelled'])
  },
)

test('a logout is in the audit', async () => {
  await logOut(running, { sub: 'trailed', sid: 't1' })
  const token = userToken('ada', { roles: ['chatkit-admin'] })
  const answer = await callAdmin(running, 'GET /audit?action=logout&limit=1', { token })
  expect(answer.json()).toMatchObject({
    data: [{ actor: `${ISSUER}|trailed`, action: 'logout', outcome: 'ok', reason: 'sid' }],
  })
})

test.each([
  ['has a session', true],
  ['has none, and the subject alone maps to the user', false],
])('its entry names the user who %s, so an erase takes the name out', async (_, mints) => {
  const sub = `forgotten-${mints}`
  if (mints) await secretFrom(running, earlier(sub))
  await logOut(running, { sub })
  const token = userToken('ada', { roles: ['chatkit-admin'] })
  const listed = 'GET /audit?action=logout&limit=1'
  const { data } = logouts.parse((await callAdmin(running, listed, { token })).json())
  const [entry] = data
  expect(entry?.actor).toBe(`${ISSUER}|${sub}`)
  const user = encodeURIComponent(entry?.user ?? '')
  const erase = await callAdmin(running, `POST /users/${user}/erase`, { token })
  expect(erase.body).toContain('"complete":true')
  const after = await callAdmin(running, listed, { token })
  expect(after.json()).toMatchObject({ data: [{ id: entry?.id, actor: null, user: null }] })
})

describe('a store that fails', () => {
  test.each<keyof Registry>([
    'remembers',
    'markLogout',
    'usersOf',
    'revoke',
    'rememberOnce',
    'appendAudit',
  ])('%s: 503, and the provider’s repeat then works', async (method) => {
    const registry = createFaultyRegistry(createSqliteRegistry({ path: ':memory:' }))
    const running = await startService({ config: LOGOUT_CONFIG, registry })
    const secret = await secretFrom(running, earlier('alice'))
    const token = logoutToken({ sub: 'alice' })
    registry.failing.add(method)
    expectProblem(await sendLogout(running, token), 503, 'store_unavailable')
    registry.failing.clear()
    const repeat = await sendLogout(running, token)
    expect(repeat.status).toBe(200)
    await expect.poll(() => upstreamStatus(running, secret), { timeout: 8000 }).toBe('cancelled')
    await expectOver(running, earlier('alice'))
  })

  test('the logout is in the audit, because it may have ended sessions', async () => {
    const registry = createFaultyRegistry(createSqliteRegistry({ path: ':memory:' }))
    const running = await startService({ config: LOGOUT_CONFIG, registry })
    registry.losing.add('markLogout')
    expect((await sendLogout(running, logoutToken({ sub: 'alice' }))).status).toBe(503)
    const user = `${ISSUER}|alice`
    const failed = {
      actor: user,
      user,
      outcome: 'failed',
      reason: 'subject',
      chain: { byUser: true },
    }
    const page = await registry.listAudit({ action: 'logout', limit: 5 })
    expect(page?.data).toMatchObject([failed])
  })
})
