import { expect, test } from 'vitest'
import { callAdmin } from '../support/admin-calls.ts'
import {
  ISSUER,
  LOGOUT_CONFIG,
  logoutToken,
  sendLogout,
  userToken,
} from '../support/logout-calls.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { describeSqliteAndRedis } from '../support/registry/each-store.ts'
import { startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

// Rows found by attack that the store decides: what holds for one user, and for an admin.

const config = LOGOUT_CONFIG.replace(/reads_per_user: \{ max: \d+/, 'reads_per_user: { max: 120')
const seconds = () => Math.floor(Date.now() / 1000)
const adminOf = (sub: string) => userToken(sub, { roles: ['chatkit-admin'], iat: seconds() - 60 })

describeSqliteAndRedis('%s', (env) => {
  const running = forAllTests(() => startService({ config, env: env() }))
  const sessions = (token: string) => callAdmin(running, 'GET /sessions', { token })

  test('an admin after a back-channel logout of their subject is 401 on admin calls', async () => {
    const token = adminOf('edith')
    expect((await sessions(token)).status).toBe(200)
    expect((await sendLogout(running, logoutToken({ sub: 'edith', sid: undefined }))).status).toBe(
      200,
    )
    expectProblem(await sessions(token), 401, 'invalid_token')
    const line = 'POST /users/alice/revoke'
    expectProblem(await callAdmin(running, line, { token, body: {} }), 401, 'invalid_token')
    const newer = userToken('edith', { roles: ['chatkit-admin'], iat: seconds() + 5 })
    expect((await sessions(newer)).status).toBe(200)
  })

  test('a blocked admin is 403 on admin calls until the block is lifted', async () => {
    const token = adminOf('ada')
    const grace = { token: adminOf('grace') }
    const user = encodeURIComponent(`${ISSUER}|ada`)
    const body = { block_seconds: 600 }
    expect(
      (await callAdmin(running, `POST /users/${user}/revoke`, { ...grace, body })).status,
    ).toBe(200)
    expectProblem(await sessions(token), 403, 'user_blocked')
    expectProblem(
      await callAdmin(running, `DELETE /users/${user}/block`, { token }),
      403,
      'user_blocked',
    )
    expect((await callAdmin(running, `DELETE /users/${user}/block`, grace)).status).toBe(204)
    expect((await sessions(token)).status).toBe(200)
  })

  test('of 130 thread reads of one user 120 are let in, the others are 429, and mints go on', async () => {
    const read = async (sub: string) => {
      const headers = { authorization: `Bearer ${userToken(sub)}` }
      return answerOf(await fetch(`${running.url}/v1/threads`, { headers }))
    }
    const answers = []
    for (let batch = 0; batch < 13; batch++) {
      answers.push(...(await Promise.all(Array.from({ length: 10 }, () => read('mallory')))))
    }
    const refused = answers.filter(({ status }) => status !== 200)
    // Where Redis is late for a call, that one is counted in memory.
    expect(refused.length).toBeGreaterThan(5)
    expect(refused.length).toBeLessThanOrEqual(10)
    for (const answer of refused) expectProblem(answer, 429, 'rate_limited')
    expect((await read('bob')).status).toBe(200)
    for (const sub of ['mallory', 'bob']) {
      expect((await running.mint(userToken(sub))).status).toBe(200)
    }
  })
})
