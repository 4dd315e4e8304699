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

test('a mint that a logout overtakes is told so, also when sessions of its sign-in end', async () => {
  const scene = logoutScene()
  await scene.mint(order())
  scene.upstream.onCreate = () => scene.revoke.logOut(logout()).then(() => undefined)
  await expect(scene.mint(order())).rejects.toMatchObject(over)
  await scene.canceller.settled()
  expect(scene.upstream.ended).toEqual(new Set(['cksess_1', 'cksess_2']))
})

test.each([
  ['evicts no other session at a full cap', false, NOW_SECONDS - 1],
  ['evicts none for a token without iat', false, undefined],
  ['replaces no session', true, NOW_SECONDS - 1],
])(
  'a mint that a logout overtakes is refused before it is recorded, so that it %s',
  async (_name, refreshes, issuedAt) => {
    const scene = logoutScene({ cap: { max: 1, whenFull: 'evict_oldest' } })
    const { clientSecret } = await scene.mint(order({ sid: 'another' }))
    scene.upstream.onCreate = async () => {
      await scene.revoke.logOut(logout({ subject: undefined, sid: 'own' }))
    }
    const refresh = refreshes ? { currentSecret: clientSecret } : {}
    const late = token(issuedAt, { sid: 'own', ...refresh })
    await expect(scene.mint(late)).rejects.toMatchObject(over)
    await scene.canceller.settled()
    expect(scene.upstream.ended).toEqual(new Set(['cksess_2']))
    expect(await scene.real.getSession('cksess_1')).toMatchObject({ status: 'active' })
    expect(await scene.real.getSession('cksess_2')).toBeUndefined()
  },
)
