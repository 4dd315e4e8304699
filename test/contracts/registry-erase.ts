import { describe, expect, it } from 'vitest'
import { entryHash, isChained } from '../../src/registry/audit-entry.ts'
import type { UserErase } from '../../src/registry/records.ts'
import type { Plain } from '../support/ids.ts'
import {
  auditEntry,
  chainedEntry,
  entry,
  ids,
  NOW,
  order,
  ownership,
  pageIds,
  query,
  type Suite,
  standingQuery,
} from './registry-fixtures.ts'

const LATER = NOW + 601

const erase = (of: Partial<Plain<UserErase>> = {}) => ({
  user: 'alice',
  limit: 100,
  now: NOW,
  ...of,
})

/** eraseUser, getBlock, and liftBlock with a generation. */
export function eraseSuite(suite: Suite): void {
  const { registry } = suite
  const sessionsOf = async (user: string, now = NOW) =>
    pageIds(await registry.listSessions(query({ user, now, order: 'asc' })))
  const entriesOf = async (user?: string) => pageIds(await registry.listAudit({ limit: 20, user }))

  describe('forgetting a user', () => {
    it('removes sessions that were replaced', async () => {
      await registry.record(entry({ id: 'replaced', state: {} }))
      const replaces = 'replaced'
      await registry.record(entry({ id: 'live', state: {} }, { replaces }))
      expect(await registry.eraseUser(erase())).toEqual({ erased: 1, more: false })
      expect(await sessionsOf('alice')).toEqual(['live'])
    })

    it('removes no session of another user', async () => {
      const user = 'bob'
      await registry.record(entry({ id: 'expired', user, expiresAt: NOW }))
      await registry.record(entry({ id: 'replaced', user, state: {} }))
      await registry.record(entry({ id: 'live', user, state: {} }, { replaces: 'replaced' }))
      expect(await registry.eraseUser(erase())).toEqual({ erased: 0, more: false })
      expect(await sessionsOf(user)).toEqual(['expired', 'replaced', 'live'])
    })

    it('removes sessions that were cancelled or have expired, from every list', async () => {
      await registry.record(entry({ id: 'cancelled', sid: 'sid' }))
      await registry.record(entry({ id: 'expired', expiresAt: NOW + 10 }))
      await registry.record(entry({ id: 'live' }))
      await registry.beginCancel('cancelled', NOW)
      await registry.confirmCancel(['cancelled'], NOW)
      const now = NOW + 10
      expect(await registry.eraseUser(erase({ now }))).toEqual({ erased: 2, more: false })
      expect(await sessionsOf('alice', now)).toEqual(['live'])
      for (const id of ['cancelled', 'expired']) {
        expect(await registry.getSession(id)).toBeUndefined()
        expect(await registry.listSessions(query({ after: id }))).toBeUndefined()
      }
      for (const filter of [{ workflow: 'support' }, { subject: 'alice-sub' }, {}]) {
        expect(pageIds(await registry.listSessions(query({ ...filter, now })))).toEqual(['live'])
      }
      expect(pageIds(await registry.listSessions(query({ status: 'cancelled' })))).toEqual([])
      const { current } = await registry.readStanding(
        standingQuery('alice', entry({ id: 'cancelled' }).session.secretHash),
      )
      expect(current).toBeUndefined()
    })

    it('leaves a cancel that is not confirmed in the registry and in the outbox', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.record(entry({ id: 's2' }))
      await registry.revoke(order())
      await registry.confirmCancel(['s1'], NOW)
      expect(await registry.eraseUser(erase())).toEqual({ erased: 1, more: false })
      expect(await sessionsOf('alice')).toEqual(['s2'])
      const claim = { nowMs: (NOW + 60) * 1000, limit: 10, leaseMs: 1000 }
      expect(ids(await registry.claimCancels(claim))).toEqual(['s2'])
      await registry.confirmCancel(['s2'], NOW + 60)
      expect(await registry.eraseUser(erase({ now: NOW + 60 }))).toEqual({ erased: 1, more: false })
      expect(await sessionsOf('alice', NOW + 60)).toEqual([])
    })

    it('removes an unconfirmed cancel once its session has expired', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.revoke(order())
      expect((await registry.eraseUser(erase({ now: LATER }))).erased).toBe(1)
      const claim = { nowMs: LATER * 1000, limit: 10, leaseMs: 1000 }
      expect(await registry.claimCancels(claim)).toEqual([])
      expect((await registry.figures(NOW)).outboxLength).toBe(0)
    })

    it('leaves a user with a session known', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.eraseUser(erase())
      const users = async () => (await registry.listUsers({ limit: 5, now: NOW }))?.data ?? []
      expect((await users()).map(({ user }) => user)).toEqual(['alice'])
      await registry.eraseUser(erase({ now: LATER }))
      expect(await users()).toEqual([])
    })

    it('removes the audit entries about the user, except those that prove the erase', async () => {
      await registry.appendAudit([
        auditEntry({ id: 'a1', user: 'alice', action: 'mint' }),
        auditEntry({ id: 'a2', user: 'alice', action: 'erase' }),
        auditEntry({ id: 'b1', user: 'bob', action: 'mint' }),
        auditEntry({ id: 'n1', action: 'mint' }),
        auditEntry({ id: 'a3', user: 'alice', action: 'revoke' }),
      ])
      expect(await registry.eraseUser(erase())).toEqual({ erased: 2, more: false })
      expect(await entriesOf('alice')).toEqual(['a2'])
      expect(await entriesOf()).toEqual(['n1', 'b1', 'a2'])
      expect(pageIds(await registry.listAudit({ limit: 9, action: 'mint' }))).toEqual(['n1', 'b1'])
      expect(await registry.listAudit({ limit: 9, after: 'a1' })).toBeUndefined()
      expect(await registry.eraseUser(erase())).toEqual({ erased: 0, more: false })
    })

    it('leaves chained entries in place, with the same hash and without the user', async () => {
      const of = { user: 'alice', reason: 'alice left' }
      const own = chainedEntry({ id: 'own', ...of, actor: 'iss|alice' }, { byUser: true })
      const byAdmin = chainedEntry({ id: 'admin', ...of, actor: 'iss|ada' }, { seq: 2, prev: 'p' })
      const proof = chainedEntry({ id: 'proof', ...of, action: 'erase' }, { seq: 3, prev: 'q' })
      const others = chainedEntry({ id: 'bob', user: 'bob', actor: 'iss|alice' }, { seq: 4 })
      await registry.appendAudit([own, byAdmin, proof, others])
      expect(await registry.eraseUser(erase())).toEqual({ erased: 2, more: false })
      expect(await registry.eraseUser(erase())).toEqual({ erased: 0, more: false })
      const left = (await registry.listAudit({ limit: 9 }))?.data ?? []
      expect(left.slice(0, 2)).toEqual([others, proof])
      expect(JSON.stringify(left.slice(2))).not.toMatch(/alice|salt/)
      const [admin, users] = left.slice(2).filter(isChained)
      expect(admin).toMatchObject({ id: 'admin', actor: 'iss|ada', action: 'revoke' })
      expect(users).toMatchObject({ id: 'own', chain: { seq: 1 } })
      expect([admin, users].map((one) => one && entryHash(one))).toEqual([
        entryHash(byAdmin),
        entryHash(own),
      ])
      expect(await entriesOf('alice')).toEqual(['proof'])
      const byActor = async (actor: string) =>
        pageIds(await registry.listAudit({ limit: 9, actor }))
      expect(await byActor('iss|alice')).toEqual(['bob'])
      expect(await byActor('iss|ada')).toEqual(['admin'])
    })

    it('works in steps of the given size, and passes over what stays', async () => {
      for (let at = 0; at < 5; at++) await registry.record(entry({ id: `s${at}` }))
      await registry.revoke(order())
      await registry.confirmCancel(['s1', 's2', 's4'], NOW)
      const entries = ['erase', 'erase', 'mint', 'erase', 'mint'].map((action, at) =>
        auditEntry({ id: `a${at}`, user: 'alice', action }),
      )
      await registry.appendAudit(entries)
      const sizes: number[] = []
      for (let more = true; more; ) {
        const outcome = await registry.eraseUser(erase({ limit: 2 }))
        sizes.push(outcome.erased)
        more = outcome.more
        expect(sizes.length).toBeLessThan(5)
      }
      expect(sizes).toEqual([2, 2, 1])
      expect(await sessionsOf('alice')).toEqual(['s0', 's3'])
      expect(await entriesOf('alice')).toEqual(['a3', 'a1', 'a0'])
    })

    it("removes the counter of the user's mints, and no other", async () => {
      const window = { seconds: 60, nowMs: NOW * 1000 }
      const used = async (user: string) =>
        (await registry.beginMint(standingQuery(user), window)).rate.used
      for (const user of ['alice', 'bob']) expect(await used(user)).toBe(1)
      await registry.eraseUser(erase())
      await registry.eraseUser(erase({ user: 'nobody' }))
      expect([await used('alice'), await used('bob')]).toEqual([1, 2])
    })

    it("removes the counters of the user's new attachments, links and reads, and no other", async () => {
      const keys = ['attachments:alice', 'links:alice', 'reads:alice', 'reads:alice2', 'links:bob']
      const used = async (key: string) =>
        (await registry.consume(key, { seconds: 86_400, nowMs: NOW * 1000 })).used
      for (const key of keys) expect(await used(key)).toBe(1)
      await registry.eraseUser(erase())
      expect(await Promise.all(keys.map(used))).toEqual([1, 1, 1, 2, 2])
    })

    it('leaves generation, block, marks and ownership, which stop what is under way', async () => {
      const block = { until: NOW + 60, reason: 'r', by: 'ada' }
      const { identity } = standingQuery()
      await registry.revoke(order({ block }))
      await registry.markLogout({ ...identity, issuedBefore: NOW, keepUntil: NOW + 60 })
      await registry.claimOwnership(ownership({ id: 't1' }))
      await registry.eraseUser(erase())
      expect(await registry.readStanding(standingQuery())).toMatchObject({
        generation: 1,
        blockedUntil: NOW + 60,
        loggedOutAt: NOW,
      })
      expect(await registry.record(entry({ id: 'late' }))).toEqual({ kind: 'blocked' })
      expect(await registry.ownersOf([ownership({ id: 't1' })])).toEqual(['alice'])
    })

    it('changes nothing of other users, not even with the same subject', async () => {
      for (const user of ['alice', 'bob', 'alice2']) {
        await registry.record(entry({ id: `of-${user}`, user }))
        await registry.appendAudit([auditEntry({ id: `a-${user}`, user })])
      }
      expect((await registry.eraseUser(erase({ now: LATER }))).erased).toBe(2)
      for (const user of ['bob', 'alice2']) {
        expect(await sessionsOf(user, LATER)).toEqual([`of-${user}`])
        expect(await entriesOf(user)).toEqual([`a-${user}`])
      }
      expect((await registry.readStanding(standingQuery('bob'))).liveSessions).toBe(1)
      const users = await registry.usersOf({ issuer: 'https://idp.example/', subject: 'alice-sub' })
      expect(users).toEqual(expect.arrayContaining(['bob', 'alice2']))
    })

    it('does nothing for an unknown user', async () => {
      const nobody = erase({ user: 'nobody' })
      expect(await registry.eraseUser(nobody)).toEqual({ erased: 0, more: false })
    })

    it('by several instances at once leaves nothing, and counts nothing twice', async () => {
      const instances = await suite.instances()
      for (let at = 0; at < 12; at++) await registry.record(entry({ id: `s${at}` }))
      const of = { user: 'alice', actor: 'iss|ada' }
      await registry.appendAudit([
        auditEntry({ id: 'a1', ...of }),
        chainedEntry({ id: 'a2', ...of }),
      ])
      const outcomes = await Promise.all(
        instances.map((instance) => instance.eraseUser(erase({ now: LATER }))),
      )
      expect(outcomes.reduce((sum, { erased }) => sum + erased, 0)).toBe(12 + 2)
      expect(await sessionsOf('alice', LATER)).toEqual([])
    })

    it('lets the user start again', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.revoke(order())
      await registry.confirmCancel(['s1'], NOW)
      await registry.eraseUser(erase())
      const again = entry({ id: 's2' }, { generation: 1 })
      expect(await registry.record(again)).toEqual({ kind: 'recorded', ended: [] })
      expect(await sessionsOf('alice')).toEqual(['s2'])
    })
  })

  describe('one block', () => {
    const block = { until: NOW + 60, reason: 'left', by: 'ada' }

    it('is read while it holds', async () => {
      expect(await registry.getBlock('alice', NOW)).toBeUndefined()
      await registry.revoke(order({ block }))
      const read = { user: 'alice', ...block, createdAt: NOW, generation: 1 }
      expect(await registry.getBlock('alice', NOW + 59)).toEqual(read)
      expect(await registry.getBlock('alice', NOW + 60)).toBeUndefined()
      expect(await registry.getBlock('bob', NOW)).toBeUndefined()
    })

    it('is lifted by the generation of the last revoke that asked for one, be it for a shorter one', async () => {
      await registry.revoke(order({ block }))
      const shorter = { ...block, until: NOW + 1 }
      expect(await registry.revoke(order({ block: shorter }))).toMatchObject({ blockBefore: 1 })
      expect(await registry.revoke(order({ endReason: 'signed_out' }))).toMatchObject({
        blockBefore: 2,
      })
      for (const other of [1, 3]) expect(await registry.liftBlock('alice', NOW, other)).toBe(false)
      expect(await registry.getBlock('alice', NOW)).toMatchObject({ until: NOW + 60 })
      expect(await registry.liftBlock('alice', NOW, 2)).toBe(true)
      expect(await registry.getBlock('alice', NOW)).toBeUndefined()
      expect(await registry.liftBlock('nobody', NOW, 0)).toBe(false)
    })
  })
}
