import { describe, expect, it } from 'vitest'
import { FIRST_LEASE_MS } from '../../src/registry/port.ts'
import {
  auditEntry,
  entry,
  hashOf,
  NOW,
  order,
  pageIds,
  query,
  retention,
  type Suite,
  standingQuery,
} from './registry-fixtures.ts'

export function sweepSuite({ registry }: Suite): void {
  describe('a sweep', () => {
    it('drops sessions by the time of their end, with all that refers to them', async () => {
      await registry.record(entry({ id: 'old', expiresAt: NOW - 100, sid: 'x', user: 'bob' }))
      await registry.record(entry({ id: 'newer', expiresAt: NOW - 50 }))
      await registry.record(entry({ id: 'cancelled' }))
      await registry.record(entry({ id: 'live' }))
      await registry.beginCancel('cancelled', NOW - 90)
      await registry.confirmCancel(['cancelled'], NOW - 90)
      await registry.sweep(retention(NOW - 50))
      expect(pageIds(await registry.listSessions(query()))).toEqual(['live', 'newer'])
      expect(await registry.getSession('old')).toBeUndefined()
      expect(await registry.getSession('cancelled')).toBeUndefined()
      expect(await registry.listSessions(query({ after: 'old' }))).toBeUndefined()
      const hash = hashOf('secret of old')
      expect((await registry.readStanding(standingQuery('bob', hash))).current).toBeUndefined()
      expect((await registry.readStanding(standingQuery())).liveSessions).toBe(1)
    })

    it('drops a cancelled session by the end of its life when the confirmation came later', async () => {
      await registry.record(entry({ id: 's1', expiresAt: NOW + 10 }))
      await registry.beginCancel('s1', NOW)
      await registry.confirmCancel(['s1'], NOW + 500)
      await registry.sweep(retention(NOW + 11))
      expect(await registry.getSession('s1')).toBeUndefined()
    })

    it('that drops a session forgets no later one with the same secret', async () => {
      const secretHash = hashOf('one secret')
      await registry.record(entry({ id: 'old', secretHash, expiresAt: NOW + 10 }))
      await registry.record(entry({ id: 'new', secretHash }))
      const current = async () =>
        (await registry.readStanding(standingQuery('alice', secretHash))).current?.id
      expect(await current()).toBe('new')
      await registry.sweep(retention(NOW + 11))
      expect(await current()).toBe('new')
    })

    it('drops replaced sessions by the time of their replacement', async () => {
      await registry.record(entry({ id: 's1', state: {} }))
      const replaces = 's1'
      await registry.record(entry({ id: 's2', state: {} }, { replaces, now: NOW + 10 }))
      await registry.sweep(retention(NOW + 10))
      expect(pageIds(await registry.listSessions(query()))).toEqual(['s2', 's1'])
      await registry.sweep(retention(NOW + 11))
      expect(pageIds(await registry.listSessions(query()))).toEqual(['s2'])
    })

    it('removes nothing that is still in force', async () => {
      const block = { until: NOW + 5_000_000, reason: undefined, by: 'a' }
      const identity = { issuer: 'https://idp.example/', subject: 'alice-sub' }
      await registry.record(entry({ id: 's1' }))
      await registry.revoke(order({ block }))
      await registry.markLogout({ ...identity, issuedBefore: NOW, keepUntil: NOW + 60 })
      await registry.rememberOnce('jti', 60, NOW)
      await registry.consume('k', { seconds: 60, nowMs: NOW * 1000 })
      await registry.sweep(retention(NOW, NOW + 1))
      expect(await registry.readStanding(standingQuery())).toMatchObject({
        generation: 1,
        blockedUntil: block.until,
        loggedOutAt: NOW,
      })
      expect(await registry.rememberOnce('jti', 60, NOW + 1)).toBe(false)
      const count = await registry.consume('k', { seconds: 60, nowMs: NOW * 1000 + 1000 })
      expect(count).toMatchObject({ used: 2 })
      const claimed = await registry.claimCancels({
        nowMs: NOW * 1000 + FIRST_LEASE_MS,
        limit: 5,
        leaseMs: 1,
      })
      expect(claimed).toHaveLength(1)
    })

    it('keeps a generation for as long as a mint could have read the one before', async () => {
      await registry.revoke(order())
      await registry.sweep(retention(NOW + 600, NOW + 600))
      expect(await registry.record(entry({ id: 's1' }, { now: NOW + 600 }))).toEqual({
        kind: 'blocked',
      })
    })

    it('drops blocks that have been over for a day, and audit entries older than the retention', async () => {
      const day = 86_400
      await registry.revoke(order({ block: { until: NOW + 5, reason: undefined, by: 'a' } }))
      await registry.appendAudit([auditEntry({ id: 'old', at: NOW - 2, user: 'u' })])
      await registry.appendAudit([auditEntry({ id: 'new', at: NOW - 1, user: 'u' })])
      const early = { limit: 5, order: 'desc', now: NOW } as const
      // By a clock that is hours ahead of another instance's.
      await registry.sweep(retention(NOW - 1, NOW + 4 + day))
      expect((await registry.listBlocks(early))?.data).toHaveLength(1)
      await registry.sweep(retention(NOW - 1, NOW + 5 + day))
      expect((await registry.listBlocks(early))?.data).toEqual([])
      expect(await registry.listBlocks({ ...early, after: 'alice' })).toBeUndefined()
      expect(pageIds(await registry.listAudit({ limit: 5 }))).toEqual(['new'])
      expect(pageIds(await registry.listAudit({ limit: 5, user: 'u' }))).toEqual(['new'])
      expect(await registry.listAudit({ limit: 5, after: 'old' })).toBeUndefined()
    })

    it('drops only the beginning of the audit, even if a clock was set back', async () => {
      const times = [-9, -8, -1, -7, -2]
      await registry.appendAudit(times.map((at, n) => auditEntry({ id: `e${n}`, at: NOW + at })))
      await registry.sweep(retention(NOW - 5))
      expect(pageIds(await registry.listAudit({ limit: 9 }))).toEqual(['e4', 'e3', 'e2'])
      const many = Array.from({ length: 450 }, (_, n) => auditEntry({ id: `m${n}`, at: NOW + n }))
      await registry.appendAudit(many)
      await registry.sweep(retention(NOW + 449))
      expect(pageIds(await registry.listAudit({ limit: 9 }))).toEqual(['m449'])
    })

    it('drops entries from the future of a clock that was ahead with the next old one, some hundreds in all', async () => {
      const year = 365 * 86_400
      const append = async (name: string, times: readonly number[]) =>
        registry.appendAudit(times.map((at, n) => auditEntry({ id: `${name}${n}`, at: NOW + at })))
      await append('ahead', [year])
      await append(
        'mixed',
        Array.from({ length: 450 }, (_, n) => (n % 3 === 0 ? -9 : year)),
      )
      await append('stays', [-9, year, 0, -9])
      await registry.sweep(retention(NOW - 5))
      const left = pageIds(await registry.listAudit({ limit: 9 }))
      expect(left).toEqual(['stays3', 'stays2', 'stays1'])
    })

    it('works through thousands', async () => {
      for (let from = 0; from < 2_000; from += 100) {
        await Promise.all(
          Array.from({ length: 100 }, (_, at) =>
            registry.record(entry({ id: `s${from + at}`, user: `u${at}`, expiresAt: NOW - 10 })),
          ),
        )
      }
      await registry.sweep(retention(NOW))
      expect((await registry.listSessions(query({ limit: 1 })))?.data).toEqual([])
    })
  })
}
