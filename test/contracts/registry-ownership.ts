import { describe, expect, it } from 'vitest'
import type { Ownership } from '../../src/registry/owned-records.ts'
import type { Plain } from '../support/ids.ts'
import {
  entry,
  NOW,
  order,
  ownership,
  pageIds,
  retention,
  type Suite,
} from './registry-fixtures.ts'

/** claimOwnership, ownersOf, releaseOwnership. */
export function ownershipSuite(suite: Suite): void {
  const { registry } = suite
  const ownerOf = async (of: Partial<Plain<Ownership>> & { id: string }) => {
    const owners = await registry.ownersOf([ownership(of)])
    expect(owners).toHaveLength(1)
    return owners[0]
  }
  const claim = (of: Partial<Plain<Ownership>> & { id: string }) =>
    registry.claimOwnership(ownership(of))

  describe('an ownership', () => {
    it('stays with the first claimer, whoever claims again', async () => {
      expect(await claim({ id: 't1' })).toBe('claimed')
      expect(await claim({ id: 't1', user: 'bob' })).toBe('taken')
      expect(await claim({ id: 't1' })).toBe('taken')
      expect(await ownerOf({ id: 't1' })).toBe('alice')
      const list = (user: string) =>
        registry.listOwned({ kind: 'thread', user, limit: 5, order: 'desc' })
      expect((await list('alice'))?.data).toEqual([ownership({ id: 't1' })])
      expect((await list('bob'))?.data).toEqual([])
    })

    it('is valid for one source and one kind only', async () => {
      expect(await claim({ id: 't1' })).toBe('claimed')
      expect(await claim({ id: 't1', source: 'sales', user: 'bob' })).toBe('claimed')
      expect(await claim({ id: 't1', kind: 'attachment', user: 'carol' })).toBe('claimed')
      expect(await ownerOf({ id: 't1' })).toBe('alice')
      expect(await ownerOf({ id: 't1', source: 'sales' })).toBe('bob')
      expect(await ownerOf({ id: 't1', kind: 'attachment' })).toBe('carol')
      expect(await ownerOf({ id: 't1', kind: 'attachment', source: 'sales' })).toBeUndefined()
    })

    it('keeps ids and users apart whatever characters they are made of', async () => {
      const odd = [
        'a',
        'A',
        'a ',
        '{a}',
        '}{',
        'a:1',
        'ä',
        'a\u0308',
        '😀'.repeat(256),
        "'; --",
        '%',
      ]
      for (const id of odd) expect(await claim({ id, user: `of ${id}` })).toBe('claimed')
      for (const id of odd) expect(await ownerOf({ id })).toBe(`of ${id}`)
      expect(await claim({ id: '1', source: 'a:thread' })).toBe('claimed')
      expect(await ownerOf({ id: 'thread:1', source: 'a' })).toBeUndefined()
    })

    it('is read for many things at once, in the order given', async () => {
      await claim({ id: 't1' })
      await claim({ id: 't2', user: 'bob' })
      const things = ['t2', "nobody's", 't1', 't2'].map((id) => ownership({ id, user: 'eve' }))
      const owners = await registry.ownersOf(things)
      expect(owners).toEqual(['bob', undefined, 'alice', 'bob'])
      expect(await registry.ownersOf([])).toEqual([])
    })

    it('can be claimed by anyone once released, and is then new on the list', async () => {
      await claim({ id: 't1' })
      await claim({ id: 't2' })
      await registry.releaseOwnership(ownership({ id: 't1' }))
      expect(await ownerOf({ id: 't1' })).toBeUndefined()
      const all = { kind: 'thread', limit: 5, order: 'desc' } as const
      expect(pageIds(await registry.listOwned(all))).toEqual(['t2'])
      expect(pageIds(await registry.listOwned({ ...all, user: 'alice' }))).toEqual(['t2'])
      expect(await claim({ id: 't1', user: 'bob' })).toBe('claimed')
      expect(await ownerOf({ id: 't1' })).toBe('bob')
      expect(pageIds(await registry.listOwned(all))).toEqual(['t1', 't2'])
      expect(pageIds(await registry.listOwned({ ...all, user: 'bob' }))).toEqual(['t1'])
      expect(pageIds(await registry.listOwned({ ...all, user: 'alice' }))).toEqual(['t2'])
    })

    it('is released alone, and a repeated release does no harm', async () => {
      await claim({ id: 't1' })
      await claim({ id: 't1', source: 'sales' })
      await claim({ id: 't1', kind: 'attachment' })
      await registry.releaseOwnership(ownership({ id: 't1' }))
      await registry.releaseOwnership(ownership({ id: 't1' }))
      await registry.releaseOwnership(ownership({ id: 'never' }))
      expect(await ownerOf({ id: 't1' })).toBeUndefined()
      expect(await ownerOf({ id: 't1', source: 'sales' })).toBe('alice')
      expect(await ownerOf({ id: 't1', kind: 'attachment' })).toBe('alice')
    })

    it('is not released by a user who no longer owns it', async () => {
      await claim({ id: 't1' })
      await registry.releaseOwnership(ownership({ id: 't1' }))
      await claim({ id: 't1', user: 'bob' })
      await registry.releaseOwnership(ownership({ id: 't1' }))
      expect(await ownerOf({ id: 't1' })).toBe('bob')
      const query = { kind: 'thread', user: 'bob', limit: 5, order: 'desc' } as const
      expect(pageIds(await registry.listOwned(query))).toEqual(['t1'])
    })

    it('outlives sessions, revokes and every sweep', async () => {
      await registry.record(entry({ id: 's1' }))
      await claim({ id: 't1' })
      await registry.revoke(order())
      await registry.sweep(retention(NOW + 50_000_000, NOW + 50_000_000))
      expect(await registry.getSession('s1')).toBeUndefined()
      expect(await ownerOf({ id: 't1' })).toBe('alice')
      const mine = { kind: 'thread', user: 'alice', limit: 5, order: 'desc' } as const
      expect((await registry.listOwned(mine))?.data).toEqual([ownership({ id: 't1' })])
      expect(await claim({ id: 't1', user: 'bob' })).toBe('taken')
    })

    it('is claimed by exactly one of many at once', async () => {
      const instances = await suite.instances()
      for (let round = 0; round < 10; round++) {
        const id = `t${round}`
        const outcomes = await Promise.all(
          Array.from({ length: 12 }, (_, at) =>
            instances[at % instances.length]?.claimOwnership(ownership({ id, user: `u${at}` })),
          ),
        )
        expect(outcomes.filter((outcome) => outcome === 'claimed')).toHaveLength(1)
        expect(outcomes.filter((outcome) => outcome === 'taken')).toHaveLength(11)
        const owner = `u${outcomes.indexOf('claimed')}`
        expect(await ownerOf({ id })).toBe(owner)
        for (const user of Array.from({ length: 12 }, (_, at) => `u${at}`)) {
          const query = { kind: 'thread', user, limit: 20, order: 'desc' } as const
          const listed = pageIds(await registry.listOwned(query)).includes(id)
          expect(listed).toBe(user === owner)
        }
      }
      const all = { kind: 'thread', limit: 50, order: 'desc' } as const
      expect(pageIds(await registry.listOwned(all))).toHaveLength(10)
    })

    it('is on the list whenever it is owned, even if claims and releases coincide', async () => {
      const instances = await suite.instances()
      for (let round = 0; round < 20; round++) {
        const thing = ownership({ id: 't1', user: `u${round}` })
        const user = (await ownerOf({ id: 't1' })) ?? thing.user
        await Promise.all([
          instances[0]?.releaseOwnership({ ...thing, user }),
          instances[1]?.claimOwnership(thing),
          instances[2]?.claimOwnership({ ...thing, user: 'other' }),
        ])
        const owner = await ownerOf({ id: 't1' })
        const query = { kind: 'thread', limit: 5, order: 'desc' } as const
        const page = await registry.listOwned(query)
        expect(page?.data.map((one) => one.user)).toEqual(owner === undefined ? [] : [owner])
      }
    })
  })
}
