import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { UnusableSessionError } from '../../src/chatkit/port.ts'
import { hashSecret } from '../../src/lib/hash.ts'
import { userId } from '../support/ids.ts'
import { forEachTest } from '../support/started.ts'
import { createScene, ISSUER, NOW, NOW_SECONDS, order, refresh, unavailable } from './scene.ts'

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

  test('sends the given parameters upstream and nothing else', async () => {
    const asked: unknown[] = []
    const create = scene.upstream.chatkit.createSession
    scene.upstream.chatkit.createSession = (params, call) => {
      asked.push(params)
      return create(params, call)
    }
    await scene.mint(refresh('ek_of_the_client'))
    expect(asked).toEqual([{ user: 'alice', workflow: { id: 'wf_1' } }])
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
  test('throws store_unavailable, cancels the session, and shows the secret nowhere', async () => {
    const scene = createScene({
      registry: () => ({ record: () => Promise.reject(unavailable('store')) }),
    })
    const error: unknown = await scene.mint(order()).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'store_unavailable' })
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set(['cksess_1']))
    expect(inspect(error, { depth: 9 })).not.toContain('ek_planted')
    expect(scene.logText()).not.toContain('ek_planted')
    expect(await scene.real.getSession('cksess_1')).toBeUndefined()
  })

  test('cancels the session also when the error is a bug of this service', async () => {
    const scene = createScene({
      registry: () => ({ record: () => Promise.reject(new TypeError('x')) }),
    })
    await expect(scene.mint(order())).rejects.toThrow(TypeError)
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set(['cksess_1']))
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

  test('a block stops a mint before the upstream call, until the block ends', async () => {
    await scene.revoke.revokeUser(block)
    await expect(scene.mint(order())).rejects.toMatchObject({ code: 'user_blocked' })
    scene.clock.ms = NOW + 59_999
    await expect(scene.mint(order())).rejects.toMatchObject({ code: 'user_blocked' })
    expect(scene.upstream.created).toEqual([])
    scene.clock.ms = NOW + 60_000
    await expect(scene.mint(order())).resolves.toBeDefined()
  })

  test('a block stops no other user', async () => {
    await scene.revoke.revokeUser(block)
    await expect(scene.mint(order({ user: 'alice2' }))).resolves.toBeDefined()
  })

  const during: [string, () => Promise<unknown>][] = [
    ['a revoke with a block', () => scene.revoke.revokeUser(block)],
    ['a revoke without one', () => scene.revoke.revokeUser({ ...block, blockSeconds: 0 })],
    ['a sign-out', () => scene.revoke.signOut(userId('alice'), 'ada')],
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

  test('no interleaving of mints and a revoke leaves a secret that works', async () => {
    const secrets: string[] = []
    const halfway = Promise.withResolvers<void>()
    const first = Promise.withResolvers<void>()
    const revoked = Promise.withResolvers<void>()
    let calls = 0
    scene.upstream.onCreate = () => {
      calls++
      // One call that began before the revoke ends after it, on however slow a machine.
      if (calls === 100) halfway.resolve()
      if (calls === 100) return revoked.promise
      return new Promise((resolve) => setTimeout(resolve, Math.random() * 10))
    }
    const mints = Array.from({ length: 200 }, async (_, number) => {
      await new Promise((resolve) => setTimeout(resolve, number / 10))
      const minted = await scene.mint(order()).catch(() => undefined)
      if (!minted) return
      secrets.push(minted.sessionId)
      first.resolve()
    })
    await Promise.all([halfway.promise, first.promise])
    await scene.revoke.revokeUser({ ...block, blockSeconds: 3600 })
    revoked.resolve()
    await Promise.all(mints)
    await scene.canceller.settled()
    expect(secrets.length).toBeGreaterThan(0)
    expect(scene.upstream.created.length).toBeGreaterThan(secrets.length)
    for (const { id } of scene.upstream.created) expect(scene.upstream.ended).toContain(id)
  })
})

describe('a session that must not be used', () => {
  test('is cancelled when its id is known', async () => {
    scene.upstream.onCreate = ({ id }) => Promise.reject(new UnusableSessionError('planted', id))
    await expect(scene.mint(order())).rejects.toMatchObject({ code: 'upstream_invalid_response' })
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set(['cksess_1']))
  })

  test('is not cancelled when its id is unknown', async () => {
    scene.upstream.onCreate = () => Promise.reject(new UnusableSessionError('planted', undefined))
    await expect(scene.mint(order())).rejects.toMatchObject({ code: 'upstream_invalid_response' })
    await scene.canceller.settled()
    expect(scene.upstream.cancels).toEqual([])
  })
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
