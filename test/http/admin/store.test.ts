import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Registry } from '../../../src/registry/port.ts'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import {
  ADMIN_CALLS,
  ADMIN_CONFIG,
  auditOf,
  callAdmin,
  expectRefusedMint,
  revoke,
  secretOf,
  sessionsOf,
  signOut,
  upstreamStatus,
} from '../../support/admin-calls.ts'
import { userId } from '../../support/ids.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { createFaultyRegistry } from '../../support/registry/faulty-registry.ts'
import { startService, tokenFor } from '../../support/running-service.ts'
import { forEachTest } from '../../support/started.ts'
import { eraseOf } from '../../support/user-data.ts'

// With a store that is down, slow, or loses its answers, a call gets a clear code, leaves nothing half done,
// and never answers 200 before its effect is durable.

let secret: string
let id: string

const registry = forEachTest(() => createFaultyRegistry(createSqliteRegistry({ path: ':memory:' })))
const running = forEachTest(() => startService({ config: ADMIN_CONFIG, registry }))
beforeEach(async () => {
  secret = await secretOf(running, 'alice')
  id = (await sessionsOf(running, 'alice'))[0]?.id ?? ''
  running.upstream.clearRequests()
})
afterEach(() => {
  registry.failing.clear()
  registry.losing.clear()
})

// Without PUBLIC_URL there are no receipts.
const LINES = ADMIN_CALLS.map(([, line]) => line).filter((line) => !line.endsWith('/receipt'))

describe('while the store is down', () => {
  test.each(LINES)('%s gets 503 and does nothing', async (line) => {
    registry.failing.add('*')
    expectProblem(await callAdmin(running, line.replace('x_1', id)), 503, 'store_unavailable')
    expect(running.upstream.requests()).toEqual([])
    expect(upstreamStatus(running, secret)).toBe('active')
  })

  test('an erase whose audit entry cannot be written does not begin', async () => {
    registry.failing.add('appendAudit')
    const answer = await callAdmin(running, 'POST /users/alice/erase')
    expectProblem(answer, 503, 'store_unavailable')
    expect(running.upstream.requests()).toEqual([])
    expect(upstreamStatus(running, secret)).toBe('active')
  })

  test('an erase that cannot block its user is failed in the audit', async () => {
    registry.failing.add('revoke')
    const answer = await callAdmin(running, 'POST /users/alice/erase')
    expectProblem(answer, 503, 'store_unavailable')
    expect(await auditOf(running, '&action=erase')).toMatchObject([
      { outcome: 'failed', reason: 'nothing erased: the block is not confirmed' },
      { outcome: 'ok', reason: 'begun' },
    ])
  })

  test('an erase that has begun says until when its block holds, and that it is not complete', async () => {
    const erased = eraseOf(running, 'alice')
    await expect.poll(() => registry.calls).toContain('revoke')
    registry.failing.add('*')
    const summary = await erased
    expect(summary).toMatchObject({ complete: false, blocked_until: expect.any(Number) })
    registry.failing.clear()
    const block = await registry.getBlock(userId('alice'), Math.floor(Date.now() / 1000))
    expect(block?.until).toBe(summary['blocked_until'])
    await expectRefusedMint(running, tokenFor('alice'), [403, 'user_blocked'])
  })

  test('a revoke by subject, a mint and a sign-out get 503', async () => {
    registry.failing.add('*')
    const body = { issuer: 'https://issuer.test', subject: 'alice' }
    expectProblem(await callAdmin(running, 'POST /revoke', { body }), 503, 'store_unavailable')
    await expectRefusedMint(running, tokenFor('alice'), [503, 'store_unavailable'])
    expectProblem(
      await answerOf(await signOut(running, tokenFor('alice'))),
      503,
      'store_unavailable',
    )
    expect(upstreamStatus(running, secret)).toBe('active')
  })

  test('a caller who is no admin still gets 403, and a bad token 401', async () => {
    registry.failing.add('*')
    const user = await callAdmin(running, 'GET /sessions', { token: tokenFor('bob') })
    expectProblem(user, 403, 'admin_required')
    const bad = await callAdmin(running, 'GET /sessions', { token: 'a.b.c' })
    expectProblem(bad, 401, 'invalid_token')
    registry.failing.clear()
    // Entries noted meanwhile are in the audit once the store is back.
    await expect.poll(async () => (await auditOf(running, '&action=admin_attempt')).length).toBe(1)
  })
})

