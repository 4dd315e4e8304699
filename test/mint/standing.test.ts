import { describe, expect, test } from 'vitest'
import { ServiceError } from '../../src/lib/errors.ts'
import { createCheckStanding } from '../../src/mint/standing.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { userId } from '../support/ids.ts'

const NOW = 1_700_000_000
const ALICE = {
  user: userId('alice'),
  identity: { issuer: 'https://issuer.test', subject: 'a', sid: 's' },
  tokenIssuedAt: NOW - 60,
}

function scene() {
  const registry = createSqliteRegistry({ path: ':memory:' })
  let seconds = NOW
  const check = createCheckStanding({ registry, now: () => seconds * 1000 })
  const pass = (more: number) => {
    seconds += more
  }
  return { registry, check, pass }
}

describe('the standing of a caller', () => {
  test('is good until a block, and again after it', async () => {
    const { registry, check, pass } = scene()
    await expect(check(ALICE)).resolves.toBeUndefined()
    const block = { until: NOW + 10, reason: undefined, by: 'test' }
    await registry.revoke({ user: ALICE.user, endReason: 'revoked', by: 'ada', block, now: NOW })
    await expect(check(ALICE)).rejects.toMatchObject({ code: 'user_blocked' })
    await expect(check({ ...ALICE, user: userId('bob') })).resolves.toBeUndefined()
    pass(10)
    await expect(check(ALICE)).resolves.toBeUndefined()
  })

  test.each([{ subject: 'a' }, { sid: 's' }])('is lost by a logout of %j', async (whose) => {
    const { registry, check } = scene()
    const { issuer } = ALICE.identity
    const mark = { issuer, ...whose, issuedBefore: NOW - 30, keepUntil: NOW + 600 }
    await registry.markLogout(mark)
    await expect(check(ALICE)).rejects.toMatchObject({ code: 'invalid_token' })
    const noIat = { ...ALICE, tokenIssuedAt: undefined }
    await expect(check(noIat)).rejects.toMatchObject({ code: 'invalid_token' })
    await expect(check({ ...ALICE, tokenIssuedAt: NOW - 30 })).resolves.toBeUndefined()
  })

  test('that the store cannot tell refuses the call', async () => {
    const { check } = scene()
    const down = new ServiceError('store_unavailable', { reason: 'planted' })
    const unsure = createCheckStanding({
      registry: { readStanding: () => Promise.reject(down) },
      now: () => NOW * 1000,
    })
    await expect(unsure(ALICE)).rejects.toBe(down)
    await expect(check(ALICE)).resolves.toBeUndefined()
  })
})
