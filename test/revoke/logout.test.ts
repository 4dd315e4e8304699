import { describe, expect, test } from 'vitest'
import { createScene, ISSUER, NOW_SECONDS, order, type SceneOptions } from '../mint/scene.ts'
import { forEachTest } from '../support/started.ts'

const scene = forEachTest(() => logoutScene())

/** A logout ends the sessions that exist, and older tokens mint nothing after it. */

const logout = (changes: object = {}) => ({
  issuer: ISSUER,
  subject: 'alice-sub',
  issuedAt: NOW_SECONDS,
  ...changes,
})
const token = (tokenIssuedAt: number | undefined, changes: object = {}) =>
  order({ tokenIssuedAt, ...changes })
const logoutScene = (options: SceneOptions = {}) => createScene({ ...options, logout: true })
const over = { code: 'invalid_token' }

describe('after a logout', () => {
  test.each([
    ['issued before it', NOW_SECONDS - 1],
    ['issued in the same second', NOW_SECONDS],
    ['without iat', undefined],
  ])('a token %s gets 401 before any upstream call', async (_name, issuedAt) => {
    await scene.revoke.logOut(logout())
    await expect(scene.mint(token(issuedAt))).rejects.toMatchObject(over)
    expect(scene.upstream.created).toEqual([])
  })

  test('a token issued after it mints, and so does another subject’s, and another issuer’s', async () => {
    await scene.revoke.logOut(logout())
    await expect(scene.mint(token(NOW_SECONDS + 1))).resolves.toBeDefined()
    await expect(scene.mint(token(NOW_SECONDS - 1, { user: 'bob' }))).resolves.toBeDefined()
    const identity = { issuer: 'https://other.example/', subject: 'alice-sub' }
    await expect(scene.mint(token(NOW_SECONDS - 1, { identity }))).resolves.toBeDefined()
  })

  test('its mark stays for 30 days', async () => {
    await scene.revoke.logOut(logout())
    scene.clock.ms += 30 * 86_400_000 - 1000
    await expect(scene.mint(token(NOW_SECONDS - 1))).rejects.toMatchObject(over)
    scene.clock.ms += 1000
    await expect(scene.mint(token(NOW_SECONDS - 1))).resolves.toBeDefined()
  })

  test('live sessions of the subject end, those of others do not', async () => {
    const alice = await scene.mint(token(NOW_SECONDS - 1))
    await scene.mint(token(NOW_SECONDS - 1, { user: 'bob' }))
    await scene.revoke.logOut(logout())
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set([alice.sessionId]))
  })

  test('with a sid, only sessions of that sid end and only its tokens are refused', async () => {
    const phone = await scene.mint(token(NOW_SECONDS - 1, { sid: 'phone' }))
    await scene.mint(token(NOW_SECONDS - 1, { sid: 'laptop' }))
    await scene.mint(token(NOW_SECONDS - 1))
    await scene.revoke.logOut(logout({ subject: undefined, sid: 'phone' }))
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set([phone.sessionId]))
    await expect(scene.mint(token(NOW_SECONDS - 1, { sid: 'phone' }))).rejects.toMatchObject(over)
    await expect(scene.mint(token(NOW_SECONDS - 1, { sid: 'laptop' }))).resolves.toBeDefined()
  })

  test('with a subject and a sid, that sign-in ends, and so do sessions of the subject without a sid', async () => {
    const phone = await scene.mint(token(NOW_SECONDS - 1, { sid: 'phone' }))
    const sidless = await scene.mint(token(NOW_SECONDS - 1))
    await scene.mint(token(NOW_SECONDS - 1, { sid: 'laptop' }))
    await scene.mint(token(NOW_SECONDS - 1, { user: 'bob' }))
    await scene.revoke.logOut(logout({ sid: 'phone' }))
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set([phone.sessionId, sidless.sessionId]))
    await expect(scene.mint(token(NOW_SECONDS - 1))).rejects.toMatchObject(over)
    await expect(scene.mint(token(NOW_SECONDS - 1, { sid: 'laptop' }))).resolves.toBeDefined()
  })

  test('with a subject alone, every sign-in of the subject ends', async () => {
    await scene.mint(token(NOW_SECONDS - 1, { sid: 'phone' }))
    await scene.mint(token(NOW_SECONDS - 1))
    await scene.revoke.logOut(logout())
    await scene.canceller.settled()
    expect(scene.upstream.ended.size).toBe(2)
    await expect(scene.mint(token(NOW_SECONDS - 1, { sid: 'laptop' }))).rejects.toMatchObject(over)
  })
})

describe('a logout during a mint', () => {
  test('that finds the user makes the mint fail by the raised generation', async () => {
    await scene.mint(token(NOW_SECONDS - 1))
    scene.upstream.onCreate = async () => void (await scene.revoke.logOut(logout()))
    await expect(scene.mint(token(NOW_SECONDS - 1))).rejects.toMatchObject({ code: 'user_blocked' })
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set(['cksess_1', 'cksess_2']))
  })

  test('that finds no session yet is seen by the mint, which cancels its own session', async () => {
    scene.upstream.onCreate = async () => void (await scene.revoke.logOut(logout()))
    await expect(scene.mint(token(NOW_SECONDS - 1))).rejects.toMatchObject(over)
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set(['cksess_1']))
    expect((await scene.real.getSession('cksess_1'))?.status).toBe('cancelled')
  })

  test('that searched just before the session was recorded is seen by the mint afterwards', async () => {
    const scene = logoutScene({
      registry: (real) => ({
        async record(entry) {
          await real.markLogout({
            ...logout(),
            issuedBefore: NOW_SECONDS + 1,
            keepUntil: NOW_SECONDS + 60,
          })
          return real.record(entry)
        },
      }),
    })
    await expect(scene.mint(token(NOW_SECONDS - 1))).rejects.toMatchObject(over)
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set(['cksess_1']))
  })

  test.each([
    ['and works again for the cancel', false],
    ['and for the cancel too', true],
  ])(
    'hands out no secret when the store fails at the second read of the standing %s',
    async (_name, staysDown) => {
      const down = () => Promise.reject(new Error('down'))
      const scene = logoutScene({
        registry: () => ({ readStanding: down, ...(staysDown && { beginCancel: down }) }),
      })
      await expect(scene.mint(token(NOW_SECONDS - 1))).rejects.toThrow('down')
      await scene.canceller.settled()
      expect(scene.upstream.ended).toEqual(new Set(['cksess_1']))
    },
  )

  test('costs no second read of the standing for an issuer without logout', async () => {
    let reads = 0
    const scene = createScene({
      registry: (real) => ({
        readStanding(of) {
          reads++
          return real.readStanding(of)
        },
      }),
    })
    await scene.mint(order())
    expect(reads).toBe(0)
  })
})