test('an admin whose block the store cannot look up has failed in the audit, and was not refused', async () => {
  registry.failing.add('*')
  expectProblem(await callAdmin(running, 'GET /sessions'), 503, 'store_unavailable')
  registry.failing.clear()
  await expect
    .poll(async () => (await auditOf(running, '&action=admin_attempt')).map((one) => one.outcome))
    .toEqual(['failed'])
})

describe('a revoke answers 200 only when it is durable', () => {
  test.each<keyof Registry>(['revoke', 'appendAudit'])('and 503 when %s fails', async (method) => {
    registry.failing.add(method)
    const body = { block_seconds: 60 }
    const answer = await callAdmin(running, 'POST /users/alice/revoke', { body })
    expectProblem(answer, 503, 'store_unavailable')
    registry.failing.clear()
    // When it is repeated, it succeeds and says so.
    const again = await revoke(running, 'alice', body)
    expect(again.blocked_until).not.toBeNull()
    expect(upstreamStatus(running, secret)).toBe('cancelled')
    await expectRefusedMint(running, tokenFor('alice'), [403, 'user_blocked'])
  })

  test('and 503 when the store’s answer is lost, though the sessions end', async () => {
    registry.losing.add('revoke')
    const body = { block_seconds: 60 }
    const answer = await callAdmin(running, 'POST /users/alice/revoke', { body })
    expectProblem(answer, 503, 'store_unavailable')
    registry.losing.clear()
    await expectRefusedMint(running, tokenFor('alice'), [403, 'user_blocked'])
    await expect.poll(() => upstreamStatus(running, secret), { timeout: 8000 }).toBe('cancelled')
  })

  test('and after the write of a slow store', async () => {
    const write = registry.revoke
    const begun = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    registry.revoke = async (command) => {
      begun.resolve()
      await held.promise
      return write(command)
    }
    const answered = vi.fn()
    const pending = revoke(running, 'alice', { block_seconds: 60 }).finally(answered)
    await begun.promise
    // A whole request later, audit entry included, an early answer would be there.
    await sessionsOf(running, 'alice')
    expect(answered).not.toHaveBeenCalled()
    held.resolve()
    expect((await pending).blocked_until).not.toBeNull()
    await expectRefusedMint(running, tokenFor('alice'), [403, 'user_blocked'])
  })
})

describe('success is answered only when it is durable by', () => {
  test('a cancel', async () => {
    registry.failing.add('beginCancel')
    const line = `POST /sessions/${id}/cancel`
    expectProblem(await callAdmin(running, line), 503, 'store_unavailable')
    expect(running.upstream.requests()).toEqual([])
    registry.failing.clear()
    expect((await callAdmin(running, line)).status).toBe(200)
  })

  test('a sign-out', async () => {
    registry.failing.add('revoke')
    expectProblem(
      await answerOf(await signOut(running, tokenFor('alice'))),
      503,
      'store_unavailable',
    )
    registry.failing.clear()
    expect((await signOut(running, tokenFor('alice'))).status).toBe(204)
    expect(upstreamStatus(running, secret)).toBe('cancelled')
  })
})

describe('a mint whose session cannot be recorded', () => {
  test.each<[string, 'failing' | 'losing']>([
    ['the write fails', 'failing'],
    ['its answer gets lost', 'losing'],
  ])('gets 503 while %s, and is cancelled upstream', async (_name, how) => {
    registry[how].add('record')
    const answer = await answerOf(await running.mint(tokenFor('bob')))
    expectProblem(answer, 503, 'store_unavailable')
    registry[how].clear()
    const ofBob = () => running.upstream.sessions().filter(({ user }) => user === 'bob')
    await expect.poll(() => ofBob().map(({ status }) => status)).toEqual(['cancelled'])
    expect(answer.body).not.toContain(ofBob()[0]?.client_secret)
  })

  test('asks nothing upstream when the standing cannot be read or the limit counted', async () => {
    registry.failing.add('beginMint')
    await expectRefusedMint(running, tokenFor('bob'), [503, 'store_unavailable'])
  })

  test('asks nothing upstream when the session that it replaces cannot be read', async () => {
    registry.failing.add('readStanding')
    const body = { current_client_secret: 'ek_whatever' }
    await expectRefusedMint(running, tokenFor('bob'), [503, 'store_unavailable'], body)
  })
})

test('admins see nothing that could not be audited', async () => {
  registry.failing.add('appendAudit')
  for (const line of LINES.filter((one) => one.startsWith('GET '))) {
    const answer = await callAdmin(running, line.replace('x_1', id))
    expectProblem(answer, 503, 'store_unavailable')
    expect(answer.body).not.toContain('alice')
  }
})
