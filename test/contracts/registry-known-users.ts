import { beforeEach, describe, expect, it } from 'vitest'
import type { UserQuery } from '../../src/registry/known-users.ts'
import type { SessionRecord } from '../../src/registry/records.ts'
import type { Plain } from '../support/ids.ts'
import { entry, NOW, order, type Suite } from './registry-fixtures.ts'

/** Seconds after which a new session updates the time at which its user was last seen. */
const AGAIN = 60

/** listUsers, isKnown, and what makes a user known or forgotten. */
export function knownUsersSuite(suite: Suite): void {
  const { registry } = suite
  let made = 0
  /** A session of the user at a time; its subject is `s` by default. */
  const mint = (user: string, of: Partial<Plain<SessionRecord>> = {}, now = NOW) =>
    registry.record(
      entry(
        { id: `s${++made}`, user, subject: 's', createdAt: now, expiresAt: now + 600, ...of },
        { now },
      ),
    )
  const list = (of: Partial<UserQuery> = {}) => registry.listUsers({ limit: 20, now: NOW, ...of })
  const users = async (of: Partial<UserQuery> = {}) =>
    (await list(of))?.data.map(({ user }) => user)
  /** All users, a few per page. */
  async function walk(of: Partial<UserQuery>, limit: number): Promise<readonly string[]> {
    const pages: (readonly string[])[] = []
    for (let after: string | undefined; ; ) {
      const page = await list({ ...of, limit, after })
      const names = page?.data.map(({ user }) => user) ?? []
      expect(names.length).toBeLessThanOrEqual(limit)
      pages.push(names)
      after = names.at(-1)
      if (page?.hasMore !== true || after === undefined) break
    }
    return pages.flat()
  }

  describe('a user', () => {
    it('is known from the first session on, and not before', async () => {
      expect(await registry.isKnown('alice')).toBe(false)
      expect(await list()).toEqual({ data: [], hasMore: false })
      await mint('alice', { subject: 'alice-sub' })
      expect(await registry.isKnown('alice')).toBe(true)
      expect(await registry.isKnown('Alice')).toBe(false)
      expect(await list()).toEqual({
        data: [
          {
            user: 'alice',
            issuer: 'https://idp.example/',
            subject: 'alice-sub',
            lastSeen: NOW,
            liveSessions: 1,
            blockedUntil: undefined,
          },
        ],
        hasMore: false,
      })
    })

    it('shows the present number of live sessions and the present block', async () => {
      await mint('alice')
      await mint('alice', { expiresAt: NOW + 5 })
      await mint('bob')
      const block = { until: NOW + 60, reason: 'r', by: 'ada' }
      await registry.revoke(order({ user: 'bob', block }))
      const figures = async (now: number) =>
        (await list({ now }))?.data.map(({ user, liveSessions, blockedUntil }) => [
          user,
          liveSessions,
          blockedUntil,
        ])
      expect(await figures(NOW)).toEqual([
        ['bob', 0, NOW + 60],
        ['alice', 2, undefined],
      ])
      expect(await figures(NOW + 60)).toEqual([
        ['bob', 0, undefined],
        ['alice', 1, undefined],
      ])
    })

    it('is not made known by a mint that is refused, nor by a revoke or a block', async () => {
      await registry.revoke(
        order({ user: 'bob', block: { until: NOW + 60, reason: 'r', by: 'a' } }),
      )
      expect(await mint('bob')).toEqual({ kind: 'blocked' })
      expect(await registry.isKnown('bob')).toBe(false)
      expect(await users()).toEqual([])
    })

    it('stays known when sessions are swept, and the last time is never moved back', async () => {
      await mint('alice', {}, NOW + 100)
      await mint('alice', {}, NOW)
      await registry.sweep({
        ...{ sessionsEndedBefore: NOW + 9000, auditBefore: 0, usersSeenBefore: NOW },
        now: NOW + 9000,
      })
      expect((await list())?.data).toMatchObject([{ user: 'alice', lastSeen: NOW + 100 }])
    })

    it('is last seen first, and comes to the front when seen again after a minute', async () => {
      for (const user of ['m', 'c', 'z']) await mint(user)
      expect(await users()).toEqual(['z', 'c', 'm'])
      await mint('c', {}, NOW + AGAIN - 1)
      expect((await list())?.data[1]).toMatchObject({ user: 'c', lastSeen: NOW })
      await mint('c', {}, NOW + AGAIN)
      expect((await list())?.data[0]).toMatchObject({ user: 'c', lastSeen: NOW + AGAIN })
      expect(await walk({}, 2)).toEqual(['c', 'z', 'm'])
    })

    it('has the subject of the newest token, and is found only by that', async () => {
      await mint('alice', { subject: 'Old-1', issuer: 'https://old.example/' })
      await mint('alice', { subject: 'new-1', issuer: 'https://new.example/' }, NOW + AGAIN)
      expect((await list())?.data).toMatchObject([
        { subject: 'new-1', issuer: 'https://new.example/' },
      ])
      expect(await users({ q: 'NEW' })).toEqual(['alice'])
      expect(await users({ q: 'old' })).toEqual([])
      expect(await users({ q: 'ali' })).toEqual(['alice'])
      const issuer = 'https://third.example/'
      await mint('alice', { subject: 'new-1', issuer }, NOW + 2 * AGAIN)
      expect((await list())?.data).toMatchObject([{ subject: 'new-1', issuer }])
      await mint('alice', { subject: 'new-2', issuer }, NOW + 3 * AGAIN)
      expect((await list())?.data).toMatchObject([{ subject: 'new-2', issuer }])
      await mint('zoe', { subject: 'old-3' })
      await mint('zoe', { subject: 'new-3' }, NOW + AGAIN)
      expect(await users({ q: 'new' })).toEqual(['alice', 'zoe'])
      expect(await users({ q: 'old' })).toEqual([])
    })

    it("keeps a token's subject when a backend asks for a session too", async () => {
      await mint('alice', { subject: 'sub-1' })
      await mint('alice', { subject: 'alice', issuer: 'key:billing' }, NOW + AGAIN)
      expect((await list())?.data).toMatchObject([{ subject: 'sub-1', lastSeen: NOW + AGAIN }])
      await mint('bob', { subject: 'bob', issuer: 'key:billing' })
      await mint('bob', { subject: 'sub-2' }, NOW + AGAIN)
      expect(await users({ q: 'sub-' })).toEqual(['alice', 'bob'])
    })

    it('is forgotten at the end of an erase, once no session is left', async () => {
      await mint('alice', { subject: 'sub-1' })
      await mint('bob')
      const erase = { user: 'alice', limit: 5, now: NOW }
      await registry.eraseUser(erase)
      expect(await registry.isKnown('alice')).toBe(true)
      await registry.eraseUser({ ...erase, now: NOW + 600 })
      expect(await registry.isKnown('alice')).toBe(false)
      expect(await users()).toEqual(['bob'])
      expect([await users({ q: 'sub' }), await users({ q: 'al' })]).toEqual([[], []])
      expect(await list({ after: 'alice' })).toBeUndefined()
      expect(await list({ after: 'alice', q: 'al' })).toBeUndefined()
      await mint('alice', { subject: 'sub-1' }, NOW + 700)
      expect(await users({ q: 'sub' })).toEqual(['alice'])
    })

    it('is forgotten by a sweep once the retention of users is over', async () => {
      for (let at = 0; at < 250; at++) await mint(`u${at}`, { expiresAt: NOW })
      await mint('seen-later', { subject: 'x' }, NOW + AGAIN)
      const sweep = (usersSeenBefore: number) =>
        registry.sweep({ sessionsEndedBefore: NOW + 1, auditBefore: 0, usersSeenBefore, now: NOW })
      await sweep(NOW)
      expect(await walk({}, 100)).toHaveLength(251)
      await sweep(NOW + 1)
      expect(await users()).toEqual(['seen-later'])
      expect([await users({ q: 's' }), await users({ q: 'u' })]).toEqual([['seen-later'], []])
      expect(await registry.isKnown('u7')).toBe(false)
    })

    it('is still known when a sweep has forgotten them, while a session of theirs is kept', async () => {
      await mint('alice')
      const sweep = { sessionsEndedBefore: NOW, auditBefore: 0, usersSeenBefore: NOW + 1 }
      await registry.sweep({ ...sweep, now: NOW })
      expect(await users()).toEqual([])
      expect(await registry.isKnown('alice')).toBe(true)
      expect(await registry.revoke(order())).toMatchObject({ known: true })
      await registry.sweep({ ...sweep, sessionsEndedBefore: NOW + 10_000, now: NOW })
      expect(await registry.isKnown('alice')).toBe(false)
      expect(await registry.revoke(order())).toMatchObject({ known: false })
    })
  })

  describe('a search for users', () => {
    beforeEach(async () => {
      made = 0
    })

    it('finds by the beginning of the user or of the subject, in any case', async () => {
      await mint('https://idp/|Alice', { subject: 'Alice' })
      await mint('u_9', { subject: 'ALISON' })
      await mint('bob', { subject: 'x-alice' })
      expect(await users({ q: 'ali' })).toEqual(['https://idp/|Alice', 'u_9'])
      expect(await users({ q: 'ALIS' })).toEqual(['u_9'])
      expect(await users({ q: 'HTTPS://IDP/|a' })).toEqual(['https://idp/|Alice'])
      expect(await users({ q: 'lice' })).toEqual([])
    })

    it('treats %, _, * and [ literally', async () => {
      for (const user of ['a%c', 'a_c', 'abc', 'a*c', 'a[b]c']) await mint(user)
      expect(await users({ q: 'a%' })).toEqual(['a%c'])
      expect(await users({ q: 'A_' })).toEqual(['a_c'])
      expect(await users({ q: '%' })).toEqual([])
      expect(await users({ q: 'a*' })).toEqual(['a*c'])
      expect(await users({ q: 'a[b' })).toEqual(['a[b]c'])
    })

    it('ignores case beyond ASCII as toLowerCase does', async () => {
      for (const user of ['ÄRGER', 'İstanbul', 'ОЛЬГА', 'straße', '𐐀deseret']) await mint(user)
      for (const user of ['ÄRGER', 'İstanbul', 'ОЛЬГА', 'straße', '𐐀deseret']) {
        expect(await users({ q: user.toLowerCase() })).toEqual([user])
        expect(await users({ q: user })).toEqual([user])
      }
      expect(await users({ q: 'ärg' })).toEqual(['ÄRGER'])
      expect(await users({ q: '𐐨' })).toEqual(['𐐀deseret'])
      expect(await users({ q: 'STRASSE' })).toEqual([])
    })

    it('treats direction marks as part of a name', async () => {
      await mint('\u202Ealice', { subject: 'x' })
      await mint('\u200Fשלום', { subject: 'y' })
      expect(await users({ q: '\u202Eal' })).toEqual(['\u202Ealice'])
      expect(await users({ q: 'alice' })).toEqual([])
      expect(await users({ q: '\u200Fש' })).toEqual(['\u200Fשלום'])
    })

    it('is in the order of the bytes of names in lower case, also beyond the BMP', async () => {
      const names = [
        'x\u{1F600}',
        'x\uFFFD',
        'xZ',
        'xa',
        'x',
        'x\uE000',
        'x-',
        'x\u{10FFFF}b',
        'x|',
      ]
      for (const user of names) await mint(user)
      const expected = [
        'x',
        'x-',
        'xa',
        'xZ',
        'x|',
        'x\uE000',
        'x\uFFFD',
        'x\u{1F600}',
        'x\u{10FFFF}b',
      ]
      for (const limit of [1, 2, 4, 20]) expect(await walk({ q: 'X' }, limit)).toEqual(expected)
    })

    it('sorts users with the same name by user', async () => {
      for (const tenant of ['t3', 't1', 't10', 't2']) {
        await mint(`${tenant}|Alice`, { subject: tenant === 't1' ? 'ALICE' : 'alice' })
      }
      const expected = ['t10|Alice', 't1|Alice', 't2|Alice', 't3|Alice']
      for (const limit of [1, 3, 20]) expect(await walk({ q: 'alice' }, limit)).toEqual(expected)
    })

    it('lists a user whom both names match only once, at the first name', async () => {
      await mint('user-c', { subject: 'u' })
      await mint('u-b', { subject: 'user-a' })
      await mint('u-c', { subject: 'x' })
      await mint('user-b', { subject: 'user-b' })
      await mint('USER-D', { subject: 'User-d' })
      await mint('z', { subject: 'user-bb' })
      const walks = (q: string) => Promise.all([1, 2, 20].map((limit) => walk({ q }, limit)))
      for (const found of await walks('u')) {
        expect(found).toEqual(['user-c', 'u-b', 'u-c', 'user-b', 'z', 'USER-D'])
      }
      for (const found of await walks('us')) {
        expect(found).toEqual(['u-b', 'user-b', 'z', 'user-c', 'USER-D'])
      }
      for (const found of await walks('user-b')) expect(found).toEqual(['user-b', 'z'])
    })

    it('passes over any number of users who were already found by their other name', async () => {
      for (let at = 10; at < 50; at++) await mint(`u_${at}`, { subject: `user_${at}` })
      await mint('last', { subject: 'uz' })
      const found = await walk({ q: 'u' }, 7)
      expect(found).toHaveLength(41)
      expect(new Set(found).size).toBe(41)
      expect(found.at(-1)).toBe('last')
      expect(await walk({ q: 'user_' }, 7)).toHaveLength(40)
    })

    it('has no page for a cursor that it does not find', async () => {
      await mint('alice')
      await mint('bob')
      expect(await list({ q: 'a', after: 'bob' })).toBeUndefined()
      expect(await list({ q: 'a', after: 'nobody' })).toBeUndefined()
      expect(await list({ after: 'nobody' })).toBeUndefined()
      expect(await list({ q: 'a', after: 'alice' })).toEqual({ data: [], hasMore: false })
    })

    it('with a limit of 0 says only whether there are users', async () => {
      await mint('alice')
      expect(await list({ q: 'a', limit: 0 })).toEqual({ data: [], hasMore: true })
      expect(await list({ q: 'b', limit: 0 })).toEqual({ data: [], hasMore: false })
      expect(await list({ limit: 0 })).toEqual({ data: [], hasMore: true })
    })

    it('accepts the longest names', async () => {
      const long = 'Ÿ'.repeat(511)
      await mint(`${long}a`, { subject: 's' })
      await mint('\u{1F600}'.repeat(512), { subject: '\u{1F600}'.repeat(100) })
      expect(await users({ q: `${long}A` })).toEqual([`${long}a`])
      expect(await users({ q: '\u{1F600}'.repeat(100) })).toEqual(['\u{1F600}'.repeat(512)])
      expect(await users({ q: '\u{1F600}'.repeat(101) })).toEqual(['\u{1F600}'.repeat(512)])
      expect(await users({ q: '\u{1F600}'.repeat(513) })).toEqual([])
    })
  })

  it('users become known by whichever instance records their session', async () => {
    const [one, two] = await suite.instances()
    await one?.record(entry({ id: 'a', user: 'alice' }))
    expect(await two?.isKnown('alice')).toBe(true)
  })
}
