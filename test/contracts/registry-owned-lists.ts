import { beforeEach, describe, expect, it } from 'vitest'
import type { OwnedQuery } from '../../src/registry/owned-records.ts'
import { NOW, ownership, pageIds, type Suite } from './registry-fixtures.ts'

/** In the order of creation, which differs from the order of ids and of times. */
const CREATED = ['m', 'c', 'z', 'a', 'x', 'b', 'y'] as const

export function ownedListsSuite({ registry }: Suite): void {
  const list = async (of: Partial<OwnedQuery>) => {
    const page = await registry.listOwned({ kind: 'thread', limit: 20, order: 'desc', ...of })
    return [pageIds(page).join(''), page?.hasMore]
  }

  describe('a list of what is owned', () => {
    beforeEach(async () => {
      for (const id of CREATED) {
        await registry.claimOwnership(ownership({ id, createdAt: NOW - id.charCodeAt(0) }))
      }
    })

    it('is newest first unless asked otherwise, and pages forward in both orders', async () => {
      expect(await list({})).toEqual(['ybxazcm', false])
      expect(await list({ order: 'asc' })).toEqual(['mczaxby', false])
      expect(await list({ limit: 3 })).toEqual(['ybx', true])
      expect(await list({ limit: 3, after: 'x' })).toEqual(['azc', true])
      expect(await list({ limit: 3, after: 'c' })).toEqual(['m', false])
      expect(await list({ limit: 3, after: 'm' })).toEqual(['', false])
      expect(await list({ limit: 4, order: 'asc', after: 'm' })).toEqual(['czax', true])
      expect(await list({ limit: 3, order: 'asc', after: 'a' })).toEqual(['xby', false])
      expect(await list({ limit: 0 })).toEqual(['', true])
    })

    it('pages backward, and between two cursors', async () => {
      expect(await list({ limit: 2, before: 'a' })).toEqual(['bx', true])
      expect(await list({ limit: 3, before: 'a' })).toEqual(['ybx', false])
      expect(await list({ limit: 2, order: 'asc', before: 'a' })).toEqual(['cz', true])
      expect(await list({ after: 'b', before: 'c' })).toEqual(['xaz', false])
      expect(await list({ order: 'asc', after: 'c', before: 'b' })).toEqual(['zax', false])
    })

    it('continues at the right place, even if things are released in between', async () => {
      expect(await list({ limit: 2 })).toEqual(['yb', true])
      await registry.releaseOwnership(ownership({ id: 'x' }))
      await registry.releaseOwnership(ownership({ id: 'y' }))
      expect(await list({ limit: 2, after: 'b' })).toEqual(['az', true])
      expect(await list({ user: 'alice', limit: 2, after: 'z' })).toEqual(['cm', false])
    })

    it('has no page for a cursor that names nothing on the list', async () => {
      await registry.claimOwnership(ownership({ id: 'of-bob', user: 'bob' }))
      await registry.claimOwnership(ownership({ id: 'file', kind: 'attachment' }))
      await registry.claimOwnership(ownership({ id: 'sold', source: 'sales' }))
      await registry.claimOwnership(ownership({ id: 'gone' }))
      await registry.releaseOwnership(ownership({ id: 'gone' }))
      const query = { kind: 'thread', limit: 5, order: 'desc' } as const
      for (const id of ['nope', 'file', 'gone']) {
        expect(await registry.listOwned({ ...query, after: id })).toBeUndefined()
        expect(await registry.listOwned({ ...query, before: id })).toBeUndefined()
        expect(await registry.listOwned({ ...query, after: 'a', before: id })).toBeUndefined()
      }
      expect(await registry.listOwned({ ...query, user: 'alice', after: 'of-bob' })).toBeUndefined()
      const support = { ...query, source: 'support' }
      expect(await registry.listOwned({ ...support, after: 'sold' })).toBeUndefined()
    })
  })

  describe('the filters of a list of what is owned', () => {
    beforeEach(async () => {
      await registry.claimOwnership(ownership({ id: '1', user: 'bob' }))
      await registry.claimOwnership(ownership({ id: '2' }))
      await registry.claimOwnership(ownership({ id: '3', source: 'sales' }))
      await registry.claimOwnership(ownership({ id: '4', kind: 'attachment' }))
      await registry.claimOwnership(ownership({ id: '5', source: 'sales', user: 'bob' }))
      await registry.claimOwnership(ownership({ id: '2', source: 'sales', user: 'bob' }))
      await registry.claimOwnership(ownership({ id: '6' }))
    })

    it('take each field alone and together', async () => {
      expect(await list({})).toEqual(['625321', false])
      expect(await list({ kind: 'attachment' })).toEqual(['4', false])
      expect(await list({ user: 'alice' })).toEqual(['632', false])
      expect(await list({ source: 'sales' })).toEqual(['253', false])
      expect(await list({ source: 'sales', user: 'bob' })).toEqual(['25', false])
      expect(await list({ source: 'sales', user: 'bob', kind: 'attachment' })).toEqual(['', false])
      expect(await list({ user: 'nobody' })).toEqual(['', false])
      expect(await list({ source: 'nobody' })).toEqual(['', false])
    })

    it('count in hasMore and in cursors', async () => {
      expect(await list({ user: 'alice', limit: 2 })).toEqual(['63', true])
      expect(await list({ user: 'alice', limit: 2, after: '3' })).toEqual(['2', false])
      expect(await list({ source: 'sales', limit: 1, after: '2' })).toEqual(['5', true])
      expect(await list({ source: 'sales', order: 'asc', after: '3' })).toEqual(['52', false])
      expect(await list({ after: '5', limit: 1 })).toEqual(['3', true])
    })

    it('refuse a cursor that things of several sources have', async () => {
      const query = { kind: 'thread', limit: 5, order: 'desc', after: '2' } as const
      expect(await registry.listOwned(query)).toBeUndefined()
      expect(await list({ after: '2', user: 'alice' })).toEqual(['', false])
      expect(await list({ after: '2', source: 'support' })).toEqual(['1', false])
    })
  })
}
