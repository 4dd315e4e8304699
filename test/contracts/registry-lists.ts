import { beforeEach, describe, expect, it } from 'vitest'
import type { SessionQuery } from '../../src/registry/records.ts'
import { entry, NOW, order, pageIds, query, type Suite } from './registry-fixtures.ts'

/** In the order of creation, which differs from the order of ids and of times. */
const CREATED = ['m', 'c', 'z', 'a', 'x', 'b', 'y'] as const

export function listsSuite({ registry }: Suite): void {
  const list = async (of: Partial<SessionQuery>) => {
    const page = await registry.listSessions(query(of))
    return [pageIds(page).join(''), page?.hasMore]
  }

  describe('a list of sessions', () => {
    beforeEach(async () => {
      for (const id of CREATED) await registry.record(entry({ id }))
    })

    it('is newest first unless asked otherwise', async () => {
      expect(await list({})).toEqual(['ybxazcm', false])
      expect(await list({ order: 'asc' })).toEqual(['mczaxby', false])
    })

    it('pages forward without gap or repeat, in both orders', async () => {
      expect(await list({ limit: 3 })).toEqual(['ybx', true])
      expect(await list({ limit: 3, after: 'x' })).toEqual(['azc', true])
      expect(await list({ limit: 3, after: 'c' })).toEqual(['m', false])
      expect(await list({ limit: 3, after: 'm' })).toEqual(['', false])
      expect(await list({ limit: 4, order: 'asc', after: 'm' })).toEqual(['czax', true])
      expect(await list({ limit: 3, order: 'asc', after: 'a' })).toEqual(['xby', false])
    })

    it('pages backward from a cursor: the entries just before it, in the order asked for', async () => {
      expect(await list({ limit: 2, before: 'a' })).toEqual(['bx', true])
      expect(await list({ limit: 3, before: 'a' })).toEqual(['ybx', false])
      expect(await list({ limit: 2, order: 'asc', before: 'a' })).toEqual(['cz', true])
      expect(await list({ limit: 2, before: 'y' })).toEqual(['', false])
    })

    it('uses both cursors as the two ends of a page', async () => {
      expect(await list({ after: 'b', before: 'c' })).toEqual(['xaz', false])
      expect(await list({ limit: 2, after: 'b', before: 'c' })).toEqual(['xa', true])
      expect(await list({ order: 'asc', after: 'c', before: 'b' })).toEqual(['zax', false])
      expect(await list({ after: 'c', before: 'b' })).toEqual(['', false])
    })

    it('with a limit of 0 says only whether there are sessions', async () => {
      expect(await list({ limit: 0 })).toEqual(['', true])
      expect(await list({ limit: 0, user: 'nobody' })).toEqual(['', false])
    })

    it('has no page for a cursor that never existed', async () => {
      expect(await registry.listSessions(query({ after: 'nope' }))).toBeUndefined()
      expect(await registry.listSessions(query({ before: 'nope' }))).toBeUndefined()
      expect(await registry.listSessions(query({ after: 'a', before: 'nope' }))).toBeUndefined()
    })
  })

  describe('the filters of a list', () => {
    beforeEach(async () => {
      const other = 'https://other.example/'
      await registry.record(entry({ id: '1', user: 'bob', subject: 'bob-sub', workflow: 'sales' }))
      await registry.record(entry({ id: '2' }))
      await registry.record(entry({ id: '3', issuer: other, user: 'carol' }))
      await registry.record(entry({ id: '4', workflow: 'sales' }))
      await registry.record(entry({ id: '5', user: 'bob', subject: 'bob-sub', expiresAt: NOW }))
      await registry.record(entry({ id: '6', user: 'dora', issuer: other, subject: 'bob-sub' }))
      await registry.record(entry({ id: '7', user: 'dora' }))
      await registry.revoke(order({ user: 'dora' }))
      await registry.confirmCancel(['7'], NOW)
    })

    it('take each field alone', async () => {
      expect(await list({ user: 'bob' })).toEqual(['51', false])
      expect(await list({ workflow: 'sales' })).toEqual(['41', false])
      expect(await list({ issuer: 'https://other.example/' })).toEqual(['63', false])
      expect(await list({ subject: 'bob-sub' })).toEqual(['651', false])
      expect(await list({ subject: 'bob' })).toEqual(['', false])
    })

    it('accept each status as admins see it', async () => {
      expect(await list({ status: 'active' })).toEqual(['4321', false])
      expect(await list({ status: 'expired' })).toEqual(['5', false])
      expect(await list({ status: 'cancelling' })).toEqual(['6', false])
      expect(await list({ status: 'cancelled' })).toEqual(['7', false])
      expect(await list({ status: 'active', now: NOW - 1 })).toEqual(['54321', false])
      expect(await list({ status: 'expired', now: NOW + 600 })).toEqual(['54321', false])
      expect(await list({ status: 'replaced' })).toEqual(['', false])
    })

    it('find replaced sessions by their own status, even after their expiry', async () => {
      for (const id of ['8', '9']) await registry.record(entry({ id, user: 'eve', state: {} }))
      const replaces = '8'
      await registry.record(entry({ id: 'new', user: 'eve', state: {} }, { replaces }))
      for (const now of [NOW, NOW + 600]) {
        expect(await list({ status: 'replaced', now })).toEqual(['8', false])
        expect(await list({ status: 'replaced', user: 'eve', now })).toEqual(['8', false])
        expect(await list({ status: 'replaced', user: 'bob', now })).toEqual(['', false])
      }
      expect(await list({ status: 'active', user: 'eve' })).toEqual(['new9', false])
      expect(await list({ status: 'cancelling' })).toEqual(['6', false])
    })

    it('take several fields together', async () => {
      expect(await list({ user: 'bob', status: 'expired' })).toEqual(['5', false])
      expect(await list({ workflow: 'sales', subject: 'alice-sub' })).toEqual(['4', false])
      expect(await list({ issuer: 'https://idp.example/', subject: 'bob-sub' })).toEqual([
        '51',
        false,
      ])
      expect(await list({ user: 'bob', workflow: 'support', status: 'active' })).toEqual([
        '',
        false,
      ])
    })

    it('count in hasMore, and leave cursors of other sessions valid', async () => {
      expect(await list({ user: 'bob', limit: 1 })).toEqual(['5', true])
      expect(await list({ user: 'bob', limit: 1, after: '5' })).toEqual(['1', false])
      expect(await list({ user: 'bob', after: '3' })).toEqual(['1', false])
      expect(await list({ workflow: 'sales', limit: 1, order: 'asc' })).toEqual(['1', true])
      expect(await list({ status: 'active', limit: 2, before: '1' })).toEqual(['32', true])
    })
  })
}
