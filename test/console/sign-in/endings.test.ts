import { beforeEach, describe, expect, test } from 'vitest'
import { createLog } from '../../../src/lib/log.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { createRedisRegistry } from '../../../src/registry/redis.ts'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { describeEachStore } from '../../support/registry/each-store.ts'
import { createFaultyRegistry } from '../../support/registry/faulty-registry.ts'
import { type Browser, createBrowser } from '../../support/sign-in/browser.ts'
import { forAllTests } from '../../support/started.ts'
import { signInWith, startConsoleScene } from '../scene.ts'

// A sign-in to the console ends with a new one, after 30 minutes without use, and with a sign-out.

const COOKIE = 'chatkit-mint-console-session'
const MINUTE = 60_000
const ADMIN = { roles: ['chatkit-admin'] }

describeEachStore('a sign-in to the console, %s', (env) => {
  let passedMs = 0
  const scene = forAllTests(() =>
    startConsoleScene({
      registry: createFaultyRegistry(openStore(env()['STORE_URL'] ?? '')),
      env: { ...env(), CONSOLE_COOKIE_KEY: Buffer.alloc(32, 3).toString('base64url') },
      accounts: { ada: ADMIN, grace: ADMIN },
      sessionMinutes: 120,
      now: () => Date.now() + passedMs,
    }),
  )
  beforeEach(() => {
    passedMs = 0
  })

  const cookieOf = (browser: Browser) => browser.cookies(scene.console).get(COOKIE) ?? ''
  /** Status of a page with this cookie, as from another machine. */
  async function statusWith(cookie: string, path = ''): Promise<number> {
    const browser = createBrowser()
    browser.setCookie(scene.console, COOKIE, cookie)
    return (await browser.send(scene.console + path)).status
  }

  describe('a sign-in ends with a new one', () => {
    test('of the same browser', async () => {
      const browser = await scene.signedIn()
      const old = cookieOf(browser)
      expect(await statusWith(old)).toBe(200)
      await signInWith(browser, `${scene.console}/sign-in?again=1`, 'ada')
      expect(await statusWith(old)).toBe(303)
      expect(await statusWith(old, '/figures.json')).toBe(401)
      expect((await browser.go(scene.console)).status).toBe(200)
    })

    test('of the same admin in another browser', async () => {
      const old = cookieOf(await scene.signedIn())
      const browser = await scene.signedIn()
      expect(await statusWith(old)).toBe(303)
      expect((await browser.go(scene.console)).status).toBe(200)
    })

    test('of another admin in the same browser', async () => {
      const old = cookieOf(await scene.signedIn())
      const browser = createBrowser()
      browser.setCookie(scene.console, COOKIE, old)
      const page = await signInWith(browser, `${scene.console}/sign-in?again=1`, 'grace')
      expect(page.text).toContain('grace')
      expect(await statusWith(old)).toBe(303)
    })

    test('and a form of the old page does nothing', async () => {
      const victim = await scene.signedIn()
      await victim.go(`${scene.console}/user/revoke?user=alice&block_seconds=60`)
      await scene.signedIn()
      expect((await victim.submit('/user/revoke')).status).toBe(401)
      expect(await scene.audit('revoke')).toEqual([])
    })

    test('but not with the sign-in of another admin in another browser', async () => {
      const ada = await scene.signedIn()
      const grace = await scene.signedIn('grace')
      for (const browser of [ada, grace]) expect((await browser.go(scene.console)).status).toBe(200)
    })

    test('which is valid although the clock of another instance was ahead', async () => {
      passedMs = 5 * MINUTE
      const old = cookieOf(await scene.signedIn())
      passedMs = 0
      const browser = createBrowser()
      expect((await signInWith(browser, scene.console, 'ada')).status).toBe(200)
      expect(await statusWith(old)).toBe(303)
    })
  })

  describe('a sign-in ends after 30 minutes without use', () => {
    test('and not while it is used', async () => {
      const browser = await scene.signedIn()
      for (let n = 0; n < 3; n++) {
        passedMs += 29 * MINUTE
        expect((await browser.send(scene.console)).status).toBe(200)
      }
      const last = cookieOf(browser)
      passedMs += 30 * MINUTE
      expect((await browser.send(scene.console)).status).toBe(303)
      expect(await statusWith(last, '/figures.json')).toBe(401)
    })

    test.each([
      ['figures', '/figures.json', {}, 401],
      ['the page of a user', '/user?user=alice', { 'x-page-refresh': '1' }, 303],
    ])('although %s are asked for by a page itself all the time', async (_, path, headers, end) => {
      const browser = await scene.signedIn()
      for (let n = 0; n < 3; n++) {
        passedMs += 9 * MINUTE
        const polled = await browser.send(scene.console + path, { headers })
        expect([polled.status, polled.headers.getSetCookie()]).toEqual([200, []])
      }
      passedMs += 4 * MINUTE
      expect((await browser.send(scene.console + path, { headers })).status).toBe(end)
      expect((await browser.send(scene.console)).status).toBe(303)
    })

    test('for a cookie that was copied before, too', async () => {
      const browser = await scene.signedIn()
      const copied = cookieOf(browser)
      passedMs += 20 * MINUTE
      expect((await browser.send(scene.console)).status).toBe(200)
      passedMs += 20 * MINUTE
      expect((await browser.send(scene.console)).status).toBe(200)
      expect(await statusWith(copied)).toBe(303)
    })

    test('and after two hours, however busy', async () => {
      const browser = await scene.signedIn()
      for (let n = 0; n < 5; n++) {
        passedMs += 23 * MINUTE
        expect((await browser.send(scene.console)).status).toBe(200)
      }
      passedMs += 6 * MINUTE
      expect((await browser.send(scene.console)).status).toBe(303)
    })
  })

  test('a sign-in ends with a sign-out, also for cookies that were renewed or copied', async () => {
    const browser = await scene.signedIn()
    const first = cookieOf(browser)
    passedMs = MINUTE
    const page = await browser.go(scene.console)
    const renewed = cookieOf(browser)
    expect([page.status, renewed === first]).toEqual([200, false])
    await browser.submit('/sign-out')
    expect(browser.cookies(scene.console).has(COOKIE)).toBe(false)
    expect([await statusWith(first), await statusWith(renewed)]).toEqual([303, 303])
  })
})

function openStore(url: string) {
  if (url.startsWith('sqlite:')) return createSqliteRegistry({ path: url.slice('sqlite:'.length) })
  const log = createLog({ level: 'silent' })
  return createRedisRegistry({ url: new Secret(url), cluster: false, replicas: 0, log })
}
