import { describe, expect, it } from 'vitest'
import { signInOf } from '../../src/registry/identity.ts'
import { entry, ids, NOW, order, type Suite, standingQuery } from './registry-fixtures.ts'

const block = (until: number, reason?: string) => ({ until, reason, by: 'idp|ada' })

/** revoke, beginCancel, blocks, logout. */
export function revokeSuite({ registry }: Suite): void {
  describe('a revoke', () => {
    it('ends the live sessions of the one user and raises the generation', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.record(entry({ id: 's2' }))
      await registry.record(entry({ id: 'expired', expiresAt: NOW }))
      await registry.record(entry({ id: 'of-bob', user: 'bob' }))
      const outcome = await registry.revoke(order())
      expect(outcome.blockedUntil).toBeUndefined()
      expect(outcome.cancelling).toMatchObject([
        { id: 's1', status: 'cancelling', endReason: 'revoked' },
        { id: 's2', status: 'cancelling', endReason: 'revoked' },
      ])
      expect((await registry.getSession('expired'))?.status).toBe('active')
      expect((await registry.getSession('of-bob'))?.status).toBe('active')
      expect(await registry.readStanding(standingQuery())).toMatchObject({
        generation: 1,
        liveSessions: 0,
      })
      expect((await registry.readStanding(standingQuery('bob'))).generation).toBe(0)
    })

    it('returns the cancels still to be confirmed when it is repeated', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.record(entry({ id: 's2', expiresAt: NOW + 100 }))
      await registry.record(entry({ id: 's3' }))
      await registry.revoke(order({ endReason: 'signed_out' }))
      await registry.confirmCancel(['s1'], NOW)
      const again = await registry.revoke(order())
      expect(ids(again.cancelling)).toEqual(['s2', 's3'])
      expect(again.cancelling[0]?.endReason).toBe('signed_out')
      const third = await registry.revoke(order({ now: NOW + 100 }))
      expect(ids(third.cancelling)).toEqual(['s3'])
      expect([again.generation, third.generation]).toEqual([2, 3])
      expect((await registry.readStanding(standingQuery())).generation).toBe(3)
    })

    it('of an unknown user still raises the generation and blocks', async () => {
      expect(await registry.revoke(order({ user: 'ghost', block: block(NOW + 60) }))).toEqual({
        cancelling: [],
        blockedUntil: NOW + 60,
        generation: 1,
        known: false,
      })
      expect(await registry.readStanding(standingQuery('ghost'))).toMatchObject({
        generation: 1,
        blockedUntil: NOW + 60,
      })
    })

    it('of one identity ends only what matches every given part', async () => {
      const issuer = 'https://idp.example/'
      await registry.record(entry({ id: 'a1', sid: 'x' }))
      await registry.record(entry({ id: 'a2', sid: 'y' }))
      await registry.record(entry({ id: 'b1', subject: 'other', sid: 'x' }))
      await registry.record(entry({ id: 'c1', issuer: 'https://other.example/', sid: 'x' }))
      await registry.record(entry({ id: 'd1' }))
      const revoke = async (identity: { issuer: string; subject?: string; sid?: string }) =>
        ids((await registry.revoke(order({ identity }))).cancelling)
      expect(await revoke({ issuer, subject: 'alice-sub', sid: 'x' })).toEqual(['a1'])
      expect(await revoke({ issuer, sid: 'x' })).toEqual(['a1', 'b1'])
      expect(await revoke({ issuer, subject: 'alice-sub' })).toEqual(['a1', 'a2', 'd1'])
      expect(await revoke({ issuer, subject: 'nobody' })).toEqual([])
      expect(await revoke({ issuer })).toEqual(['a1', 'a2', 'b1', 'd1'])
      expect((await registry.getSession('c1'))?.status).toBe('active')
      expect((await registry.readStanding(standingQuery())).generation).toBe(5)
    })

    it('ends 5,000 sessions of one user in one step', { timeout: 60_000 }, async () => {
      const cap = { max: 10_000, whenFull: 'deny' } as const
      for (let from = 0; from < 5_000; from += 250) {
        const batch = Array.from({ length: 250 }, (_, at) =>
          entry({ id: `s${from + at}` }, { cap }),
        )
        await Promise.all(batch.map((each) => registry.record(each)))
      }
      expect((await registry.revoke(order())).cancelling).toHaveLength(5_000)
      expect((await registry.figures(NOW)).outboxLength).toBe(5_000)
    })
  })

  describe('one cancel', () => {
    it('turns a live session into cancelling, once', async () => {
      await registry.record(entry({ id: 's1' }))
      const first = await registry.beginCancel('s1', NOW)
      expect(first).toMatchObject({ id: 's1', status: 'cancelling', endReason: 'cancelled' })
      expect(await registry.beginCancel('s1', NOW)).toEqual(first)
      expect(await registry.getSession('s1')).toEqual(first)
      expect((await registry.readStanding(standingQuery())).generation).toBe(0)
    })

    it('returns ended sessions as they are, and nothing for unknown ones', async () => {
      await registry.record(entry({ id: 'expired', expiresAt: NOW }))
      await registry.record(entry({ id: 'done' }))
      await registry.beginCancel('done', NOW)
      await registry.confirmCancel(['done'], NOW)
      expect((await registry.beginCancel('expired', NOW))?.status).toBe('active')
      expect((await registry.beginCancel('done', NOW))?.status).toBe('cancelled')
      expect(await registry.beginCancel('unknown', NOW)).toBeUndefined()
      expect((await registry.figures(NOW)).outboxLength).toBe(0)
    })
  })

  describe('a block', () => {
    it('stays if it is longer than the new one, and is replaced if it is shorter', async () => {
      const revoke = async (until: number, now = NOW) =>
        (await registry.revoke(order({ block: block(until), now }))).blockedUntil
      expect(await revoke(NOW + 100)).toBe(NOW + 100)
      expect(await revoke(NOW + 50)).toBe(NOW + 100)
      expect((await registry.revoke(order())).blockedUntil).toBe(NOW + 100)
      expect(await revoke(NOW + 200)).toBe(NOW + 200)
      const again = { ...block(NOW + 200), reason: 'again' }
      expect((await registry.revoke(order({ block: again }))).blockedUntil).toBe(NOW + 200)
      expect((await registry.getBlock('alice', NOW))?.reason).toBe(block(NOW + 200).reason)
      expect(await revoke(NOW + 250, NOW + 200)).toBe(NOW + 250)
    })

    it('is over at its last second', async () => {
      await registry.revoke(order({ block: block(NOW + 10) }))
      const at = (now: number) => registry.readStanding({ ...standingQuery(), now })
      expect((await at(NOW + 9)).blockedUntil).toBe(NOW + 10)
      expect((await at(NOW + 10)).blockedUntil).toBeUndefined()
      expect((await registry.revoke(order({ now: NOW + 10 }))).blockedUntil).toBeUndefined()
    })

    it('is lifted once, and the generation stays', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.revoke(order({ block: block(NOW + 10) }))
      expect(await registry.liftBlock('alice', NOW)).toBe(true)
      expect(await registry.liftBlock('alice', NOW)).toBe(false)
      expect(await registry.liftBlock('ghost', NOW)).toBe(false)
      const standing = await registry.readStanding(standingQuery())
      expect(standing).toMatchObject({ generation: 1, blockedUntil: undefined, liveSessions: 0 })
      await registry.revoke(order({ user: 'bob', block: block(NOW + 10) }))
      expect(await registry.liftBlock('bob', NOW + 10)).toBe(false)
    })

    it('is listed while it holds, newest first, with who and why', async () => {
      const list = async (now = NOW) =>
        (await registry.listBlocks({ limit: 20, order: 'desc', now }))?.data
      await registry.revoke(order({ user: 'alice', block: block(NOW + 10, 'spam') }))
      await registry.revoke(order({ user: '{bob}', block: block(NOW + 20) }))
      await registry.revoke(order({ user: 'carol' }))
      await registry.revoke(order({ user: 'alice', block: block(NOW + 5, 'shorter') }))
      const more = { reason: undefined, by: 'idp|ada', createdAt: NOW }
      expect(await list()).toEqual([
        { ...more, user: '{bob}', until: NOW + 20, generation: 1 },
        { ...more, user: 'alice', until: NOW + 10, reason: 'spam', generation: 2 },
      ])
      expect((await list(NOW + 10))?.map((one) => one.user)).toEqual(['{bob}'])
      await registry.revoke(order({ user: 'alice', block: block(NOW + 30) }))
      expect(await list()).toEqual([
        { ...more, user: 'alice', until: NOW + 30, generation: 3 },
        { ...more, user: '{bob}', until: NOW + 20, generation: 1 },
      ])
      await registry.liftBlock('{bob}', NOW)
      expect((await list())?.map((one) => one.user)).toEqual(['alice'])
    })

    it('pages in both orders by user, and refuses the cursor of a user without a block', async () => {
      for (const user of ['u1', 'u2', 'u3', 'u4']) {
        await registry.revoke(order({ user, block: block(NOW + 60) }))
      }
      const list = async (of: {
        limit: number
        order?: 'asc'
        after?: string
        before?: string
      }) => {
        const page = await registry.listBlocks({ order: 'desc', now: NOW, ...of })
        return page && [page.data.map((one) => one.user).join(), page.hasMore]
      }
      expect(await list({ limit: 3 })).toEqual(['u4,u3,u2', true])
      expect(await list({ limit: 3, after: 'u2' })).toEqual(['u1', false])
      expect(await list({ limit: 2, order: 'asc', after: 'u1' })).toEqual(['u2,u3', true])
      expect(await list({ limit: 2, before: 'u1' })).toEqual(['u3,u2', true])
      expect(await list({ limit: 0 })).toEqual(['', true])
      expect(await list({ limit: 1, after: 'nobody' })).toBeUndefined()
      expect(await list({ limit: 1, before: 'nobody' })).toBeUndefined()
    })
  })

  describe('a logout', () => {
    const issuer = 'https://idp.example/'
    const mark = { issuedBefore: NOW, keepUntil: NOW + 1000 }
    const loggedOutAt = async (identity: { issuer: string; subject?: string; sid?: string }) =>
      (await registry.readStanding({ user: 'alice', identity, now: NOW })).loggedOutAt

    it('marks the subject, the sid, or each of both, at one issuer', async () => {
      await registry.markLogout({ issuer, subject: 's', ...mark })
      await registry.markLogout({ issuer, sid: 'x', ...mark, issuedBefore: NOW - 5 })
      await registry.markLogout({ issuer, subject: 'both', sid: 'both-sid', ...mark })
      expect(await loggedOutAt({ issuer, subject: 's' })).toBe(NOW)
      expect(await loggedOutAt({ issuer, subject: 'other', sid: 'x' })).toBe(NOW - 5)
      expect(await loggedOutAt({ issuer, subject: 's', sid: 'x' })).toBe(NOW)
      expect(await loggedOutAt({ issuer, subject: 'both', sid: 'y' })).toBe(NOW)
      expect(await loggedOutAt({ issuer, subject: 'z', sid: 'both-sid' })).toBe(NOW)
      expect(await loggedOutAt({ issuer, subject: 'x', sid: 's' })).toBeUndefined()
      expect(await loggedOutAt({ issuer: `${issuer}2`, subject: 's' })).toBeUndefined()
    })

    it('is never moved back in time, only forward', async () => {
      const identity = { issuer, subject: 's' }
      const again = (issuedBefore: number, keepUntil: number) =>
        registry.markLogout({ ...identity, issuedBefore, keepUntil })
      const at = async (now: number) =>
        (await registry.readStanding({ user: 'alice', identity, now })).loggedOutAt
      await registry.markLogout({ ...identity, ...mark })
      await again(NOW - 60, NOW + 1)
      expect([await at(NOW + 999), await at(NOW + 1000)]).toEqual([NOW, undefined])
      await again(NOW + 60, NOW + 2000)
      expect([await at(NOW + 1999), await at(NOW + 2000)]).toEqual([NOW + 60, undefined])
    })

    const substitute = signInOf('s', undefined)
    it.each([
      ['subject', { subject: 's' }, undefined],
      ['sid', { sid: 'x' }, 'x'],
      ['substitute for a sid', { sid: substitute }, substitute],
    ])('of a %s refuses to record an older token, and evicts nothing', async (_, identity, sid) => {
      const of = { subject: 's', sid, issuer }
      const full = { cap: { max: 1, whenFull: 'evict_oldest' } } as const
      const mint = (id: string, tokenIssuedAt: number | undefined, now = NOW) =>
        registry.record(entry({ ...of, id }, { ...full, tokenIssuedAt, now }))
      await mint('s1', NOW - 1)
      await registry.markLogout({ issuer, ...identity, ...mark })
      for (const issuedAt of [NOW - 1, 0]) {
        expect(await mint('s2', issuedAt)).toEqual({ kind: 'logged_out' })
      }
      expect(await registry.getSession('s2')).toBeUndefined()
      expect(await registry.getSession('s1')).toMatchObject({ status: 'active' })
      const raised = entry({ ...of, id: 's2' }, { generation: -1, tokenIssuedAt: 0 })
      expect(await registry.record(raised)).toEqual({ kind: 'logged_out' })
      const recorded = [mint('s3', NOW), mint('s4', undefined), mint('s5', 0, mark.keepUntil)]
      for (const outcome of recorded) expect(await outcome).toMatchObject({ kind: 'recorded' })
    })

    it('finds every user with sessions of the subject or the sid, sorted', async () => {
      await registry.record(entry({ id: 's2', user: 'u{2}', subject: 's' }))
      await registry.record(entry({ id: 's1', user: 'u1', subject: 's', sid: 'x' }))
      await registry.record(entry({ id: 's3', user: 'u3', subject: 't', sid: 'x' }))
      const other = { subject: 's', sid: 'x', issuer: 'https://other.example/' }
      await registry.record(entry({ id: 's4', user: 'u4', ...other }))
      const users = async (identity: { subject?: string; sid?: string }) =>
        registry.usersOf({ issuer, ...identity })
      expect(await users({ subject: 's' })).toEqual(['u1', 'u{2}'])
      expect(await users({ sid: 'x' })).toEqual(['u1', 'u3'])
      expect(await users({ subject: 's', sid: 'x' })).toEqual(['u1', 'u3', 'u{2}'])
      expect(await users({ subject: 'nobody' })).toEqual([])
    })

    it('finds the users whose sessions have the substitute for a sid', async () => {
      const sid = signInOf('s', undefined)
      await registry.record(entry({ id: 's1', user: 'u1', subject: 's', sid }))
      await registry.record(entry({ id: 's2', user: 'u2', subject: 's', sid: 'x' }))
      await registry.record(entry({ id: 's3', user: 'u3', subject: 's', sid, issuer: 'other' }))
      expect(await registry.usersOf({ issuer, sid })).toEqual(['u1'])
      expect(await registry.usersOf({ issuer, sid: signInOf('x', undefined) })).toEqual([])
    })
  })
}
