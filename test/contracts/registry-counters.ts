import { describe, expect, it } from 'vitest'
import { entry, hashOf, NOW, order, type Suite, standingQuery } from './registry-fixtures.ts'

const MS = NOW * 1000
const limit = (nowMs = MS, max = 2) => ({ max, seconds: 60, nowMs })

/** consume, rememberOnce, keptKey, check. */
export function countersSuite(suite: Suite): void {
  const { registry } = suite
  describe('a counter', () => {
    it('allows the given number in a window that starts with the first use and does not slide', async () => {
      expect(await registry.consume('k', limit(MS))).toEqual({
        allowed: true,
        remaining: 1,
        resetMs: 60_000,
      })
      expect(await registry.consume('k', limit(MS + 30_000))).toEqual({
        allowed: true,
        remaining: 0,
        resetMs: 30_000,
      })
      const refused = { allowed: false, remaining: 0, resetMs: 1 }
      expect(await registry.consume('k', limit(MS + 59_999))).toEqual(refused)
      expect(await registry.consume('k', limit(MS + 59_999))).toEqual(refused)
      expect(await registry.consume('k', limit(MS + 60_000))).toEqual({
        allowed: true,
        remaining: 1,
        resetMs: 60_000,
      })
    })

    it('ends a whole window later at the latest when the clock is set back', async () => {
      for (let at = 0; at < 3; at++) await registry.consume('k', limit(MS))
      const back = MS - 3_600_000
      const refused = { allowed: false, remaining: 0 }
      expect(await registry.consume('k', limit(back))).toEqual({ ...refused, resetMs: 60_000 })
      expect(await registry.consume('k', limit(back + 59_999))).toEqual({ ...refused, resetMs: 1 })
      expect((await registry.consume('k', limit(back + 60_000))).allowed).toBe(true)
    })

    it('is one per key', async () => {
      await registry.consume('a', limit(MS, 1))
      expect((await registry.consume('a', limit(MS, 1))).allowed).toBe(false)
      expect((await registry.consume('{a}', limit(MS, 1))).allowed).toBe(true)
    })

    it('is shared by all instances, and exact', async () => {
      const instances = await suite.instances()
      const uses = Array.from({ length: 30 }, (_, at) =>
        instances[at % instances.length]?.consume('k', limit(MS, 10)),
      )
      const states = await Promise.all(uses)
      expect(states.filter((state) => state?.allowed)).toHaveLength(10)
    })
  })

  describe('the beginning of a mint', () => {
    it('counts as a counter of the user alone', async () => {
      const rate = async (user: string, nowMs: number) =>
        (await registry.beginMint(standingQuery(user), limit(nowMs))).rate
      expect(await rate('alice', MS)).toEqual({ allowed: true, remaining: 1, resetMs: 60_000 })
      expect(await rate('alice', MS + 1)).toEqual({ allowed: true, remaining: 0, resetMs: 59_999 })
      expect(await rate('alice', MS + 59_999)).toEqual({ allowed: false, remaining: 0, resetMs: 1 })
      expect(await rate('bob', MS)).toEqual({ allowed: true, remaining: 1, resetMs: 60_000 })
      expect(await rate('alice', MS + 60_000)).toMatchObject({ allowed: true, remaining: 1 })
      expect(await rate('alice', MS)).toMatchObject({ allowed: true, resetMs: 60_000 })
    })

    it('reads the same standing, whether or not the mint is allowed', async () => {
      const question = standingQuery('alice', hashOf('secret of s1'))
      await registry.record(entry({ id: 's1' }))
      await registry.markLogout({ ...question.identity, issuedBefore: NOW, keepUntil: NOW + 60 })
      for (const allowed of [true, false]) {
        await registry.revoke(order({ block: { until: NOW + 60, reason: 'r', by: 'ada' } }))
        await registry.record(entry({ id: 's2', user: 'bob' }))
        const { rate, standing } = await registry.beginMint(question, limit(MS, 1))
        expect(rate.allowed).toBe(allowed)
        expect(standing).toEqual(await registry.readStanding(question))
        expect(standing).toMatchObject({ blockedUntil: NOW + 60, loggedOutAt: NOW })
        expect(standing?.current).toMatchObject({ id: 's1', status: 'cancelling' })
      }
    })

    it('is counted exactly, whichever instance is asked', async () => {
      const instances = await suite.instances()
      const begun = await Promise.all(
        Array.from({ length: 30 }, (_, at) =>
          instances[at % instances.length]?.beginMint(standingQuery(), limit(MS, 10)),
        ),
      )
      expect(begun.filter((one) => one?.rate.allowed)).toHaveLength(10)
    })
  })

  describe('replay protection', () => {
    it('is true once within the time to live', async () => {
      expect(await registry.remembers('jti', NOW)).toBe(false)
      expect(await registry.rememberOnce('jti', 120, NOW)).toBe(true)
      expect(await registry.remembers('jti', NOW + 119)).toBe(true)
      expect(await registry.remembers('jti', NOW + 120)).toBe(false)
      expect(await registry.remembers('other', NOW)).toBe(false)
      expect(await registry.rememberOnce('jti', 120, NOW)).toBe(false)
      expect(await registry.rememberOnce('jti', 120, NOW + 119)).toBe(false)
      expect(await registry.rememberOnce('other', 120, NOW)).toBe(true)
      expect(await registry.rememberOnce('jti', 120, NOW + 120)).toBe(true)
    })

    it('is true for one of many simultaneous calls', async () => {
      const instances = await suite.instances()
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          instances[at % instances.length]?.rememberOnce('jti', 120, NOW),
        ),
      )
      expect(answers.filter(Boolean)).toHaveLength(1)
    })
  })

  describe('a kept key', () => {
    it('is made once and is the same for all', async () => {
      const instances = await suite.instances()
      let made = 0
      const keys = await Promise.all(
        Array.from({ length: 12 }, (_, at) =>
          instances[at % instances.length]?.keptKey('log', () => Uint8Array.of(0, 255, made++)),
        ),
      )
      for (const key of keys) expect(key).toEqual(keys[0])
      expect(keys[0]).toHaveLength(3)
      expect(keys[0]?.[1]).toBe(255)
      const other = await registry.keptKey('other', () => Uint8Array.of(7))
      expect([...other]).toEqual([7])
    })
  })

  it('resolves when a write would succeed', async () => {
    expect(await registry.check()).toBeUndefined()
  })
}
