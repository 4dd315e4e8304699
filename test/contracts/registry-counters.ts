import { describe, expect, it } from 'vitest'
import { entry, hashOf, NOW, order, type Suite, standingQuery } from './registry-fixtures.ts'

const MS = NOW * 1000
const window = (nowMs = MS) => ({ seconds: 60, nowMs })

/** consume, rememberOnce, keptKey, check. */
export function countersSuite(suite: Suite): void {
  const { registry } = suite
  describe('a counter', () => {
    it('counts the uses in a window that starts with the first use and does not slide', async () => {
      const at = (ms: number) => registry.consume('k', window(MS + ms))
      expect(await at(0)).toEqual({ used: 1, resetMs: 60_000 })
      expect(await at(30_000)).toEqual({ used: 2, resetMs: 30_000 })
      expect(await at(59_999)).toEqual({ used: 3, resetMs: 1 })
      expect(await at(59_999)).toEqual({ used: 4, resetMs: 1 })
      expect(await at(60_000)).toEqual({ used: 1, resetMs: 60_000 })
    })

    it('ends a whole window later at the latest when the clock is set back', async () => {
      for (let uses = 0; uses < 3; uses++) await registry.consume('k', window(MS))
      const at = (ms: number) => registry.consume('k', window(MS - 3_600_000 + ms))
      expect(await at(0)).toEqual({ used: 4, resetMs: 60_000 })
      expect(await at(59_999)).toEqual({ used: 5, resetMs: 1 })
      expect(await at(60_000)).toMatchObject({ used: 1 })
    })

    it('is one per key', async () => {
      await registry.consume('a', window())
      expect(await registry.consume('a', window())).toMatchObject({ used: 2 })
      expect(await registry.consume('{a}', window())).toMatchObject({ used: 1 })
    })

    it('is shared by all instances, and exact', async () => {
      const instances = await suite.instances()
      const uses = Array.from({ length: 30 }, (_, at) =>
        instances[at % instances.length]?.consume('k', window()),
      )
      const counts = await Promise.all(uses)
      expect(new Set(counts.map((count) => count?.used)).size).toBe(30)
    })
  })

  describe('the beginning of a mint', () => {
    it('counts as a counter of the user alone', async () => {
      const rate = async (user: string, nowMs: number) =>
        (await registry.beginMint(standingQuery(user), window(nowMs))).rate
      expect(await rate('alice', MS)).toEqual({ used: 1, resetMs: 60_000 })
      expect(await rate('alice', MS + 1)).toEqual({ used: 2, resetMs: 59_999 })
      expect(await rate('alice', MS + 59_999)).toEqual({ used: 3, resetMs: 1 })
      expect(await rate('bob', MS)).toEqual({ used: 1, resetMs: 60_000 })
      expect(await rate('alice', MS + 60_000)).toMatchObject({ used: 1 })
      expect(await rate('alice', MS)).toMatchObject({ used: 2, resetMs: 60_000 })
    })

    it('reads the same standing at each count', async () => {
      const question = standingQuery('alice', hashOf('secret of s1'))
      await registry.record(entry({ id: 's1' }))
      await registry.markLogout({ ...question.identity, issuedBefore: NOW, keepUntil: NOW + 60 })
      for (const used of [1, 2]) {
        await registry.revoke(order({ block: { until: NOW + 60, reason: 'r', by: 'ada' } }))
        await registry.record(entry({ id: 's2', user: 'bob' }))
        const { rate, standing } = await registry.beginMint(question, window())
        expect(rate.used).toBe(used)
        expect(standing).toEqual(await registry.readStanding(question))
        expect(standing).toMatchObject({ blockedUntil: NOW + 60, loggedOutAt: NOW })
        expect(standing?.current).toMatchObject({ id: 's1', status: 'cancelling' })
      }
    })

    it('is counted exactly, whichever instance is asked', async () => {
      const instances = await suite.instances()
      const begun = await Promise.all(
        Array.from({ length: 30 }, (_, at) =>
          instances[at % instances.length]?.beginMint(standingQuery(), window()),
        ),
      )
      expect(new Set(begun.map((one) => one?.rate.used)).size).toBe(30)
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

  it('a check resolves when a write would succeed', async () => {
    expect(await registry.check()).toBeUndefined()
  })
}
