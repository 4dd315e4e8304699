import { describe, expect, it } from 'vitest'
import { FIRST_LEASE_MS, type Registry } from '../../src/registry/port.ts'
import { entry, ids, NOW, order, type Suite } from './registry-fixtures.ts'

const DUE = NOW * 1000 + FIRST_LEASE_MS

async function revoked(registry: Registry, names: readonly string[]): Promise<void> {
  for (const id of names) await registry.record(entry({ id }))
  await registry.revoke(order())
}

const claim = async (registry: Registry, nowMs = DUE, limit = 64) =>
  [...ids(await registry.claimCancels({ nowMs, limit, leaseMs: 10_000 }))].sort()

/** The cancel outbox. */
export function outboxSuite(suite: Suite): void {
  const { registry } = suite
  describe('the cancel outbox', () => {
    it('leaves the first try to the instance that made the entry', async () => {
      await revoked(registry, ['s1'])
      expect(await claim(registry, DUE - 1)).toEqual([])
      expect(await claim(registry, DUE)).toEqual(['s1'])
    })

    it('leases each entry to one instance, and hands it out again when the lease is over', async () => {
      const [one, two] = await suite.instances()
      if (one === undefined || two === undefined) throw new Error('too few instances')
      await revoked(one, ['s1', 's2'])
      expect(await claim(two)).toEqual(['s1', 's2'])
      expect(await claim(one)).toEqual([])
      expect(await claim(one, DUE + 9_999)).toEqual([])
      expect(await claim(one, DUE + 10_000)).toEqual(['s1', 's2'])
    })

    it('hands out every entry when the clock was set back: none waits longer than 10 s', async () => {
      await revoked(registry, ['s1', 's2'])
      expect(await claim(registry, DUE - 10_000)).toEqual([])
      expect(await claim(registry, DUE - 10_001)).toEqual(['s1', 's2'])
      expect(await claim(registry, DUE - 10_000)).toEqual([])
    })

    it('hands out whole sessions, as they are now', async () => {
      await revoked(registry, ['s1'])
      const due = await registry.claimCancels({ nowMs: DUE, limit: 1, leaseMs: 1000 })
      expect(due).toEqual([await registry.getSession('s1')])
      expect(due[0]).toMatchObject({ status: 'cancelling', endReason: 'revoked' })
    })

    it('holds an entry for every way in which a session ends', async () => {
      const cap = { max: 1, whenFull: 'evict_oldest' } as const
      await registry.record(entry({ id: 'evicted' }))
      await registry.record(entry({ id: 'replaced' }, { cap }))
      const replaces = 'replaced'
      await registry.record(entry({ id: 'cancelled' }, { replaces }))
      await registry.beginCancel('cancelled', NOW)
      expect(await claim(registry, DUE - 1)).toEqual([])
      expect(await claim(registry)).toEqual(['cancelled', 'evicted', 'replaced'])
    })

    it('never hands out more than asked for, and keeps the rest', async () => {
      await revoked(registry, ['s1', 's2', 's3', 's4', 's5'])
      await registry.record(entry({ id: 'b1', user: 'bob' }))
      await registry.revoke(order({ user: 'bob' }))
      const seen: string[] = []
      for (let round = 0; round < 12; round++) {
        const some = await claim(registry, DUE, 2)
        expect(some.length).toBeLessThanOrEqual(2)
        seen.push(...some)
      }
      expect(seen.sort()).toEqual(['b1', 's1', 's2', 's3', 's4', 's5'])
      expect(await claim(registry, DUE + 10_000, 0)).toEqual([])
    })

    it('forgets what is confirmed', async () => {
      await revoked(registry, ['s1', 's2'])
      await registry.confirmCancel(['s1', 'unknown'], NOW + 3)
      expect((await registry.getSession('s1'))?.status).toBe('cancelled')
      expect((await registry.getSession('s1'))?.endReason).toBe('revoked')
      expect(await claim(registry)).toEqual(['s2'])
      await registry.confirmCancel(['s2'], NOW + 3)
      expect(await claim(registry, DUE + 60_000)).toEqual([])
      expect(await registry.figures(NOW + 3)).toEqual({ activeSessions: 0, outboxLength: 0 })
    })

    it('confirms nothing that was not being cancelled', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.confirmCancel(['s1'], NOW)
      expect((await registry.getSession('s1'))?.status).toBe('active')
      await registry.confirmCancel([], NOW)
    })

    it('postpones an entry to the given time, sooner or later than before', async () => {
      await revoked(registry, ['s1', 's2'])
      await claim(registry)
      await registry.postponeCancel('s1', DUE + 1_999.5)
      await registry.postponeCancel('s2', DUE + 11_000)
      expect(await claim(registry, DUE + 1_999)).toEqual([])
      expect(await claim(registry, DUE + 2_000)).toEqual(['s1'])
      expect(await claim(registry, DUE + 10_999)).toEqual([])
      expect(await claim(registry, DUE + 11_000)).toEqual(['s2'])
    })

    it('does not bring back what is confirmed or unknown by postponing it', async () => {
      await revoked(registry, ['s1'])
      await registry.confirmCancel(['s1'], NOW)
      await registry.postponeCancel('s1', DUE)
      await registry.postponeCancel('unknown', DUE)
      expect(await claim(registry)).toEqual([])
    })

    it('drops entries of sessions that have expired', async () => {
      for (const id of ['early', 'earlier'])
        await registry.record(entry({ id, expiresAt: NOW + 5 }))
      await registry.revoke(order())
      await registry.record(entry({ id: 'long', user: 'bob' }))
      await registry.revoke(order({ user: 'bob' }))
      // The expired ones, which come before it, leave it its place.
      expect(await claim(registry, (NOW + 5) * 1000, 1)).toEqual(['long'])
      expect((await registry.getSession('early'))?.status).toBe('cancelled')
      expect((await registry.figures(NOW)).outboxLength).toBe(1)
    })

    it('hands out no session that has expired, however many there are', async () => {
      const cap = { max: 1000, whenFull: 'deny' } as const
      const names = Array.from({ length: 700 }, (_, at) => `s${at}`)
      await Promise.all(
        names.map((id) => registry.record(entry({ id, expiresAt: NOW + 5 }, { cap }))),
      )
      await registry.revoke(order())
      expect(await claim(registry, (NOW + 5) * 1000, 64)).toEqual([])
    })

    it('finds entries made while an earlier one was leased', async () => {
      await revoked(registry, ['s1'])
      await claim(registry)
      await registry.confirmCancel(['s1'], NOW)
      await registry.record(entry({ id: 's2' }, { generation: 1 }))
      await registry.beginCancel('s2', NOW + 4)
      expect(await claim(registry, DUE + 4_000)).toEqual(['s2'])
    })

    it('counts live sessions and waiting cancels', async () => {
      await registry.record(entry({ id: 'a1', user: 'bob' }))
      await registry.record(entry({ id: 'a2', user: 'bob', expiresAt: NOW - 10 }))
      await revoked(registry, ['s1', 's2'])
      await registry.confirmCancel(['s1'], NOW - 1)
      const { activeSessions, outboxLength } = await registry.figures(NOW)
      expect(outboxLength).toBe(1)
      expect(activeSessions).toBeGreaterThanOrEqual(1)
      expect(activeSessions).toBeLessThanOrEqual(2)
    })
  })
}
