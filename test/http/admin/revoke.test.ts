import { describe, expect, test } from 'vitest'
import {
  ADA,
  ADMIN_CONFIG,
  askAdmin,
  auditOf,
  callAdmin,
  expectRefusedMint,
  type PageSeen,
  type RevokeSeen,
  revoke,
  secretOf,
  sessionsOf,
  upstreamStatus,
} from '../../support/admin-calls.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { serviceOnSqlite } from '../../support/registry/each-store.ts'
import { ISSUER, tokenFor } from '../../support/running-service.ts'

interface BlockSeen {
  readonly user: string
  readonly blocked_until: number
  readonly reason: string | null
  readonly by: string
  readonly created_at: number
}

const YEAR = 31_536_000

const running = serviceOnSqlite(ADMIN_CONFIG)

const blocks = (query = '') => askAdmin<PageSeen<BlockSeen>>(running, `GET /blocks${query}`)
const now = () => Math.floor(Date.now() / 1000)

async function idsOf(user: string): Promise<string[]> {
  return (await sessionsOf(running, user)).map(({ id }) => id).sort()
}

describe('a revoke without a block', () => {
  test.each([
    ['no body', undefined],
    ['{}', {}],
    ['0 seconds', { block_seconds: 0, reason: 'a look' }],
  ])('with %s ends all live sessions, and the user may mint again', async (name, body) => {
    const user = `free-${name}`
    const secrets = [await secretOf(running, user), await secretOf(running, user)]
    const ids = await idsOf(user)
    const line = `POST /users/${encodeURIComponent(user)}/revoke`
    const answer = await callAdmin(running, line, { body })
    expect(answer.status).toBe(200)
    const { cancelled, ...rest } = JSON.parse(answer.body)
    expect(rest).toEqual({ user, known: true, cancelling: [], blocked_until: null })
    expect(cancelled.toSorted()).toEqual(ids)
    for (const secret of secrets) expect(upstreamStatus(running, secret)).toBe('cancelled')
    for (const secret of secrets) expect(answer.body).not.toContain(secret)
    expect((await sessionsOf(running, user)).map(({ status }) => status)).toEqual([
      'cancelled',
      'cancelled',
    ])
    expect((await running.mint(tokenFor(user))).status).toBe(200)
  })
})

describe('a revoke with a block', () => {
  test('refuses the user’s mints before the upstream, and nobody else’s', async () => {
    const secret = await secretOf(running, 'mallory')
    const { blocked_until: until, cancelled } = await revoke(running, 'mallory', {
      block_seconds: 3600,
      reason: 'stolen phone',
    })
    expect(cancelled).toHaveLength(1)
    expect(until).toBeGreaterThanOrEqual(now() + 3599)
    expect(until).toBeLessThanOrEqual(now() + 3600)
    await expectRefusedMint(running, tokenFor('mallory'), [403, 'user_blocked'])
    await expectRefusedMint(running, tokenFor('mallory'), [403, 'user_blocked'], {
      current_client_secret: secret,
    })
    expect((await running.mint(tokenFor('mallory2'))).status).toBe(200)
    expect((await blocks()).data).toContainEqual({
      user: 'mallory',
      blocked_until: until,
      reason: 'stolen phone',
      by: ADA,
      created_at: expect.any(Number),
    })
  })

  test('blocks a user without sessions, and one who was never seen', async () => {
    const answer = await revoke(running, 'unseen', { block_seconds: 60 })
    expect(answer).toEqual({
      user: 'unseen',
      known: false,
      cancelled: [],
      cancelling: [],
      blocked_until: expect.any(Number),
    })
    await expectRefusedMint(running, tokenFor('unseen'), [403, 'user_blocked'])
  })

  test('can prolong a block and never shortens one', async () => {
    const first = await revoke(running, 'growing', { block_seconds: 3600, reason: 'long' })
    const shorter = await revoke(running, 'growing', { block_seconds: 60, reason: 'short' })
    const none = await revoke(running, 'growing')
    expect(shorter.blocked_until).toBe(first.blocked_until)
    expect(none.blocked_until).toBe(first.blocked_until)
    const longer = await revoke(running, 'growing', { block_seconds: YEAR, reason: 'longer' })
    expect(longer.blocked_until).toBeGreaterThan(Number(first.blocked_until))
    const all = (await blocks('?limit=100')).data.filter(({ user }) => user === 'growing')
    expect(all).toMatchObject([{ reason: 'longer', blocked_until: longer.blocked_until }])
  })

  test('can be lifted, and the cancelled sessions stay cancelled', async () => {
    const secret = await secretOf(running, 'forgiven')
    await revoke(running, 'forgiven', { block_seconds: 3600 })
    for (let again = 0; again < 2; again++) {
      const answer = await callAdmin(running, 'DELETE /users/forgiven/block')
      expect([answer.status, answer.body]).toEqual([204, ''])
    }
    expect((await running.mint(tokenFor('forgiven'))).status).toBe(200)
    expect(upstreamStatus(running, secret)).toBe('cancelled')
    expect((await callAdmin(running, 'DELETE /users/never-blocked/block')).status).toBe(204)
  })
})

