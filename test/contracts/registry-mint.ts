import { describe, expect, it } from 'vitest'
import {
  entry,
  hashOf,
  ids,
  NOW,
  order,
  pageIds,
  query,
  type Suite,
  session,
  standingQuery,
} from './registry-fixtures.ts'

/** readStanding and record. */
export function mintSuite({ registry }: Suite): void {
  describe('a mint', () => {
    it('finds no obstacle for an unknown user', async () => {
      expect(await registry.readStanding(standingQuery('nobody', hashOf('x')))).toEqual({
        generation: 0,
        blockedUntil: undefined,
        loggedOutAt: undefined,
        liveSessions: 0,
        current: undefined,
      })
    })

    it('records a session and gives it back field by field', async () => {
      const plain = session({ id: 'cksess_1' })
      const full = session({ id: 'cksess_2', sid: 'sid-1', workflow: 'sales' })
      expect(await registry.record({ ...entry({ id: 'x' }), session: plain })).toEqual({
        kind: 'recorded',
        ended: [],
      })
      await registry.record({ ...entry({ id: 'x' }), session: full })
      expect(await registry.getSession('cksess_1')).toEqual(plain)
      expect(await registry.getSession('cksess_2')).toEqual(full)
      expect(await registry.getSession('cksess_3')).toBeUndefined()
    })

    it('keeps users apart whatever characters they are made of', async () => {
      const users = [
        'a',
        'A',
        'a ',
        '{a}',
        '}{',
        'ä',
        'a\u0308',
        '😀'.repeat(256),
        "'; --",
        '%',
        '*',
      ]
      for (const [at, user] of users.entries()) await registry.record(entry({ id: `s${at}`, user }))
      for (const [at, user] of users.entries()) {
        const page = await registry.listSessions(query({ user }))
        expect(page?.data).toEqual([session({ id: `s${at}`, user })])
        expect((await registry.readStanding(standingQuery(user))).liveSessions).toBe(1)
      }
    })

    it('counts as live what is active and not expired', async () => {
      await registry.record(entry({ id: 'dead', expiresAt: NOW }))
      await registry.record(entry({ id: 'alive', expiresAt: NOW + 1 }))
      await registry.record(entry({ id: 'ended' }))
      await registry.beginCancel('ended', NOW)
      expect((await registry.readStanding(standingQuery())).liveSessions).toBe(1)
    })

    it('counts the live sessions only where the query asks for it', async () => {
      await registry.record(entry({ id: 's1' }))
      const question = { ...standingQuery(), exactFrom: undefined }
      expect((await registry.readStanding(question)).liveSessions).toBeUndefined()
    })

    it('names the session of the current secret, of the same user only, ended or not', async () => {
      await registry.record(entry({ id: 's1' }))
      const hash = hashOf('secret of s1')
      expect((await registry.readStanding(standingQuery('alice', hash))).current?.id).toBe('s1')
      expect((await registry.readStanding(standingQuery('bob', hash))).current).toBeUndefined()
      await registry.beginCancel('s1', NOW)
      const { current } = await registry.readStanding(standingQuery('alice', hash))
      expect(current).toMatchObject({ status: 'cancelling', endReason: 'cancelled' })
    })

    it('writes nothing once the generation has changed', async () => {
      await registry.revoke(order())
      expect(await registry.record(entry({ id: 's1' }))).toEqual({ kind: 'blocked' })
      expect(await registry.getSession('s1')).toBeUndefined()
      expect((await registry.listSessions(query()))?.data).toEqual([])
      expect(await registry.record(entry({ id: 's1' }, { generation: 1 }))).toMatchObject({
        kind: 'recorded',
      })
    })

    it('writes nothing while a block holds, which ends exactly at its second', async () => {
      await registry.revoke(order({ block: { until: NOW + 10, reason: undefined, by: 'service' } }))
      const at = (now: number, id: string) => registry.record(entry({ id }, { generation: 1, now }))
      expect(await at(NOW + 9, 's1')).toEqual({ kind: 'blocked' })
      expect(await registry.getSession('s1')).toBeUndefined()
      expect(await at(NOW + 10, 's2')).toMatchObject({ kind: 'recorded' })
    })

    it('changes nothing when it is repeated', async () => {
      for (const id of ['s1', 's2']) await registry.record(entry({ id }))
      expect(await registry.record(entry({ id: 's1' }))).toEqual({ kind: 'recorded', ended: [] })
      expect(pageIds(await registry.listSessions(query()))).toEqual(['s2', 's1'])
      await registry.beginCancel('s1', NOW)
      expect(await registry.record(entry({ id: 's1' }))).toEqual({ kind: 'blocked' })
    })

    it('is the same when it is repeated at a cap that is full, and evicts nothing', async () => {
      for (const whenFull of ['deny', 'evict_oldest'] as const) {
        const full = { cap: { max: 2, whenFull } }
        for (const id of ['s1', 's2', 's1', 's2']) {
          expect(await registry.record(entry({ id }, full))).toEqual({
            kind: 'recorded',
            ended: [],
          })
        }
        expect(await registry.record(entry({ id: 's1', user: 'bob' }, full))).toEqual({
          kind: 'taken',
        })
      }
    })

    it('writes nothing when its id is that of another session, or of an ended one', async () => {
      await registry.record(entry({ id: 's1' }))
      expect(await registry.record(entry({ id: 's1', user: 'bob' }))).toEqual({ kind: 'taken' })
      const secretHash = hashOf('another secret')
      expect(await registry.record(entry({ id: 's1', secretHash }))).toEqual({ kind: 'taken' })
      await registry.beginCancel('s1', NOW)
      const again = entry({ id: 's1', createdAt: NOW + 1 })
      expect(await registry.record(again)).toEqual({ kind: 'taken' })
      expect(await registry.getSession('s1')).toMatchObject({ user: 'alice', createdAt: NOW })
    })
  })

  describe('the cap of live sessions', () => {
    const cap = (whenFull: 'evict_oldest' | 'deny', max = 2) => ({ cap: { max, whenFull } })

    it('evicts the oldest, by creation and not by time', async () => {
      await registry.record(entry({ id: 'z', createdAt: NOW + 5 }))
      await registry.record(entry({ id: 'a', createdAt: NOW }))
      const outcome = await registry.record(entry({ id: 'm' }, cap('evict_oldest')))
      expect(outcome).toMatchObject({
        kind: 'recorded',
        ended: [{ id: 'z', status: 'cancelling', endReason: 'evicted' }],
      })
      expect((await registry.readStanding(standingQuery())).liveSessions).toBe(2)
    })

    it('evicts as many as a lowered cap requires', async () => {
      for (const id of ['s1', 's2', 's3', 's4']) await registry.record(entry({ id }))
      const outcome = await registry.record(entry({ id: 's5' }, cap('evict_oldest')))
      expect(outcome.kind === 'recorded' && ids(outcome.ended)).toEqual(['s1', 's2', 's3'])
    })

    it('ends the replaced session once, and evicts the others that a lowered cap requires', async () => {
      for (const id of ['s1', 's2', 's3']) await registry.record(entry({ id }))
      const replaces = 's2'
      const next = entry({ id: 's4' }, { ...cap('evict_oldest'), replaces })
      expect(await registry.record(next)).toMatchObject({
        kind: 'recorded',
        ended: [
          { id: 's2', endReason: 'replaced' },
          { id: 's1', endReason: 'evicted' },
        ],
      })
    })

    it('evicts no session that has just expired', async () => {
      await registry.record(entry({ id: 'over', expiresAt: NOW + 10 }))
      for (const id of ['s1', 's2']) await registry.record(entry({ id }))
      const outcome = await registry.record(
        entry({ id: 's3' }, { ...cap('evict_oldest'), now: NOW + 10 }),
      )
      expect(outcome.kind === 'recorded' && ids(outcome.ended)).toEqual(['s1'])
    })

    it('with `deny`, refuses and writes nothing', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.record(entry({ id: 's2' }))
      await registry.record(entry({ id: 's3' }))
      const more = { ...cap('deny'), replaces: 's1' }
      expect(await registry.record(entry({ id: 's4' }, more))).toEqual({ kind: 'full' })
      expect(await registry.getSession('s4')).toBeUndefined()
      expect((await registry.getSession('s1'))?.status).toBe('active')
      expect((await registry.figures(NOW)).outboxLength).toBe(0)
    })

    it('counts neither expired sessions, nor ended ones, nor those of others', async () => {
      await registry.record(entry({ id: 'expired', expiresAt: NOW }))
      await registry.record(entry({ id: 'ended' }))
      await registry.beginCancel('ended', NOW)
      await registry.record(entry({ id: 'of-bob', user: 'bob' }))
      await registry.record(entry({ id: 's1' }))
      expect(await registry.record(entry({ id: 's2' }, cap('deny')))).toMatchObject({
        kind: 'recorded',
      })
      expect(await registry.record(entry({ id: 's3' }, cap('deny')))).toEqual({ kind: 'full' })
    })

    it('does not count the session that the new one replaces', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.record(entry({ id: 's2' }))
      const replaces = 's2'
      expect(
        await registry.record(entry({ id: 's3' }, { ...cap('deny'), replaces })),
      ).toMatchObject({
        kind: 'recorded',
        ended: [{ id: 's2', status: 'cancelling', endReason: 'replaced' }],
      })
    })

    it('replaces a self-hosted session without a cancel: it neither works nor counts', async () => {
      await registry.record(entry({ id: 's1', state: {} }))
      const replaces = 's1'
      const outcome = await registry.record(
        entry({ id: 's2', state: {} }, { ...cap('deny', 1), replaces }),
      )
      expect(outcome).toEqual({ kind: 'recorded', ended: [] })
      const replaced = session({ id: 's1', state: {}, status: 'replaced', endReason: 'replaced' })
      const end = { endedAt: NOW, endedBy: 'https://idp.example/|alice-sub' }
      expect(await registry.getSession('s1')).toEqual({ ...replaced, ...end })
      expect(await registry.figures(NOW)).toEqual({ activeSessions: 1, outboxLength: 0 })
      const hash = hashOf('secret of s1')
      const standing = await registry.readStanding(standingQuery('alice', hash))
      expect(standing).toMatchObject({ liveSessions: 1, current: { status: 'replaced' } })
      const use = {
        id: 's1',
        user: 'alice',
        maxPerMinute: 9,
        counts: 'run',
        nowMs: NOW * 1000,
      } as const
      expect(await registry.useSession(use)).toEqual({ kind: 'ended' })
      expect(await registry.record(entry({ id: 's1', state: {} }))).toEqual({ kind: 'blocked' })
      expect(await registry.record(entry({ id: 's3', state: {} }, { replaces }))).toEqual({
        kind: 'recorded',
        ended: [],
      })
      expect((await registry.beginCancel('s1', NOW))?.status).toBe('replaced')
      expect(ids((await registry.revoke(order())).cancelling)).toEqual(['s2', 's3'])
      expect((await registry.getSession('s1'))?.status).toBe('replaced')
    })

    it('replaces only a live session of the same user', async () => {
      await registry.record(entry({ id: 'of-bob', user: 'bob' }))
      await registry.record(entry({ id: 'expired', expiresAt: NOW }))
      for (const of of ['of-bob', 'expired', 'unknown']) {
        expect(await registry.record(entry({ id: `after-${of}` }, { replaces: of }))).toEqual({
          kind: 'recorded',
          ended: [],
        })
      }
      expect((await registry.getSession('of-bob'))?.status).toBe('active')
    })
  })
}
