import { describe, expect, it } from 'vitest'
import { USE_WINDOW_MS } from '../../src/registry/port.ts'
import type { SessionUse } from '../../src/registry/records.ts'
import type { Plain } from '../support/ids.ts'
import { entry, NOW, order, retention, type Suite, session } from './registry-fixtures.ts'

const MS = NOW * 1000
const ENDED = { kind: 'ended' }

export function usesSuite(suite: Suite): void {
  const { registry } = suite
  const use = (of: Partial<Plain<SessionUse>> = {}) =>
    registry.useSession({
      id: 's1',
      user: 'alice',
      maxPerMinute: 2,
      counts: 'run',
      nowMs: MS,
      ...of,
    })

  describe('a use of a session', () => {
    it('gives back the session with its state', async () => {
      const state = { plan: 'pro', seats: 3, ratio: 0.1, trial: false, empty: '', 'ä😀\n"': '{}' }
      await registry.record(entry({ id: 's1', state }))
      const expected = { kind: 'ok', session: session({ id: 's1', state }), generation: 0 }
      expect(await use()).toEqual(expected)
      expect(await registry.getSession('s1')).toEqual(expected.session)
    })

    it('has the generation of its user, which a revoke of another user does not raise', async () => {
      for (const user of ['alice', 'bob', 'bob']) await registry.revoke(order({ user }))
      await registry.record({ ...entry({ id: 's1' }), generation: 1 })
      expect(await use()).toMatchObject({ kind: 'ok', generation: 1 })
    })

    it('distinguishes an empty state from none', async () => {
      await registry.record(entry({ id: 's1', state: {} }))
      await registry.record(entry({ id: 's2' }))
      expect((await registry.getSession('s1'))?.state).toEqual({})
      expect((await registry.getSession('s2'))?.state).toBeUndefined()
    })

    it('keeps the state when the session ends', async () => {
      await registry.record(entry({ id: 's1', state: { plan: 'pro' } }))
      const cancelling = await registry.beginCancel('s1', NOW)
      expect(cancelling?.state).toEqual({ plan: 'pro' })
      await registry.confirmCancel(['s1'], NOW)
      expect((await registry.getSession('s1'))?.state).toEqual({ plan: 'pro' })
    })

    it.each<[string, (until: number) => Promise<unknown>]>([
      ['revoked', (now) => registry.revoke(order({ now }))],
      ['cancelled', (now) => registry.beginCancel('s1', now)],
      [
        'logged out',
        (now) => {
          const { issuer, subject } = session({ id: 's1' })
          return registry.revoke(order({ identity: { issuer, subject }, now }))
        },
      ],
    ])('is refused when it was %s by an instance whose clock is ahead', async (_how, end) => {
      await registry.record(entry({ id: 's1', expiresAt: NOW + 10 }))
      expect((await use()).kind).toBe('ok')
      await end(NOW + 30)
      expect(await use()).toEqual(ENDED)
    })

    it('is refused when the session is unknown, or of another user', async () => {
      await registry.record(entry({ id: 's1' }))
      expect(await use({ id: 's2' })).toEqual(ENDED)
      expect(await use({ user: 'bob' })).toEqual(ENDED)
      await registry.record(entry({ id: 'of-bob', user: 'bob' }))
      expect(await use({ id: 'of-bob' })).toEqual(ENDED)
      expect((await use()).kind).toBe('ok')
    })

    it('is refused from the millisecond of the expiry on', async () => {
      await registry.record(entry({ id: 's1', expiresAt: NOW + 600 }))
      expect((await use({ nowMs: MS + 599_999 })).kind).toBe('ok')
      expect(await use({ nowMs: MS + 600_000 })).toEqual(ENDED)
    })

    it('is refused once a cancel has begun, and after it', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.beginCancel('s1', NOW)
      expect(await use()).toEqual(ENDED)
      await registry.confirmCancel(['s1'], NOW)
      expect(await use()).toEqual(ENDED)
    })

    it('is refused after a revoke, even if the limit allows more', async () => {
      await registry.record(entry({ id: 's1' }))
      expect((await use({ maxPerMinute: 1 })).kind).toBe('ok')
      expect((await use({ maxPerMinute: 1 })).kind).toBe('limited')
      await registry.revoke(order())
      expect(await use({ maxPerMinute: 1 })).toEqual(ENDED)
    })

    it('is refused after a sweep took the session', async () => {
      await registry.record(entry({ id: 's1' }))
      await use()
      await registry.sweep(retention(NOW + 601, NOW + 601))
      expect(await registry.getSession('s1')).toBeUndefined()
      expect(await use()).toEqual(ENDED)
    })
  })

  describe('the per-minute limit of a session', () => {
    it('is a window from the first use, without refill', async () => {
      await registry.record(entry({ id: 's1' }))
      expect((await use()).kind).toBe('ok')
      expect((await use({ nowMs: MS + 59_998 })).kind).toBe('ok')
      const limited = { kind: 'limited', resetMs: 1 }
      expect(await use({ nowMs: MS + 59_999 })).toEqual(limited)
      expect(await use({ nowMs: MS + 59_999 })).toEqual(limited)
      const again = MS + USE_WINDOW_MS
      expect((await use({ nowMs: again })).kind).toBe('ok')
      expect((await use({ nowMs: again + 1 })).kind).toBe('ok')
      expect(await use({ nowMs: again + 2 })).toEqual({ kind: 'limited', resetMs: 59_998 })
    })

    it.each(['run', 'nothing'] as const)(
      'ends a whole window later at the latest when the clock is set back (counts: %s)',
      async (counts) => {
        await registry.record(entry({ id: 's1' }))
        const read = { maxPerMinute: 1, counts: 'read' } as const
        for (let at = 0; at < 10; at++) await use(read)
        await use({ maxPerMinute: 1 })
        const ask = (nowMs: number) => use({ maxPerMinute: 1, counts, nowMs })
        const back = MS - 3_600_000
        expect(await ask(back)).toEqual({ kind: 'limited', resetMs: USE_WINDOW_MS })
        expect(await ask(back + 59_999)).toEqual({ kind: 'limited', resetMs: 1 })
        expect((await ask(back + USE_WINDOW_MS)).kind).toBe('ok')
      },
    )

    it('is separate for requests that run no model, and ten times as high', async () => {
      await registry.record(entry({ id: 's1' }))
      const read = (nowMs = MS) => use({ counts: 'read', nowMs })
      for (let at = 0; at < 20; at++) expect((await read()).kind).toBe('ok')
      expect(await read(MS + 1)).toEqual({ kind: 'limited', resetMs: USE_WINDOW_MS - 1 })
      for (const nowMs of [MS + 2, MS + 3]) expect((await use({ nowMs })).kind).toBe('ok')
      expect((await use({ nowMs: MS + 4 })).kind).toBe('limited')
      expect((await read(MS + USE_WINDOW_MS)).kind).toBe('ok')
      expect((await use({ nowMs: MS + USE_WINDOW_MS })).kind).toBe('limited')
    })

    it('refuses a request that it does not count only when both limits are used up, until one window is over', async () => {
      await registry.record(entry({ id: 's1' }))
      const look = (nowMs = MS) => use({ maxPerMinute: 1, counts: 'nothing', nowMs })
      for (let at = 0; at < 12; at++) expect((await look()).kind).toBe('ok')
      await use({ maxPerMinute: 1 })
      expect((await look()).kind).toBe('ok')
      for (let at = 0; at < 10; at++) await use({ maxPerMinute: 1, counts: 'read', nowMs: MS + 5 })
      expect(await look(MS + 5)).toEqual({ kind: 'limited', resetMs: USE_WINDOW_MS - 5 })
      const again = MS + USE_WINDOW_MS + 5
      expect((await look(again)).kind).toBe('ok')
      for (let at = 0; at < 10; at++) await use({ maxPerMinute: 1, counts: 'read', nowMs: again })
      await use({ maxPerMinute: 1, nowMs: again + 7 })
      expect(await look(again + 7)).toEqual({ kind: 'limited', resetMs: USE_WINDOW_MS - 7 })
      await registry.beginCancel('s1', NOW)
      expect(await look()).toEqual(ENDED)
    })

    it('does not count what it refused', async () => {
      await registry.record(entry({ id: 's1' }))
      await use({ maxPerMinute: 1 })
      for (let at = 0; at < 5; at++) await use({ maxPerMinute: 1 })
      expect((await use({ maxPerMinute: 2 })).kind).toBe('ok')
      expect((await use({ maxPerMinute: 2 })).kind).toBe('limited')
    })

    it('is one per session', async () => {
      await registry.record(entry({ id: 's1' }))
      await registry.record(entry({ id: '{s1}' }))
      expect((await use({ maxPerMinute: 1 })).kind).toBe('ok')
      expect((await use({ id: '{s1}', maxPerMinute: 1 })).kind).toBe('ok')
      expect((await use({ maxPerMinute: 1 })).kind).toBe('limited')
    })

    it('holds exactly at its bound when instances ask at once', async () => {
      const instances = await suite.instances()
      await registry.record(entry({ id: 's1' }))
      const asked = { id: 's1', user: 'alice', maxPerMinute: 10, counts: 'run', nowMs: MS } as const
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, (_, at) => instances[at % instances.length]?.useSession(asked)),
      )
      expect(outcomes.filter((outcome) => outcome?.kind === 'ok')).toHaveLength(10)
      expect(outcomes.filter((outcome) => outcome?.kind === 'limited')).toHaveLength(30)
    })

    it('lets no use through once another instance has answered a revoke', async () => {
      const [first, second, third] = await suite.instances()
      await first?.record(entry({ id: 's1' }))
      const asked = {
        id: 's1',
        user: 'alice',
        maxPerMinute: 100,
        counts: 'run',
        nowMs: MS,
      } as const
      expect((await second?.useSession(asked))?.kind).toBe('ok')
      await third?.revoke(order())
      expect(await first?.useSession(asked)).toEqual(ENDED)
      expect(await second?.useSession(asked)).toEqual(ENDED)
    })
  })
}
