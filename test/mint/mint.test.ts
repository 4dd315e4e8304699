import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { hashSecret } from '../../src/lib/secret.ts'
import { sessionId, userId } from '../support/ids.ts'
import { forEachTest } from '../support/started.ts'
import { createScene, ISSUER, NOW, NOW_SECONDS, order, unavailable } from './scene.ts'

const scene = forEachTest(() => createScene())

describe('a mint', () => {
  test('is in the registry, without its secret, when the secret is returned', async () => {
    const identity = { issuer: ISSUER, subject: 'alice-sub', sid: 'sid-1' }
    const minted = await scene.mint(order({ identity }))
    const record = await scene.real.getSession(minted.sessionId)
    expect(record).toEqual({
      id: 'cksess_1',
      user: 'alice',
      workflow: 'support',
      ...identity,
      secretHash: hashSecret(minted.clientSecret),
      status: 'active',
      endReason: undefined,
      createdAt: NOW_SECONDS,
      expiresAt: NOW_SECONDS + 600,
    })
    expect(inspect(record)).not.toContain('ek_planted')
    expect(minted.clientSecret).toBe(scene.upstream.created[0]?.client_secret)
    expect(inspect(minted) + JSON.stringify(minted)).not.toContain('ek_planted')
  })

  test('whose expiry has a fraction of a second is live until that second is over', async () => {
    scene.upstream.onCreate = (session) => {
      session.expires_at = NOW_SECONDS + 30.2
    }
    const { sessionId } = await scene.mint(order())
    expect((await scene.real.getSession(sessionId))?.expiresAt).toBe(NOW_SECONDS + 31)
  })

  test('can be revoked although our clock is an hour ahead of the upstream’s', async () => {
    scene.clock.ms = NOW + 3_600_000
    const { sessionId } = await scene.mint(order())
    await scene.revoke.revokeUser({
      user: userId('alice'),
      blockSeconds: 0,
      reason: undefined,
      by: 'ada',
    })
    expect(scene.upstream.ended).toEqual(new Set([sessionId]))
  })
})

describe('a mint whose recording fails', () => {
  test('cancels the session also when the error is a bug of this service', async () => {
    const scene = createScene({
      registry: () => ({ record: () => Promise.reject(new TypeError('x')) }),
    })
    await expect(scene.mint(order())).rejects.toThrow(TypeError)
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set(['cksess_1']))
  })

  test('cancels what the store recorded all the same, as soon as it answers', async () => {
    let isDown = true
    const scene = createScene({
      registry: (real) => ({
        async record(entry) {
          await real.record(entry)
          throw unavailable('store')
        },
        async beginCancel(...args) {
          if (isDown) throw unavailable('store')
          return real.beginCancel(...args)
        },
      }),
    })
    const status = async () => (await scene.real.getSession('cksess_1'))?.status
    await expect(scene.mint(order())).rejects.toMatchObject({ code: 'store_unavailable' })
    await scene.canceller.settled()
    await scene.canceller.workOutbox()
    expect(await status()).toBe('active')
    isDown = false
    await scene.canceller.workOutbox()
    await scene.canceller.settled()
    expect(await status()).toBe('cancelled')
    await scene.canceller.workOutbox()
    expect(scene.upstream.cancels).toEqual(['cksess_1', 'cksess_1'])
  })

  test('does not wait for the cancel', async () => {
    const scene = createScene({
      registry: () => ({ record: () => Promise.reject(unavailable('store')) }),
    })
    const held = Promise.withResolvers<void>()
    scene.upstream.onCancel = () => held.promise
    await expect(scene.mint(order())).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(scene.upstream.ended.size).toBe(0)
    held.resolve()
    await scene.canceller.settled()
    expect(scene.upstream.ended.size).toBe(1)
  })
})

test('a mint without a readable standing makes no upstream call', async () => {
  const scene = createScene({
    registry: (real) => ({
      async beginMint(query, limit) {
        const { rate } = await real.beginMint(query, limit)
        return { rate, standing: undefined }
      },
      readStanding: () => Promise.reject(unavailable('store')),
    }),
  })
  await expect(scene.mint(order())).rejects.toMatchObject({ code: 'store_unavailable' })
  expect(scene.upstream.created).toEqual([])
})

describe('blocks and revokes', () => {
  const block = { user: userId('alice'), blockSeconds: 60, reason: undefined, by: 'ada' }

  const during: [string, () => Promise<unknown>][] = [
    [
      'a revoke whose block is lifted at once',
      async () => {
        await scene.revoke.revokeUser(block)
        await scene.real.liftBlock('alice', NOW_SECONDS)
      },
    ],
    [
      'a revoke by another instance',
      () => scene.real.revoke({ user: 'alice', endReason: 'revoked', by: 'ada', now: NOW_SECONDS }),
    ],
  ]
  test.each(during)(
    '%s between standing and record refuses the mint and cancels its session',
    async (_name, act) => {
      scene.upstream.onCreate = async () => {
        scene.upstream.onCreate = () => undefined
        await act()
      }
      await expect(scene.mint(order())).rejects.toMatchObject({ code: 'user_blocked' })
      await scene.canceller.settled()
      expect(scene.upstream.created).toHaveLength(1)
      expect(scene.upstream.ended).toEqual(new Set(['cksess_1']))
      expect(await scene.real.getSession('cksess_1')).toBeUndefined()
    },
  )
})

test('a session with the id of another is an invalid answer of the upstream, and does not end the other', async () => {
  await scene.mint(order())
  scene.upstream.onCreate = (session) => {
    session.id = sessionId('cksess_1')
  }
  await expect(scene.mint(order({ user: 'bob' }))).rejects.toMatchObject({
    code: 'upstream_invalid_response',
  })
  await scene.canceller.settled()
  expect(scene.upstream.cancels).toEqual([])
  expect(await scene.real.getSession('cksess_1')).toMatchObject({ status: 'active', user: 'alice' })
})

test('a client that leaves between create and record has its session cancelled and not recorded', async () => {
  const record = vi.spyOn(scene.registry, 'record')
  const controller = new AbortController()
  const reason = new Error('gone')
  scene.upstream.onCreate = () => controller.abort(reason)
  await expect(scene.mint(order(), { signal: controller.signal })).rejects.toBe(reason)
  await scene.canceller.settled()
  expect(record).not.toHaveBeenCalled()
  expect(scene.upstream.ended).toEqual(new Set(['cksess_1']))
})

test('only a cap that refuses asks for the exact number of live sessions', async () => {
  for (const [whenFull, exactFrom] of [
    ['deny', 3],
    ['evict_oldest', undefined],
  ] as const) {
    const scene = createScene({ cap: { max: 3, whenFull } })
    const begin = vi.spyOn(scene.registry, 'beginMint')
    await scene.mint(order())
    expect(begin.mock.calls[0]?.[0]).toMatchObject({ exactFrom })
  }
})