describe('the list of blocks', () => {
  test('is newest first, with users as cursors', async () => {
    for (const user of ['b1', 'b 2', 'b/3']) await revoke(running, user, { block_seconds: 60 })
    expect((await blocks('?limit=3')).data.map(({ user }) => user)).toEqual(['b/3', 'b 2', 'b1'])
    const first = await blocks('?limit=2')
    expect(first).toMatchObject({ first_id: 'b/3', last_id: 'b 2', has_more: true })
    const next = await blocks(`?limit=1&after=${encodeURIComponent('b 2')}`)
    expect(next.data.map(({ user }) => user)).toEqual(['b1'])
  })

  test.each(['after=nobody', 'before=nobody', 'user=b1', 'limit=-1', 'limit=101', 'order=x'])(
    'GET /blocks?%s is 400',
    async (query) => {
      expectProblem(await callAdmin(running, `GET /blocks?${query}`), 400, 'invalid_request')
    },
  )
})

describe('a revoke by issuer and subject', () => {
  test('blocks the user of the rule, with or without sessions', async () => {
    const secret = await secretOf(running, 'subject-1')
    const body = { issuer: ISSUER, subject: 'subject-1', block_seconds: 60 }
    const answer = await askAdmin<RevokeSeen>(running, 'POST /revoke', body)
    expect(answer).toMatchObject({ user: 'subject-1', cancelling: [] })
    expect(answer.cancelled).toHaveLength(1)
    expect(upstreamStatus(running, secret)).toBe('cancelled')
    await expectRefusedMint(running, tokenFor('subject-1'), [403, 'user_blocked'])
    await askAdmin(running, 'POST /revoke', { ...body, subject: 'subject-2' })
    await expectRefusedMint(running, tokenFor('subject-2'), [403, 'user_blocked'])
  })

  test('accepts a user in the body instead', async () => {
    const secret = await secretOf(running, 'in/body')
    const answer = await askAdmin<RevokeSeen>(running, 'POST /revoke', { user: 'in/body' })
    expect(answer).toMatchObject({ user: 'in/body', blocked_until: null })
    expect(upstreamStatus(running, secret)).toBe('cancelled')
  })

  test('gets 404 for an issuer that is not configured, and blocks nobody', async () => {
    const before = await blocks()
    const body = { issuer: 'https://else.test', subject: 'subject-1', block_seconds: 60 }
    expectProblem(await callAdmin(running, 'POST /revoke', { body }), 404, 'not_found')
    expect(await blocks()).toEqual(before)
  })
})

test('every session is named in an answer and ends when revokes overlap or are repeated', async () => {
  const secrets = await Promise.all(
    Array.from({ length: 20 }, () => secretOf(running, 'overlapping')),
  )
  const ids = await idsOf('overlapping')
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      revoke(running, 'overlapping', { block_seconds: 60 + n, reason: `#${n}` }),
    ),
  )
  for (const { cancelling } of answers) expect(cancelling).toEqual([])
  const named = new Set(answers.flatMap(({ cancelled }) => cancelled))
  expect([...named].sort()).toEqual(ids)
  for (const secret of secrets) expect(upstreamStatus(running, secret)).toBe('cancelled')
  const standing = (await blocks('?limit=100')).data.filter((b) => b.user === 'overlapping')
  expect(standing).toHaveLength(1)
  expect(standing[0]?.reason).toBe('#7')
  expect(await revoke(running, 'overlapping')).toMatchObject({ cancelled: [], cancelling: [] })
  await expectRefusedMint(running, tokenFor('overlapping'), [403, 'user_blocked'])
})

test('revokes and lifted blocks are audited with admin, user and reason', async () => {
  await revoke(running, 'audited', { block_seconds: 60, reason: 'audit me' })
  await callAdmin(running, 'DELETE /users/audited/block')
  await callAdmin(running, 'DELETE /users/audited/block')
  const common = { actor: ADA, user: 'audited', outcome: 'ok', request_id: expect.any(String) }
  expect(await auditOf(running, '&user=audited')).toMatchObject([
    { ...common, action: 'unblock', reason: 'there was no block' },
    { ...common, action: 'unblock', reason: null },
    { ...common, action: 'revoke', reason: 'audit me' },
  ])
})
