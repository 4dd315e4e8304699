import { describe, expect, it } from 'vitest'
import { entry, NOW, order, type Suite } from './registry-fixtures.ts'

/** The record of a session's end: `endedAt`, `confirmedAt`, `endedBy`. */
export function endsSuite({ registry }: Suite): void {
  const endOf = async (id: string) => {
    const session = await registry.getSession(id)
    return [session?.status, session?.endedAt, session?.confirmedAt, session?.endedBy]
  }
  const LATER = NOW + 30

  describe('the end of a session', () => {
    it('is not recorded while it is live, nor if it only expired', async () => {
      await registry.record(entry({ id: 's1', expiresAt: NOW + 10 }))
      expect(await endOf('s1')).toEqual(['active', undefined, undefined, undefined])
      await registry.beginCancel('s1', LATER, 'ada')
      expect(await endOf('s1')).toEqual(['active', undefined, undefined, undefined])
    })

    it('is recorded with the time of the cancel, the actor, and the time of the confirmation', async () => {
      await registry.record(entry({ id: 's1' }))
      const begun = await registry.beginCancel('s1', NOW + 5, 'ada')
      expect(begun).toMatchObject({ endedAt: NOW + 5, endedBy: 'ada' })
      expect(await endOf('s1')).toEqual(['cancelling', NOW + 5, undefined, 'ada'])
      await registry.beginCancel('s1', NOW + 9, 'bea')
      await registry.confirmCancel(['s1'], LATER)
      await registry.confirmCancel(['s1'], LATER + 9)
      expect(await endOf('s1')).toEqual(['cancelled', NOW + 5, LATER, 'ada'])
    })

    it('has no actor when the service itself cancelled it', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.beginCancel('s1', NOW)
      expect(await endOf('s1')).toEqual(['cancelling', NOW, undefined, undefined])
    })

    it('is that of the first revoke, for each session of the user', async () => {
      for (const id of ['s1', 's2']) await registry.record(entry({ id }))
      await registry.record(entry({ id: 'bob', user: 'bob' }))
      const revoked = await registry.revoke(order({ by: 'ada' }))
      expect(revoked.cancelling).toMatchObject([{ endedBy: 'ada' }, { endedBy: 'ada' }])
      await registry.revoke(order({ by: 'bea', now: LATER }))
      for (const id of ['s1', 's2']) {
        expect(await endOf(id)).toEqual(['cancelling', NOW, undefined, 'ada'])
      }
      expect(await endOf('bob')).toEqual(['active', undefined, undefined, undefined])
    })

    it('of the running answers keeps its first reason', async () => {
      await registry.record(entry({ id: 's1', state: {} }))
      await registry.record(entry({ id: 's2', state: {} }, { replaces: 's1' }))
      await registry.record(entry({ id: 'expired', expiresAt: NOW + 10 }))
      await registry.record(entry({ id: 'hosted' }))
      await registry.record(entry({ id: 's3' }, { replaces: 'hosted' }))
      const identity = { issuer: 'https://idp.example/', subject: 'alice-sub' }
      await registry.revoke(order({ endReason: 'logged_out', identity, now: LATER }))
      await registry.revoke(order({ identity, now: LATER }))
      const reasons = { s1: 'logged_out', expired: 'logged_out', hosted: 'replaced' }
      for (const [id, reason] of Object.entries(reasons)) {
        await registry.beginCancel(id, LATER)
        expect([id, (await registry.getSession(id))?.endReason]).toEqual([id, reason])
      }
    })

    it('has the actor of the revoke, even if another one set the block', async () => {
      await registry.record(entry({ id: 's1' }))
      const block = { until: NOW + 60, reason: 'r', by: 'bea' }
      await registry.revoke(order({ by: 'ada', block }))
      expect(await endOf('s1')).toEqual(['cancelling', NOW, undefined, 'ada'])
      expect(await registry.getBlock('alice', NOW)).toMatchObject({ by: 'bea', reason: 'r' })
    })

    it('has no confirmation when the session expired before the upstream gave one', async () => {
      await registry.record(entry({ id: 's1', expiresAt: NOW + 10 }))
      await registry.beginCancel('s1', NOW, 'ada')
      await registry.claimCancels({ nowMs: LATER * 1000, limit: 5, leaseMs: 1000 })
      await registry.confirmCancel(['s1'], LATER)
      expect(await endOf('s1')).toEqual(['cancelled', NOW, undefined, 'ada'])
    })

    it('has as actor the one whose mint replaced or evicted it, for a backend its key', async () => {
      const replaces = (id: string) => ({ replaces: id, now: LATER })
      await registry.record(entry({ id: 'hosted' }))
      await registry.record(entry({ id: 'own', state: {} }, replaces('hosted')))
      await registry.record(entry({ id: 'next', state: {} }, replaces('own')))
      const user = 'https://idp.example/|alice-sub'
      expect(await endOf('hosted')).toEqual(['cancelling', LATER, undefined, user])
      expect(await endOf('own')).toEqual(['replaced', LATER, undefined, user])
      const cap = { max: 1, whenFull: 'evict_oldest' } as const
      const byKey = entry({ id: 'by-key', issuer: 'key:billing', subject: 'alice' }, { cap })
      await registry.record(byKey)
      expect(await endOf('next')).toEqual(['cancelling', NOW, undefined, 'key:billing'])
    })
  })
}
