import { describe, expect, test } from 'vitest'
import {
  ADA,
  ADMIN_CONFIG,
  type AuditSeen,
  adminToken,
  askAdmin,
  auditOf,
  callAdmin,
  type PageSeen,
  revoke,
  secretOf,
  sessionsOf,
} from '../../support/admin-calls.ts'
import { leaksIn } from '../../support/leaks.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { serviceOnSqlite } from '../../support/registry/each-store.ts'
import { API_KEY, ISSUER, tokenFor } from '../../support/running-service.ts'

const CONFIG = ADMIN_CONFIG.replace(
  'id: wf_support',
  `id: wf_support\n    when: '!has(claims.out)'`,
)

describe('the audit log', () => {
  const running = serviceOnSqlite(CONFIG)
  const page = (query: string) => askAdmin<PageSeen<AuditSeen & { id: string }>>(running, query)
  const requestIdOf = (response: Response) => response.headers.get('x-request-id')

  test('the audit has entries with their place in the chain, and names the workflow of a mint', async () => {
    const response = await running.mint(tokenFor('alice'))
    const found = await page('GET /audit?user=alice&action=mint')
    expect(found.data).toEqual([
      {
        id: expect.stringMatching(/^aud_/),
        at: expect.any(Number),
        actor: `${ISSUER}|alice`,
        action: 'mint',
        user: 'alice',
        outcome: 'ok',
        reason: 'support',
        request_id: requestIdOf(response),
        instance: expect.stringMatching(/^ins_/),
        seq: expect.any(Number),
        prev: expect.toBeOneOf([null, expect.stringMatching(/^[\w-]{43}$/)]),
        hash: expect.stringMatching(/^[\w-]{43}$/),
        salt: expect.stringMatching(/^[0-9a-f]{32}$/),
        by_user: true,
        erased: null,
      },
    ])
  })

  test('the audit keeps the chain through an erase, and then names the user nowhere', async () => {
    await revoke(running, 'goes-away', { reason: 'goes-away left' })
    const query = 'GET /audit?actor=https%3A%2F%2Fissuer.test%7Cada&action=revoke&limit=1'
    const [before] = (await page(query)).data
    expect((await callAdmin(running, 'POST /users/goes-away/erase')).status).toBe(200)
    const [after] = (await page(query)).data
    expect(after).toEqual({
      ...before,
      user: null,
      reason: null,
      salt: null,
      erased: {
        actor: null,
        user: expect.stringMatching(/^[\w-]{43}$/),
        reason: expect.stringMatching(/^[\w-]{43}$/),
      },
    })
  })

  test('the audit is filtered by actor, by all but one action, and by time', async () => {
    await revoke(running, 'filtered')
    const { data } = await page('GET /audit?user=filtered&not_action=admin_read')
    expect(data.map(({ action }) => action)).toEqual(['revoke'])
    const at = (data[0] as unknown as { at: number }).at
    const about = 'GET /audit?user=filtered&action=revoke'
    const found = async (more: string) => (await page(`${about}&${more}`)).data.length
    expect(await found(`since=${at}&until=${at + 1}`)).toBe(1)
    expect(await found(`since=${at + 1}`)).toBe(0)
    expect(await found(`until=${at}`)).toBe(0)
    expect(await found(`actor=${encodeURIComponent(ADA)}`)).toBe(1)
    expect(await found('actor=ada')).toBe(0)
  })

  test.each<[string, () => Promise<Response>, string, string]>([
    [
      'a workflow that is not allowed',
      () => running.mint(tokenFor('refused', { out: true })),
      'refused',
      'workflow_not_allowed',
    ],
    [
      'a block',
      async () => {
        await revoke(running, 'refused', { block_seconds: 60 })
        return running.mint(tokenFor('refused'))
      },
      'refused',
      'user_blocked',
    ],
    [
      'an upstream that fails',
      () => {
        running.upstream.setFaults({ status: 400, times: 1 })
        return running.mint(tokenFor('failed'))
      },
      'failed',
      'upstream_rejected',
    ],
  ])('the audit records a mint that is refused by %s', async (_name, mint, outcome, reason) => {
    const response = await mint()
    const found = await auditOf(running, '&action=mint')
    expect(found.find((entry) => entry.request_id === requestIdOf(response))).toMatchObject({
      outcome,
      reason,
      user: outcome,
      actor: `${ISSUER}|${outcome}`,
    })
  })

  test('the audit has no entry for a malformed request or an unknown caller', async () => {
    const before = (await page('GET /audit?limit=1&action=mint')).first_id
    const body = { body: '{"x":1}', headers: { 'content-type': 'application/json' } }
    expect((await running.mint(tokenFor('unclear'), body)).status).toBe(400)
    expect((await running.mint('a.b.c')).status).toBe(401)
    expect((await page('GET /audit?limit=1&action=mint')).first_id).toBe(before)
  })

  test('the audit records every read of an admin with the user it was about, this one too', async () => {
    await secretOf(running, 'watched')
    const [session] = await sessionsOf(running, 'watched')
    await callAdmin(running, `GET /sessions/${session?.id}`)
    await callAdmin(running, 'GET /sessions/cksess_none')
    await callAdmin(running, 'GET /blocks')
    const found = (await page('GET /audit?action=admin_read&limit=5')).data
    expect(found.map(({ reason, user }) => [reason, user])).toEqual([
      ['GET /v1/admin/audit', null],
      ['GET /v1/admin/blocks', null],
      ['GET /v1/admin/sessions/:id', null],
      ['GET /v1/admin/sessions/:id', 'watched'],
      ['GET /v1/admin/sessions', 'watched'],
    ])
    for (const entry of found) expect(entry).toMatchObject({ actor: ADA, outcome: 'ok' })
  })

  test('the audit records a cancel with its session', async () => {
    await secretOf(running, 'ended')
    const [session] = await sessionsOf(running, 'ended')
    await callAdmin(running, `POST /sessions/${session?.id}/cancel`)
    expect(await auditOf(running, '&user=ended&action=cancel')).toMatchObject([
      { actor: ADA, outcome: 'ok', reason: session?.id },
    ])
  })

  test('lists newest first, by user and by action, in pages', async () => {
    for (let n = 0; n < 5; n++) await revoke(running, 'paged', { reason: `#${n}` })
    const query = 'GET /audit?user=paged&action=revoke&limit=2'
    const first = await page(query)
    const second = await page(`${query}&after=${first.last_id}`)
    const third = await page(`${query}&after=${second.last_id}`)
    const reasons = [first, second, third].map(({ data }) => data.map(({ reason }) => reason))
    expect(reasons).toEqual([['#4', '#3'], ['#2', '#1'], ['#0']])
    expect([first, second, third].map((one) => one.has_more)).toEqual([true, true, false])
    expect(first.first_id).toBe(first.data[0]?.id)
    expect((await page('GET /audit?user=nobody&action=revoke')).data).toEqual([])
    expect((await page('GET /audit?action=nothing')).data).toEqual([])
  })

  test.each([
    'limit=-1',
    'limit=101',
    'limit=x',
    'limit=1&limit=1',
    'after=aud_of_nobody',
    'after=',
    'before=x',
    'order=asc',
    'actor=',
    'actor=a&actor=b',
    'not_action=',
    'since=-1',
    'since=2026-01-01',
    'until=1.5',
    'until=',
    'since=1&since=2',
    'until=9999999999999',
    'user=',
    'user=a&user=b',
    'action=',
    '__proto__=x',
  ])('GET /audit?%s gets 400', async (query) => {
    expectProblem(await callAdmin(running, `GET /audit?${query}`), 400, 'invalid_request')
  })

  test('the audit has a log line for every entry of an admin, with users hashed', async () => {
    const token = tokenFor('prying')
    const attempt = await callAdmin(running, 'GET /audit', { token })
    await revoke(running, 'logged-user', { reason: 'for the log' })
    const lines = running.log.filter(({ msg }) => msg === 'audit')
    expect(lines).toContainEqual(
      expect.objectContaining({
        action: 'admin_attempt',
        outcome: 'refused',
        request_id: attempt.headers['x-request-id'],
        actor: expect.stringMatching(/^[0-9a-f]{16}$/),
      }),
    )
    expect(lines).toContainEqual(
      expect.objectContaining({ action: 'revoke', reason: 'for the log', outcome: 'ok' }),
    )
    expect(running.logText()).not.toMatch(/logged-user|prying/)
  })

  test('the audit holds no key, client secret or token, nor does any answer or log line', async () => {
    const secret = await secretOf(running, 'leaky')
    const token = tokenFor('leaky')
    const admin = adminToken()
    const [session] = await sessionsOf(running, 'leaky')
    const lines = [
      'GET /sessions?limit=100',
      `GET /sessions/${session?.id}`,
      `POST /sessions/${session?.id}/cancel`,
      'POST /users/leaky/revoke',
      'GET /blocks?limit=100',
      'GET /audit?limit=100',
      `GET /sessions?user=${token}`,
      `GET /sessions/${secret}`,
      `GET /sessions?after=${secret}`,
      `GET /sessions?${secret}=1`,
    ]
    const answers: string[] = []
    for (const line of lines) answers.push((await callAdmin(running, line, { token: admin })).body)
    running.upstream.setFaults({ status: 500 })
    await secretOf(running, 'leaky').catch(() => undefined)
    running.upstream.setFaults({})
    const planted = [
      { what: 'the API key', value: API_KEY },
      { what: 'a client secret', value: secret },
      { what: 'an admin’s token', value: admin },
      { what: 'a user’s token', value: token },
    ]
    expect(leaksIn([...answers, running.logText()].join('\n'), planted)).toEqual([])
  })
})
