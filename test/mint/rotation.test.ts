import { describe, expect, test } from 'vitest'
import { createScene, NOW, order, refresh, type Scene, unavailable } from './scene.ts'

const status = async (scene: Scene, id: string) => (await scene.real.getSession(id))?.status

describe('the session of the secret that the client still holds', () => {
  test('ends only after the new session was created', async () => {
    const scene = createScene()
    const first = await scene.mint(order())
    scene.upstream.onCreate = async () =>
      expect(await status(scene, first.sessionId)).toBe('active')
    const second = await scene.mint(refresh(first.clientSecret))
    await scene.canceller.settled()
    expect(await status(scene, first.sessionId)).toBe('cancelled')
    expect(await status(scene, second.sessionId)).toBe('active')
    expect(scene.upstream.cancels).toEqual([first.sessionId])
  })

  test('stays active when the mint fails', async () => {
    const scene = createScene()
    const first = await scene.mint(order())
    scene.upstream.onCreate = () => Promise.reject(unavailable('upstream'))
    await expect(scene.mint(refresh(first.clientSecret))).rejects.toMatchObject({
      code: 'upstream_unavailable',
    })
    expect(await status(scene, first.sessionId)).toBe('active')
    expect(scene.upstream.cancels).toEqual([])
  })

  test('is left alone when it is another user’s, unknown, or over', async () => {
    const scene = createScene()
    const bobs = await scene.mint(order({ user: 'bob' }))
    const own = await scene.mint(order())
    await scene.mint(refresh(bobs.clientSecret))
    await scene.mint(refresh('ek_made_up'))
    expect(scene.upstream.cancels).toEqual([])
    await scene.mint(refresh(own.clientSecret))
    await scene.mint(refresh(own.clientSecret))
    await scene.canceller.settled()
    expect(scene.upstream.cancels).toEqual([own.sessionId])
    expect(await status(scene, bobs.sessionId)).toBe('active')
  })
})

describe('at the cap', () => {
  test('evict_oldest ends the oldest session, and refuses its refresh without an upstream call', async () => {
    const scene = createScene({ cap: { max: 2, whenFull: 'evict_oldest' } })
    const [first] = [
      await scene.mint(order()),
      await scene.mint(order()),
      await scene.mint(order()),
    ]
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set(['cksess_1']))
    await expect(scene.mint(refresh(first?.clientSecret ?? ''))).rejects.toMatchObject({
      code: 'session_limit',
    })
    expect(scene.upstream.created).toHaveLength(3)
    await scene.mint(order({ user: 'bob' }))
    expect(scene.upstream.ended.size).toBe(1)
  })

  test('evict_oldest lets a refresh replace its own session, not the oldest one', async () => {
    const scene = createScene({ cap: { max: 2, whenFull: 'evict_oldest' } })
    await scene.mint(order())
    const second = await scene.mint(order())
    await scene.mint(refresh(second.clientSecret))
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set([second.sessionId]))
  })

  test('deny refuses a mint without an upstream call, allows a refresh, and does not count expired sessions', async () => {
    const scene = createScene({ cap: { max: 1, whenFull: 'deny' } })
    const first = await scene.mint(order())
    await expect(scene.mint(order())).rejects.toMatchObject({ code: 'session_limit' })
    expect(scene.upstream.created).toHaveLength(1)
    await expect(scene.mint(refresh(first.clientSecret))).resolves.toBeDefined()
    scene.clock.ms = NOW + 600_000
    await expect(scene.mint(order())).resolves.toBeDefined()
  })

  test('deny refuses a refresh whose session has expired, as it does any other mint', async () => {
    const scene = createScene({ cap: { max: 1, whenFull: 'deny' } })
    const first = await scene.mint(order())
    scene.clock.ms = NOW + 600_000
    scene.upstream.onCreate = (session) => {
      session.expires_at += 600
    }
    await scene.mint(order())
    await expect(scene.mint(refresh(first.clientSecret))).rejects.toMatchObject({
      code: 'session_limit',
    })
    expect(scene.upstream.created).toHaveLength(2)
  })

  test('deny records one of two mints at once, and cancels the session of the other', async () => {
    const scene = createScene({ cap: { max: 1, whenFull: 'deny' } })
    scene.upstream.onCreate = () => new Promise((resolve) => setTimeout(resolve, 10))
    const results = await Promise.allSettled([scene.mint(order()), scene.mint(order())])
    await scene.canceller.settled()
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'session_limit' },
    })
    expect(scene.upstream.ended.size).toBe(1)
    const live = results.flatMap((r) => (r.status === 'fulfilled' ? [r.value.sessionId] : []))
    expect(scene.upstream.ended).not.toContain(live[0])
  })
})
