import { describe, expect, test } from 'vitest'
import type { UserRevoke } from '../../src/registry/records.ts'
import { createScene, ISSUER, NOW, NOW_SECONDS, order, unavailable } from '../mint/scene.ts'
import { sessionId as idOf, userId } from '../support/ids.ts'
import { forEachTest } from '../support/started.ts'

const scene = forEachTest(() => createScene())

const revokeAlice = (changes: object = {}) => ({
  user: userId('alice'),
  blockSeconds: 60,
  reason: 'left the company',
  by: `${ISSUER}|ada`,
  ...changes,
})

describe('revoking a user', () => {
  test('ends all sessions of the user and nobody else’s, and blocks', async () => {
    const [one, two] = [await scene.mint(order()), await scene.mint(order())]
    const bobs = await scene.mint(order({ user: 'bob' }))
    const result = await scene.revoke.revokeUser(revokeAlice())
    expect(result).toEqual({
      cancelled: expect.arrayContaining([one.sessionId, two.sessionId]),
      cancelling: [],
      blockedUntil: NOW_SECONDS + 60,
    })
    expect(scene.upstream.ended).not.toContain(bobs.sessionId)
    const page = await scene.real.listBlocks({ limit: 10, order: 'desc', now: NOW_SECONDS })
    expect(page?.data).toEqual([
      {
        user: 'alice',
        until: NOW_SECONDS + 60,
        reason: 'left the company',
        by: `${ISSUER}|ada`,
        createdAt: NOW_SECONDS,
      },
    ])
  })

  test('blocks first, then cancels: at the first upstream call no mint gets through', async () => {
    await scene.mint(order())
    let tried: unknown
    scene.upstream.onCancel = async () => {
      tried = await scene.mint(order()).catch((error) => error.code)
    }
    await scene.revoke.revokeUser(revokeAlice())
    expect(tried).toBe('user_blocked')
  })

  test('is audited before the first cancel, and not at all when the store refuses it', async () => {
    await scene.mint(order())
    const seen: string[] = []
    scene.upstream.onCancel = async () => {
      seen.push('cancel')
    }
    const note = async () => {
      seen.push(`audit, blocked: ${await scene.mint(order()).catch((error) => error.code)}`)
    }
    await scene.revoke.revokeUser(revokeAlice(), note)
    expect(seen).toEqual(['audit, blocked: user_blocked', 'cancel'])
    const refusing = createScene({
      registry: () => ({ revoke: () => Promise.reject(unavailable('store')) }),
    })
    await expect(refusing.revoke.revokeUser(revokeAlice(), note)).rejects.toMatchObject({
      code: 'store_unavailable',
    })
    expect(seen).toHaveLength(2)
  })

  test('cancels nothing and fails when the store refuses it', async () => {
    const scene = createScene({
      registry: () => ({ revoke: () => Promise.reject(unavailable('store')) }),
    })
    await scene.mint(order())
    await expect(scene.revoke.revokeUser(revokeAlice())).rejects.toMatchObject({
      code: 'store_unavailable',
    })
    expect(scene.upstream.cancels).toEqual([])
  })

  test('names the sessions that the upstream has not confirmed, and the outbox retries them', async () => {
    const { sessionId } = await scene.mint(order())
    scene.upstream.onCancel = () => Promise.reject(unavailable('upstream'))
    expect(await scene.revoke.revokeUser(revokeAlice())).toMatchObject({
      cancelled: [],
      cancelling: [sessionId],
    })
    scene.upstream.onCancel = () => undefined
    scene.clock.ms += 2_000
    await scene.canceller.workOutbox()
    expect(scene.upstream.ended).toEqual(new Set([sessionId]))
    await expect(scene.mint(order())).rejects.toMatchObject({ code: 'user_blocked' })
  })

  test('is finished by another instance after a crash between block and cancel', async () => {
    const { sessionId } = await scene.mint(order())
    const block = { until: NOW_SECONDS + 60, reason: undefined, by: 'ada' }
    await scene.real.revoke({
      user: 'alice',
      endReason: 'revoked',
      by: 'ada',
      block,
      now: NOW_SECONDS,
    })
    expect(scene.upstream.cancels).toEqual([])
    scene.clock.ms += 5_000
    await scene.canceller.workOutbox()
    expect(scene.upstream.ended).toEqual(new Set([sessionId]))
    await expect(scene.mint(order())).rejects.toMatchObject({ code: 'user_blocked' })
  })

  test('tries unconfirmed cancels again when it is repeated', async () => {
    const { sessionId } = await scene.mint(order())
    scene.upstream.onCancel = () => Promise.reject(unavailable('upstream'))
    await scene.revoke.revokeUser(revokeAlice())
    scene.upstream.onCancel = () => undefined
    expect(await scene.revoke.revokeUser(revokeAlice())).toMatchObject({ cancelled: [sessionId] })
    expect(await scene.revoke.revokeUser(revokeAlice())).toMatchObject({
      cancelled: [],
      cancelling: [],
    })
  })

  test('without a block lets the user mint, and never shortens a block', async () => {
    expect(await scene.revoke.revokeUser(revokeAlice({ blockSeconds: 0 }))).toMatchObject({
      blockedUntil: undefined,
    })
    await expect(scene.mint(order())).resolves.toBeDefined()
    await scene.revoke.revokeUser(revokeAlice({ blockSeconds: 3600 }))
    for (const blockSeconds of [10, 0]) {
      expect(await scene.revoke.revokeUser(revokeAlice({ blockSeconds }))).toMatchObject({
        blockedUntil: NOW_SECONDS + 3600,
      })
    }
  })

  test('ends a session that was evicted and not yet confirmed', async () => {
    const scene = createScene({ cap: { max: 1, whenFull: 'evict_oldest' } })
    scene.upstream.onCancel = () => Promise.reject(unavailable('upstream'))
    const first = await scene.mint(order())
    const second = await scene.mint(order())
    await scene.canceller.settled()
    scene.upstream.onCancel = () => undefined
    const { cancelled } = await scene.revoke.revokeUser(revokeAlice())
    expect(cancelled.toSorted()).toEqual([first.sessionId, second.sessionId])
  })
})

