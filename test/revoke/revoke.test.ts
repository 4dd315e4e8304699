import { describe, expect, test } from 'vitest'
import type { UserRevoke } from '../../src/registry/records.ts'
import { createScene, ISSUER, NOW_SECONDS, order, unavailable } from '../mint/scene.ts'
import { userId } from '../support/ids.ts'
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

describe('cancelling one session', () => {
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
