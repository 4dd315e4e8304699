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
  test('its mark stays for 30 days', async () => {
    await scene.revoke.logOut(logout())
    scene.clock.ms += 30 * 86_400_000 - 1000
    await expect(scene.mint(token(NOW_SECONDS - 1))).rejects.toMatchObject(over)
    scene.clock.ms += 1000
    await expect(scene.mint(token(NOW_SECONDS - 1))).resolves.toBeDefined()
  })

  test('every mark of it holds although the store failed while sessions were searched', async () => {
    const scene = logoutScene({
      registry: () => ({ usersOf: () => Promise.reject(new Error('down')) }),
    })
    await expect(scene.revoke.logOut(logout({ sid: 'one' }))).rejects.toThrow('down')
    // With subject and `sid`, a logout also ends the subject's sign-ins without a `sid`.
    for (const sid of ['one', undefined]) {
      const minted = scene.mint(token(NOW_SECONDS - 1, { sid }))
      await expect(minted, String(sid)).rejects.toMatchObject(over)
    }
  })
})

test('a logout searches sessions only when all its marks are written', async () => {
  const steps: string[] = []
  const scene = logoutScene({
    registry: (real) => ({
      async markLogout(mark) {
        await real.markLogout(mark)
        steps.push('marked')
      },
      usersOf(identity) {
        steps.push('searched')
        return real.usersOf(identity)
      },
    }),
  })
  await scene.revoke.logOut(logout({ sid: 'one' }))
  expect(steps).toEqual(['marked', 'marked', 'searched', 'searched'])
})

test('a logout whose steps fail at too few replicas ends all sessions that it can, and fails', async () => {
  const tooFew = (write: Promise<unknown>) =>
    write.then(() => Promise.reject(new Error('too few replicas')))
  const scene = logoutScene({
    registry: (real) => ({
      markLogout: (mark) => tooFew(real.markLogout(mark)),
      revoke: (command) => tooFew(real.revoke(command)),
    }),
  })
  const { identity } = order().caller
  for (const user of ['one', 'other']) await scene.mint(order({ user, identity }))
  await expect(scene.revoke.logOut(logout())).rejects.toThrow('too few replicas')
  for (const id of ['cksess_1', 'cksess_2']) {
    expect(await scene.real.getSession(id)).toMatchObject({ status: 'cancelling' })
  }
  await expect(scene.mint(order())).rejects.toMatchObject(over)
})

describe('a logout during a mint', () => {
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
