import { describe, expect, it } from 'vitest'
import type { SessionRecord } from '../../src/registry/records.ts'
import type { Plain } from '../support/ids.ts'
import {
  entry,
  ids,
  NOW,
  order,
  type PlainRegistry,
  type Suite,
  session,
} from './registry-fixtures.ts'

const LATER = NOW + 1

type Finish = (
  registry: PlainRegistry,
  id: string,
  of?: Partial<Plain<SessionRecord>>,
) => Promise<unknown>

/** Sessions that accept no new request, but whose running answers go on. */
const FINISHING: [string, Finish][] = [
  ['have expired', (registry, id, of) => registry.record(entry({ id, expiresAt: LATER, ...of }))],
  [
    'were replaced',
    async (registry, id, of) => {
      await registry.record(entry({ id, state: {}, ...of }))
      await registry.record(entry({ id: `after-${id}`, state: {} }, { replaces: id }))
    },
  ],
]

/** endedAmong. */
export function runningAnswersSuite(suite: Suite): void {
  const { registry } = suite

  describe('the sessions whose answers must end', () => {
    const keys = (ids: readonly string[], user = 'alice') => ids.map((id) => ({ id, user }))

    it('are the cancelled, revoked, unknown and foreign ones, in the order given, and no expired ones', async () => {
      await registry.record(entry({ id: 'live' }))
      await registry.record(entry({ id: 'cancelling' }))
      await registry.record(entry({ id: 'cancelled' }))
      await registry.record(entry({ id: 'expired', expiresAt: NOW }))
      await registry.record(entry({ id: 'revoked', user: 'bob' }))
      await registry.record(entry({ id: 'of-carol', user: 'carol' }))
      await registry.beginCancel('cancelling', NOW)
      await registry.beginCancel('cancelled', NOW)
      await registry.confirmCancel(['cancelled'], NOW)
      await registry.revoke(order({ user: 'bob' }))
      const asked = [
        ...keys(['unknown', 'live', 'of-carol', 'cancelled', 'expired', 'cancelling']),
        ...keys(['revoked'], 'bob'),
        ...keys(['of-carol'], 'carol'),
      ]
      expect(await registry.endedAmong(asked)).toEqual([
        ...['unknown', 'of-carol', 'cancelled', 'cancelling'],
        'revoked',
      ])
    })

    it('are the evicted ones', async () => {
      await registry.record(entry({ id: 'evicted', state: {} }))
      const cap = { max: 1, whenFull: 'evict_oldest' } as const
      await registry.record(entry({ id: 'new', state: {} }, { cap }))
      expect(await registry.endedAmong(keys(['evicted', 'new']))).toEqual(['evicted'])
    })

    it.each(FINISHING)(
      'are those that %s once they are cancelled, with the status they had, and no others',
      async (_name, finish) => {
        await finish(registry, 's1')
        await finish(registry, 'other')
        const { status } = (await registry.getSession('s1')) ?? {}
        expect(await registry.endedAmong(keys(['s1']))).toEqual([])
        expect((await registry.beginCancel('s1', LATER))?.status).toBe(status)
        expect(await registry.endedAmong(keys(['s1', 'other']))).toEqual(['s1'])
        expect((await registry.beginCancel('s1', LATER))?.status).toBe(status)
        expect((await registry.figures(LATER)).outboxLength).toBe(0)
      },
    )

    it.each(FINISHING)(
      'are those that %s once their user is revoked, and no later ones',
      async (_name, finish) => {
        await registry.record(entry({ id: 'of-bob', user: 'bob', expiresAt: NOW }))
        await finish(registry, 's1')
        const { cancelling } = await registry.revoke(order({ now: LATER }))
        expect(ids(cancelling)).not.toContain('s1')
        expect(await registry.endedAmong(keys(['s1']))).toEqual(['s1'])
        expect(await registry.endedAmong(keys(['of-bob'], 'bob'))).toEqual([])
        await registry.record(entry({ id: 'later', expiresAt: NOW }, { generation: 1 }))
        expect(await registry.endedAmong(keys(['later', 's1']))).toEqual(['s1'])
        await registry.revoke(order({ now: LATER }))
        expect(await registry.endedAmong(keys(['later', 's1']))).toEqual(['later', 's1'])
      },
    )

    it.each(FINISHING)(
      'are those that %s and whose user was revoked, also after a logout of another sign-in',
      async (_name, finish) => {
        await finish(registry, 's1')
        await registry.revoke(order({ now: LATER }))
        const { issuer } = session({ id: '' })
        await registry.revoke(order({ identity: { issuer, sid: 'unknown' }, now: LATER }))
        expect(await registry.endedAmong(keys(['s1']))).toEqual(['s1'])
      },
    )

    it.each(FINISHING)(
      'are those that %s once their sign-in is logged out, and no others',
      async (_name, finish) => {
        await finish(registry, 'here', { sid: 'x' })
        await finish(registry, 'there', { sid: 'y' })
        await finish(registry, 'elsewhere', { sid: 'x', issuer: 'https://other.example/' })
        const asked = keys(['here', 'there', 'elsewhere'])
        const logOut = (identity: { issuer: string; subject?: string; sid?: string }) =>
          registry.revoke(order({ endReason: 'logged_out', identity, now: LATER }))
        const { issuer } = session({ id: '' })
        await logOut({ issuer, sid: 'unknown' })
        expect(await registry.endedAmong(asked)).toEqual([])
        await logOut({ issuer, sid: 'x' })
        expect(await registry.endedAmong(asked)).toEqual(['here'])
        await logOut({ issuer, subject: 'alice-sub' })
        expect(await registry.endedAmong(asked)).toEqual(['here', 'there'])
      },
    )

    it('are none by the logout of a sign-in that another user shares', async () => {
      await registry.record(entry({ id: 's1', sid: 'x', expiresAt: NOW }))
      await registry.record(entry({ id: 'of-bob', user: 'bob', sid: 'x', expiresAt: NOW }))
      const identity = { issuer: session({ id: '' }).issuer, sid: 'x' }
      await registry.revoke(order({ user: 'bob', identity, now: LATER }))
      expect(await registry.endedAmong(keys(['s1']))).toEqual([])
      expect(await registry.endedAmong(keys(['of-bob'], 'bob'))).toEqual(['of-bob'])
    })

    it('are none if none are asked for', async () => {
      expect(await registry.endedAmong([])).toEqual([])
    })

    it('are found by another instance, among a thousand sessions of hundreds of users', async () => {
      const [first, second] = await suite.instances()
      const sessions = Array.from({ length: 1_000 }, (_, at) => ({
        id: `s${at}`,
        user: `{u}${at % 400}`,
      }))
      for (let from = 0; from < sessions.length; from += 100) {
        const batch = sessions.slice(from, from + 100)
        await Promise.all(batch.map((of) => registry.record(entry(of))))
      }
      expect(await first?.endedAmong(sessions)).toEqual([])
      await first?.beginCancel('s17', NOW)
      await first?.revoke(order({ user: '{u}399' }))
      expect(await second?.endedAmong(sessions)).toEqual(['s17', 's399', 's799'])
    })
  })
}
