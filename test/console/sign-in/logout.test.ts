import { beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { createSealer } from '../../../src/console/sign-in/cookies.ts'
import type { LogoutMark } from '../../../src/registry/records.ts'
import { createRevoke } from '../../../src/revoke/revoke.ts'
import { userId } from '../../support/ids.ts'
import type { Browser } from '../../support/sign-in/browser.ts'
import { forEachTest } from '../../support/started.ts'
import { startConsoleScene } from '../scene.ts'

// An admin is logged out at the identity provider, which tells the service of it
// (OpenID Connect Back-Channel Logout 1.0).

const KEY = Buffer.alloc(32, 3)
const COOKIE = 'chatkit-mint-console-session'
const kept = z.looseObject({ issuedAt: z.number() })
const sealer = createSealer({ secret: async () => KEY, now: Date.now })

let browser: Browser
const scene = forEachTest(() =>
  startConsoleScene({ env: { CONSOLE_COOKIE_KEY: KEY.toString('base64url') } }),
)
beforeEach(async () => {
  browser = await scene.signedIn()
})

/** Signs in with this `sid`, and gives the fields of the logout mark that ends the sign-in. */
async function withSid(sid: string): Promise<Omit<LogoutMark, 'subject' | 'sid'>> {
  const sealed = browser.cookies(scene.console).get(COOKIE) ?? ''
  const session = await sealer.open('session', sealed, kept)
  if (session === undefined) throw new Error('nobody is signed in')
  const { aud: _, exp: __, ...value } = session
  browser.setCookie(scene.console, COOKIE, await sealer.seal('session', { ...value, sid }, 600))
  const { issuedAt } = session
  return { issuer: scene.signIn.issuer, issuedBefore: issuedAt + 1, keepUntil: issuedAt + 3600 }
}

const status = async () => (await browser.send(scene.console)).status

test.each([
  { name: 'subject', own: { subject: 'ada' }, another: { subject: 'bob' } },
  { name: 'sid', own: { sid: 'one' }, another: { sid: 'another' } },
])('a back-channel logout by $name ends that sign-in, and no other', async ({ own, another }) => {
  const mark = await withSid('one')
  await scene.registry.markLogout({ ...mark, ...another })
  await scene.registry.markLogout({ ...mark, ...own, issuedBefore: mark.issuedBefore - 1 })
  await scene.registry.markLogout({ ...mark, ...own, issuer: 'https://other.example' })
  expect(await status()).toBe(200)
  await scene.registry.markLogout({ ...mark, ...own })
  expect(await status()).toBe(303)
})

test('a logout of one sign-in ends a console sign-in whose ID token has no sid, as it may be that one', async () => {
  const now = Math.floor(Date.now() / 1000)
  const canceller = { cancelAll: vi.fn(), cancelSoon: vi.fn() }
  const revoke = createRevoke({ registry: scene.registry, canceller, now: Date.now })
  const logout = { issuer: scene.signIn.issuer, sid: 'of another client', issuedAt: now }
  await revoke.logOut({ ...logout, subject: 'bob' })
  expect(await status()).toBe(200)
  await revoke.logOut({ ...logout, subject: 'ada' })
  expect(await status()).toBe(303)
})

test('nobody is let in while the store cannot say whether a logout happened', async () => {
  scene.registry.failing.add('readStanding')
  expect(await status()).toBe(503)
})

describe('a block of the admin', () => {
  async function block(user: string): Promise<void> {
    const now = Math.floor(Date.now() / 1000)
    const by = 'another admin'
    const block = { until: now + 600, reason: undefined, by }
    await scene.registry.revoke({ user: userId(user), endReason: 'revoked', by: 'ada', block, now })
  }

  test('refuses every request of the console until it is lifted', async () => {
    await browser.go(`${scene.console}/user?user=alice`)
    scene.running.upstream.clearRequests()
    await block('ada')
    const refused = await browser.submit('/user/revoke', { block_seconds: '60' })
    expect(refused.status).toBe(403)
    expect(refused.text).toContain('Another admin has blocked you. Nothing was done.')
    for (const path of ['', '/blocks', '/figures.json', '/user?user=alice', '/threads']) {
      const page = await browser.go(`${scene.console}${path}`)
      expect([path, page.status]).toEqual([path, 403])
      expect(page.text).not.toContain('alice')
    }
    expect(scene.running.upstream.requests()).toEqual([])
    await scene.registry.liftBlock(userId('ada'), Math.floor(Date.now() / 1000))
    expect(await status()).toBe(200)
  })

  test('refuses them by the user that other claims than the subject map to', async () => {
    const accounts = { ada: { roles: ['chatkit-admin'], name: 'ada@acme.example' } }
    const mapped = await startConsoleScene({ accounts, userRule: 'claims.name' })
    try {
      const admin = await mapped.signedIn()
      expect(await mapped.audit('admin_sign_in')).toMatchObject([{ user: 'ada@acme.example' }])
      const now = Math.floor(Date.now() / 1000)
      const block = { until: now + 600, reason: undefined, by: 'another admin' }
      const revoke = { endReason: 'revoked', by: 'grace', block, now } as const
      await mapped.registry.revoke({ user: userId('ada'), ...revoke })
      expect((await admin.send(mapped.console)).status).toBe(200)
      await mapped.registry.revoke({ user: userId('ada@acme.example'), ...revoke })
      expect((await admin.send(mapped.console)).status).toBe(403)
    } finally {
      await mapped.close()
    }
  })

  test('of another user changes nothing', async () => {
    await block('bob')
    await block(`${scene.signIn.issuer}|bob`)
    expect(await status()).toBe(200)
  })
})

test('an admin cannot block themselves in the console, but may end their own sessions', async () => {
  await browser.go(`${scene.console}/user?user=ada`)
  const page = await browser.submit('/user/revoke', { block_seconds: '60' })
  expect([page.status, page.text]).toEqual([
    400,
    expect.stringContaining('cannot block or erase yourself'),
  ])
  await browser.go(`${scene.console}/user?user=ada`)
  await browser.submit('/user/revoke', { block_seconds: '0' })
  expect((await browser.submit('/user/revoke')).text).toContain('no block.')
  expect((await browser.go(scene.console)).status).toBe(200)
})
