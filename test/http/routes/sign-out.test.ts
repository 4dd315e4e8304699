import { describe, expect, test } from 'vitest'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import {
  ADMIN_CONFIG,
  auditOf,
  expectRefusedMint,
  mintWith,
  revoke,
  secretOf,
  sessionsOf,
  upstreamStatus,
} from '../../support/admin-calls.ts'
import { answerOf, expectEnvelope, expectProblem } from '../../support/problem-answer.ts'
import { serviceOnSqlite } from '../../support/registry/each-store.ts'
import { createFaultyRegistry } from '../../support/registry/faulty-registry.ts'
import { APP_ORIGIN, startService, tokenFor } from '../../support/running-service.ts'

describe('DELETE /v1/sessions', () => {
  const running = serviceOnSqlite(ADMIN_CONFIG)

  async function signOut(user: string, init: RequestInit = {}) {
    const headers = { authorization: `Bearer ${tokenFor(user)}`, ...init.headers }
    return answerOf(
      await fetch(`${running.url}/v1/sessions`, { ...init, method: 'DELETE', headers }),
    )
  }

  test('204: all of the caller’s live sessions end upstream, nobody else’s do', async () => {
    const mine = [await secretOf(running, 'alice'), await secretOf(running, 'alice')]
    const other = await secretOf(running, 'bob')
    const answer = await signOut('alice')
    expect([answer.status, answer.body]).toEqual([204, ''])
    expectEnvelope(answer)
    expect(mine.map((secret) => upstreamStatus(running, secret))).toEqual([
      'cancelled',
      'cancelled',
    ])
    expect(upstreamStatus(running, other)).toBe('active')
    expect((await sessionsOf(running, 'alice')).map(({ status }) => status)).toEqual([
      'cancelled',
      'cancelled',
    ])
  })

  test('a sign-out sets no block: the next sign-in mints, and an old secret replaces nothing', async () => {
    const old = await secretOf(running, 'carol')
    await signOut('carol')
    const again = await mintWith(running, tokenFor('carol'), { current_client_secret: old })
    expect(again.status).toBe(200)
  })

  test('without sessions, and again: 204, and nothing is asked upstream', async () => {
    for (let n = 0; n < 2; n++) expect((await signOut('nobody')).status).toBe(204)
    expect(running.upstream.requests()).toEqual([])
  })

  test('a blocked user may, and stays blocked', async () => {
    await secretOf(running, 'blocked')
    await revoke(running, 'blocked', { block_seconds: 600 })
    expect((await signOut('blocked')).status).toBe(204)
    await expectRefusedMint(running, tokenFor('blocked'), [403, 'user_blocked'])
  })

  test('a cancel that OpenAI does not confirm is 204 all the same, and goes on', async () => {
    await secretOf(running, 'unconfirmed')
    running.upstream.setFaults({ status: 500 })
    expect((await signOut('unconfirmed')).status).toBe(204)
    expect((await sessionsOf(running, 'unconfirmed'))[0]?.status).toBe('cancelling')
    running.upstream.setFaults({})
  })

  test('a sign-out is in the audit', async () => {
    const answer = await signOut('trailed')
    expect(await auditOf(running, '&user=trailed')).toMatchObject([
      {
        actor: 'https://issuer.test|trailed',
        action: 'sign_out',
        outcome: 'ok',
        by_user: true,
        request_id: answer.headers['x-request-id'],
      },
    ])
  })

  test('a sign-out that fails is in the audit, because it may have been done', async () => {
    const registry = createFaultyRegistry(createSqliteRegistry({ path: ':memory:' }))
    const { url } = await startService({ registry })
    registry.losing.add('revoke')
    const headers = { authorization: `Bearer ${tokenFor('alice')}` }
    const answer = await fetch(`${url}/v1/sessions`, { method: 'DELETE', headers })
    expectProblem(await answerOf(answer), 503, 'store_unavailable')
    const actor = 'https://issuer.test|alice'
    const entries = async () => (await registry.listAudit({ action: 'sign_out', limit: 5 }))?.data
    await expect
      .poll(entries)
      .toMatchObject([{ actor, user: 'alice', outcome: 'failed', chain: { byUser: true } }])
  })

  test('refused like a mint: no token, a bad one, an origin that is not allowed', async () => {
    const secret = await secretOf(running, 'kept')
    const none = await fetch(`${running.url}/v1/sessions`, { method: 'DELETE' })
    expectProblem(await answerOf(none), 401, 'missing_token')
    const bad = { authorization: 'Bearer a.b.c' }
    expectProblem(await signOut('kept', { headers: bad }), 401, 'invalid_token')
    const evil = { origin: 'https://evil.example' }
    expectProblem(await signOut('kept', { headers: evil }), 403, 'origin_not_allowed')
    expect(upstreamStatus(running, secret)).toBe('active')
    const own = await signOut('kept', { headers: { origin: APP_ORIGIN } })
    expect(own.headers['access-control-allow-origin']).toBe(APP_ORIGIN)
    expect(upstreamStatus(running, secret)).toBe('cancelled')
  })
})
