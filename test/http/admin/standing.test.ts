import { describe, expect, test } from 'vitest'
import { ADMIN_CALLS, callAdmin, mintWith } from '../../support/admin-calls.ts'
import {
  ISSUER,
  LOGOUT_CONFIG,
  logoutToken,
  sendLogout,
  userToken,
} from '../../support/logout-calls.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { serviceOnSqlite } from '../../support/registry/each-store.ts'
import type { Running } from '../../support/running-service.ts'

// A block or a logout holds for admins as it does for users.

// Without PUBLIC_URL there are no receipts.
const LINES = ADMIN_CALLS.map(([, line]) => line).filter((line) => !line.endsWith('/receipt'))
const seconds = () => Math.floor(Date.now() / 1000)
const adminOf = (sub: string, claims = {}) =>
  userToken(sub, { roles: ['chatkit-admin'], iat: seconds() - 60, ...claims })
const userOf = (sub: string) => `${ISSUER}|${sub}`

const running = serviceOnSqlite(LOGOUT_CONFIG)

const grace = { token: adminOf('grace') }
const block = (sub: string) =>
  callAdmin(running, `POST /users/${encodeURIComponent(userOf(sub))}/revoke`, {
    ...grace,
    body: { block_seconds: 600 },
  })

async function expectRefused(
  token: string,
  ...expected: [number, 'user_blocked' | 'invalid_token']
) {
  for (const line of LINES) {
    expectProblem(await callAdmin(running, line, { token }), ...expected)
  }
  expect(running.upstream.requests()).toEqual([])
}

test('a blocked admin is refused on every admin call, and the audit says who tried', async () => {
  const token = adminOf('ada')
  expect((await callAdmin(running, 'GET /sessions', { token })).status).toBe(200)
  expect((await block('ada')).status).toBe(200)
  await expectRefused(token, 403, 'user_blocked')
  const attempts = await attemptsOf(running, userOf('ada'))
  expect(attempts).toContain('POST /v1/admin/users/:user/erase')
  const lift = `DELETE /users/${encodeURIComponent(userOf('ada'))}/block`
  expectProblem(await callAdmin(running, lift, { token }), 403, 'user_blocked')
  expect((await callAdmin(running, lift, grace)).status).toBe(204)
  expect((await callAdmin(running, 'GET /sessions', { token })).status).toBe(200)
})

test.each([
  ['subject', { sub: 'edith' }, 'edith', {}],
  ['sid', { sub: undefined, sid: 'sign-in-1' }, 'ruth', { sid: 'sign-in-1' }],
  ['subject, for a token with a sid', { sub: 'mary' }, 'mary', { sid: 'sign-in-2' }],
])(
  'a logout by %s ends an older admin token on every admin call',
  async (_by, logout, sub, claims) => {
    const token = adminOf(sub, claims)
    expect((await callAdmin(running, 'GET /sessions', { token })).status).toBe(200)
    const sent = await sendLogout(running, logoutToken({ sid: undefined, ...logout }))
    expect(sent.status).toBe(200)
    await expectRefused(token, 401, 'invalid_token')
    const newer = adminOf(sub, { ...claims, iat: seconds() + 5 })
    expect((await callAdmin(running, 'GET /sessions', { token: newer })).status).toBe(200)
  },
)

test('a blocked user who is no admin learns only that', async () => {
  expect((await block('bob')).status).toBe(200)
  const answer = await callAdmin(running, 'GET /sessions', { token: userToken('bob') })
  expectProblem(answer, 403, 'admin_required')
})

describe('an admin cannot block themselves', () => {
  const me = encodeURIComponent(userOf('grace'))
  const body = { block_seconds: 1 }
  test.each([
    ['by an erase', `POST /users/${me}/erase`, undefined],
    ['by the user in the path', `POST /users/${me}/revoke`, body],
    ['by the user in the body', 'POST /revoke', { user: userOf('grace'), ...body }],
    ['by issuer and subject', 'POST /revoke', { issuer: ISSUER, subject: 'grace', ...body }],
  ])('%s: 400, and nothing ends', async (_how, line, asked) => {
    expect((await mintWith(running, grace.token)).status).toBe(200)
    running.upstream.clearRequests()
    expectProblem(await callAdmin(running, line, { ...grace, body: asked }), 400, 'invalid_request')
    expect(running.upstream.requests()).toEqual([])
    expect((await callAdmin(running, 'GET /blocks', grace)).body).not.toContain(
      `"user":"${userOf('grace')}"`,
    )
    expect((await mintWith(running, grace.token)).status).toBe(200)
  })

  test('but may end their own sessions without a block', async () => {
    const line = `POST /users/${me}/revoke`
    expect((await callAdmin(running, line, grace)).status).toBe(200)
    expect((await callAdmin(running, 'GET /sessions', grace)).status).toBe(200)
  })
})

async function attemptsOf(running: Running, actor: string): Promise<readonly (string | null)[]> {
  const line = 'GET /audit?limit=100&action=admin_attempt'
  const answer = await callAdmin(running, line, { token: adminOf('grace') })
  const page: { data: { actor: string; reason: string | null }[] } = JSON.parse(answer.body)
  return page.data.filter((one) => one.actor === actor).map(({ reason }) => reason)
}
