import { describe, expect, it } from 'vitest'
import type { Registry } from '../../src/registry/port.ts'
import { entry, ids, NOW, order, query, type Suite, standingQuery } from './registry-fixtures.ts'

const among = (instances: readonly Registry[], at: number): Registry => {
  const registry = instances[at % instances.length]
  if (registry === undefined) throw new Error('no instance')
  return registry
}

/** Several instances on one store at the same time. */
export function concurrencySuite(suite: Suite): void {
  describe('many at once', () => {
    it('records exactly as many as the cap allows', async () => {
      const instances = await suite.instances()
      const cap = { max: 5, whenFull: 'deny' } as const
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, (_, at) =>
          among(instances, at).record(entry({ id: `s${at}` }, { cap })),
        ),
      )
      expect(outcomes.filter((outcome) => outcome.kind === 'recorded')).toHaveLength(5)
      expect((await among(instances, 0).readStanding(standingQuery())).liveSessions).toBe(5)
    })

    it('evicts so that the cap holds, each session once', async () => {
      const instances = await suite.instances()
      const cap = { max: 3, whenFull: 'evict_oldest' } as const
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, (_, at) =>
          among(instances, at).record(entry({ id: `s${at}` }, { cap })),
        ),
      )
      const ended = outcomes.flatMap((outcome) =>
        outcome.kind === 'recorded' ? ids(outcome.ended) : [],
      )
      expect(ended).toHaveLength(27)
      expect(new Set(ended).size).toBe(27)
      expect((await among(instances, 1).readStanding(standingQuery())).liveSessions).toBe(3)
      expect((await among(instances, 2).figures(NOW)).outboxLength).toBe(27)
    })

    it('leaves no session live that was recorded during a revoke', async () => {
      const instances = await suite.instances()
      for (let round = 0; round < 8; round++) {
        const user = `u${round}`
        const block = { until: NOW + 60, reason: undefined, by: 'a' }
        const records = Array.from({ length: 6 }, (_, at) =>
          among(instances, at).record(entry({ id: `${user}-${at}`, user })),
        )
        const revoked = await among(instances, round).revoke(order({ user, block }))
        const outcomes = await Promise.all(records)
        const recorded = outcomes.flatMap((outcome, at) =>
          outcome.kind === 'recorded' ? [`${user}-${at}`] : [],
        )
        expect([...ids(revoked.cancelling)].sort()).toEqual(recorded)
        const standing = await among(instances, round + 1).readStanding(standingQuery(user))
        expect(standing).toMatchObject({ generation: 1, liveSessions: 0, blockedUntil: NOW + 60 })
        const active = query({ user, status: 'active' })
        expect((await among(instances, 0).listSessions(active))?.data).toEqual([])
      }
    })

    it('raises the generation once per revoke', async () => {
      const instances = await suite.instances()
      await Promise.all(Array.from({ length: 20 }, (_, at) => among(instances, at).revoke(order())))
      expect((await among(instances, 0).readStanding(standingQuery())).generation).toBe(20)
    })

    it('leases no cancel twice', async () => {
      const instances = await suite.instances()
      for (let at = 0; at < 40; at++) {
        await among(instances, at).record(entry({ id: `s${at}`, user: `u${at % 4}` }))
      }
      for (let at = 0; at < 4; at++) await among(instances, at).revoke(order({ user: `u${at}` }))
      const claim = { nowMs: NOW * 1000 + 60_000, limit: 7, leaseMs: 10_000 }
      const claimed: string[] = []
      for (let round = 0; round < 12; round++) {
        const batches = await Promise.all(instances.map((registry) => registry.claimCancels(claim)))
        claimed.push(...batches.flatMap((batch) => ids(batch)))
      }
      expect(new Set(claimed).size).toBe(40)
      expect(claimed).toHaveLength(40)
    })

    it('replaces a session once', async () => {
      const instances = await suite.instances()
      await among(instances, 0).record(entry({ id: 'old' }))
      const replaces = 'old'
      const outcomes = await Promise.all(
        Array.from({ length: 9 }, (_, at) =>
          among(instances, at).record(entry({ id: `s${at}` }, { replaces })),
        ),
      )
      const ended = outcomes.flatMap((each) => (each.kind === 'recorded' ? ids(each.ended) : []))
      expect(ended).toEqual(['old'])
    })
  })
}