describe('signing out', () => {
  test('ends the caller’s sessions, and does not stop the next mint', async () => {
    const { sessionId } = await scene.mint(order())
    await scene.revoke.signOut(userId('alice'), 'ada')
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set([sessionId]))
    expect((await scene.real.getSession(sessionId))?.endReason).toBe('signed_out')
    await expect(scene.mint(order())).resolves.toBeDefined()
  })

  test('does not lift a block', async () => {
    await scene.revoke.revokeUser(revokeAlice())
    await scene.revoke.signOut(userId('alice'), 'ada')
    await expect(scene.mint(order())).rejects.toMatchObject({ code: 'user_blocked' })
  })
})

describe('cancelling one session', () => {
  test('ends it and no other, and answers the same when repeated', async () => {
    const [one, two] = [await scene.mint(order()), await scene.mint(order())]
    for (let time = 0; time < 2; time++) {
      expect(await scene.revoke.cancelSession(one.sessionId, 'ada')).toMatchObject({
        status: 'cancelled',
      })
    }
    expect(scene.upstream.cancels).toEqual([one.sessionId])
    expect((await scene.real.getSession(two.sessionId))?.status).toBe('active')
  })

  test('leaves it cancelling until the upstream confirms, and each call tries again', async () => {
    const { sessionId } = await scene.mint(order())
    scene.upstream.onCancel = () => Promise.reject(unavailable('upstream'))
    expect(await scene.revoke.cancelSession(sessionId, 'ada')).toMatchObject({
      status: 'cancelling',
    })
    scene.upstream.onCancel = () => undefined
    expect(await scene.revoke.cancelSession(sessionId, 'ada')).toMatchObject({
      status: 'cancelled',
    })
    expect(scene.upstream.cancels).toHaveLength(2)
  })

  test('leaves an expired session unchanged, and gives undefined for an unknown one', async () => {
    const { sessionId } = await scene.mint(order())
    scene.clock.ms = NOW + 600_000
    expect(await scene.revoke.cancelSession(sessionId, 'ada')).toMatchObject({ status: 'active' })
    expect(await scene.revoke.cancelSession(idOf('cksess_none'), 'ada')).toBeUndefined()
    expect(scene.upstream.cancels).toEqual([])
  })
})

test('a logout writes its mark before it looks for sessions', async () => {
  const steps: string[] = []
  const scene = createScene({
    registry: (real) => ({
      markLogout(mark) {
        steps.push('mark')
        return real.markLogout(mark)
      },
      usersOf(identity) {
        steps.push('look')
        return real.usersOf(identity)
      },
      revoke(of: UserRevoke) {
        steps.push('end')
        return real.revoke(of)
      },
    }),
  })
  await scene.mint(order())
  await scene.revoke.logOut({ issuer: ISSUER, subject: 'alice-sub', issuedAt: NOW_SECONDS })
  expect(steps).toEqual(['mark', 'look', 'end'])
})
