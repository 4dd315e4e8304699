import { writeFileSync } from 'node:fs'
import { request as ask } from 'node:http'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { eventually } from '../support/eventually.ts'
import { type Listening, serve } from '../support/network/listen.ts'
import { createFaultyRegistry } from '../support/registry/faulty-registry.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { createBrowser } from '../support/sign-in/browser.ts'
import { type ConsoleScene, type SceneOptions, startConsoleScene } from './scene.ts'

let scene: ConsoleScene
let provider: Listening | undefined
afterEach(async () => {
  await scene.close()
  await provider?.close()
  provider = undefined
})

async function start(options?: SceneOptions) {
  scene = await startConsoleScene(options)
  return scene
}

describe('while the store is down', () => {
  test('every page is 503 and says what to do', async () => {
    const browser = await (await start()).signedIn()
    const paths = ['', '/users', '/blocks', '/audit', '/user?user=alice', '/figures']
    for (const path of [...paths, '/sessions/cksess_x']) {
      scene.registry.failing.add('*')
      const page = await browser.go(scene.console + path)
      expect([path, page.status, page.headers.get('retry-after')]).toEqual([path, 503, '2'])
      expect(page.text).toContain('The session store does not answer')
      expect(page.html).toContain('<a class="button" href="">Try again</a>')
      scene.registry.failing.clear()
    }
    for (const path of paths) expect((await browser.go(scene.console + path)).status).toBe(200)
  })

  test('a form gets 503, and is done when repeated later', async () => {
    const browser = await (await start()).signedIn()
    await scene.mint('alice')
    const address = `${scene.console}/user?user=alice`
    await browser.go(address)
    await browser.submit('/revoke', { block_seconds: '0', reason: 'left' })
    scene.registry.failing.add('revoke')
    const page = await browser.submit('/revoke')
    expect([page.status, page.headers.get('retry-after')]).toEqual([503, '2'])
    expect(page.text).toContain('It is not known whether this was done')
    expect(page.text).toContain('try again in a moment')
    expect(scene.running.upstream.sessions().map(({ status }) => status)).toEqual(['active'])
    scene.registry.failing.clear()
    // The page leads back to the confirmation, with its terms.
    const again = await browser.follow('/user/revoke?')
    expect(again.text).toContain('Reason: left')
    expect((await browser.submit('/revoke')).text).toContain('1 session cancelled; no block')
  })

  test('a form that stops at the check of the sign-in leads back to its page, with its terms', async () => {
    const browser = await (await start()).signedIn()
    await scene.mint('alice')
    await browser.go(`${scene.console}/user?user=alice`)
    await browser.submit('/revoke', { block_seconds: '900', reason: 'left' })
    scene.registry.failing.add('*')
    const page = await browser.submit('/revoke')
    expect(page.status).toBe(503)
    expect(page.text).toContain('The session store does not answer')
    scene.registry.failing.clear()
    expect((await browser.follow('/user/revoke?')).text).toContain('Reason: left')
    expect((await browser.submit('/revoke')).text).toContain('1 session cancelled; blocked until')
  })

  test('a sign-out says that it was not recorded, and can be repeated', async () => {
    const browser = await (await start()).signedIn()
    scene.registry.failing.add('*')
    const page = await browser.submit('/sign-out')
    expect([page.status, page.headers.get('retry-after')]).toEqual([503, '2'])
    expect(page.text).toContain('You may still be signed in')
    scene.registry.failing.clear()
    await browser.go(scene.console)
    expect((await browser.submit('/sign-out')).text).toContain('You are signed out')
    expect((await browser.send(scene.console)).status).toBe(303)
  })

  test('nothing is shown that cannot be audited', async () => {
    const browser = await (await start()).signedIn()
    await scene.mint('alice')
    scene.registry.failing.add('appendAudit')
    for (const path of ['', '/blocks', '/audit', '/user?user=alice']) {
      const page = await browser.go(scene.console + path)
      expect(page.status).toBe(503)
      expect(page.html).not.toContain('cksess_')
    }
  })

  test('a sign-in that cannot be audited lets nobody in', async () => {
    await start()
    scene.registry.failing.add('appendAudit')
    const browser = createBrowser()
    await browser.go(scene.console)
    const page = await browser.submit('/sign-in/', { account: 'ada' })
    expect(page.status).toBe(503)
    expect(browser.cookies(scene.console).has('chatkit-mint-console-session')).toBe(false)
  })

  test('nobody is asked to sign in without the key for cookies', async () => {
    await start()
    scene.registry.failing.add('keptKey')
    const answer = await createBrowser().send(`${scene.console}/sign-in`)
    expect(answer.status).toBe(503)
  })
})

describe('the identity provider', () => {
  async function expectUnreachable() {
    const page = await createBrowser().go(scene.console)
    expect(page.status).toBe(503)
    expect(page.headers.has('retry-after')).toBe(true)
    expect(page.text).toContain('The identity provider cannot be reached')
  }

  test('is reported when it is down at the first sign-in, and mints go on', async () => {
    await start()
    await scene.mint('alice')
    const token = (await import('../support/sign-in/sign-in-as.ts')).signInAs
    const { accessToken } = await token(scene.signIn, 'bob')
    await scene.signIn.close()
    await expectUnreachable()
    expect((await scene.running.mint(accessToken)).status).toBe(200)
  })

  test('is not needed by admins who are signed in', async () => {
    const browser = await (await start()).signedIn()
    await scene.signIn.close()
    expect((await browser.go(scene.console)).status).toBe(200)
  })
})

describe('when two failures of one address are allowed', () => {
  test('the third callback that fails gets 429, and a real sign-in from there works', async () => {
    await start({ failedAuth: 2 })
    const junk = `${scene.console}/callback?code=junk&state=junk`
    for (const status of [400, 400, 429, 429]) {
      expect((await createBrowser().go(junk)).status).toBe(status)
    }
    for (let n = 0; n < 3; n++) {
      const page = (await scene.signedIn()).page
      expect([page.status, page.url]).toEqual([200, scene.console])
    }
  })

  test('a code that the provider refuses counts, also for tokens; its own error does not', async () => {
    await start({ failedAuth: 2 })
    const declined = async () => {
      const { browser, state } = await begun()
      return browser.go(`${scene.console}/callback?error=access_denied&state=${state}`)
    }
    for (let n = 0; n < 3; n++) expect((await declined()).status).toBe(403)
    for (const status of [400, 400, 429]) {
      const { browser, state } = await begun()
      const page = await browser.go(`${scene.console}/callback?code=guess&state=${state}`)
      expect(page.status).toBe(status)
    }
    expect((await scene.running.mint('a.b.c')).status).toBe(429)
    expect((await scene.signedIn()).page.status).toBe(200)
  })

  test('the provider is asked about few codes beyond the limit, and about five at a time', async () => {
    const asked: (() => void)[] = []
    let hangs = false
    const again = await guesser((refuse) => {
      asked.push(refuse)
      if (!hangs) refuse()
    })
    hangs = true
    let refused = 0
    const together = Array.from({ length: 20 }, async () => {
      const answer = await again()
      refused++
      return answer
    })
    await expect.poll(() => [asked.length, refused]).toEqual([5, 15])
    void again('127.0.0.2')
    await expect.poll(() => asked.length).toBe(6)
    for (const answer of asked.splice(0)) answer()
    const statuses = await Promise.all(together)
    expect(statuses.filter((status) => status === 400)).toHaveLength(2)
    expect(statuses.filter((status) => status === 429)).toHaveLength(18)
    hangs = false
    for (let n = 0; n < 20; n++) expect(await again()).toBe(429)
    // Two of the five were within the limit, and their slots are free again.
    const before = asked.length
    expect(before).toBeLessThan(10)
    const later = async () => {
      await again()
      return asked.length
    }
    await expect.poll(later, { timeout: 20_000, interval: 500 }).toBeGreaterThan(before)
  })

  test('addresses with too many failures do not keep others from signing in', async () => {
    const guess = await guesser((refuse) => refuse())
    const statuses: unknown[] = []
    const addresses = Array.from({ length: 10 }, (_, at) => `127.0.0.${at + 2}`)
    await Promise.all(
      addresses.map(async (address) => {
        for (let n = 0; n < 7; n++) statuses.push(await guess(address))
      }),
    )
    expect(new Set(statuses)).toEqual(new Set([400, 429]))
    expect(await guess()).toBe(400)
  })

  /** Sends codes that nobody gave out, to a provider whose every refusal `atProvider` begins. */
  async function guesser(atProvider: (refuse: () => void) => void) {
    provider = await serve((request, response) => {
      const json = (body: object) => void response.end(JSON.stringify(body))
      const { origin = '' } = provider ?? {}
      response.setHeader('content-type', 'application/json')
      if (request.url !== '/token') {
        const ends = { authorization_endpoint: `${origin}/auth`, token_endpoint: `${origin}/token` }
        return json({ issuer: origin, jwks_uri: `${origin}/jwks`, ...ends })
      }
      response.statusCode = 400
      atProvider(() => json({ error: 'invalid_grant' }))
    })
    await start({ failedAuth: 2, issuer: provider.origin })
    const { browser, state } = await begun()
    const cookies = [...browser.cookies(scene.console)].map(([name, value]) => `${name}=${value}`)
    const callback = `${scene.console}/callback?code=guess&state=${state}`
    const headers = { cookie: cookies.join('; '), accept: 'text/html' }
    return (localAddress = '127.0.0.1') =>
      new Promise((resolve, reject) => {
        ask(callback, { headers, localAddress }, (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        })
          .on('error', reject)
          .end()
      })
  }

  /** A sign-in that has left for the provider. */
  async function begun() {
    const browser = createBrowser()
    const answer = await browser.send(`${scene.console}/sign-in`)
    return {
      browser,
      state: new URL(answer.headers.get('location') ?? '').searchParams.get('state'),
    }
  }
})

test('a sign-in gets 503 when the provider refuses the client secret', async () => {
  await start({ env: { CONSOLE_CLIENT_SECRET: 'another secret' } })
  const browser = createBrowser()
  await browser.go(scene.console)
  const page = await browser.submit('/sign-in/', { account: 'ada' })
  expect(page.status).toBe(503)
  expect(page.text).toContain('refuses this service')
  // The code works only once, so this page would fail again.
  expect(page.html).toContain('<a class="button" href="/admin">To the console</a>')
  expect(scene.running.logText()).toContain(
    'the client is refused: compare client_id and client_secret_env of `console` with the provider',
  )
  expect(scene.running.logText()).not.toContain('another secret')
})

test('a key file keeps its key while it holds a text that anybody could guess', async () => {
  const file = join(scratchFolder(), 'cookie-key')
  writeFileSync(file, Buffer.alloc(32, 7).toString('base64url'))
  const admin = await (await start({ env: { CONSOLE_COOKIE_KEY_FILE: file } })).signedIn()
  writeFileSync(file, 'x')
  const refusal = () => scene.running.logText()
  await eventually(async () => {
    expect((await admin.send(scene.console)).status).toBe(200)
    expect(refusal()).toContain('CONSOLE_COOKIE_KEY: what its file holds now is not base64url')
  })
  writeFileSync(file, Buffer.alloc(32, 8).toString('base64url'))
  await eventually(async () => expect((await admin.send(scene.console)).status).toBe(303))
})

describe('a sign-in after a restart', () => {
  const key = Buffer.alloc(32, 7).toString('base64url')

  /** Signs in, starts the service anew, and gives the status that the same cookie gets. */
  async function afterRestart(before: SceneOptions, after: SceneOptions): Promise<number> {
    const browser = await (await start(before)).signedIn()
    const { issuer } = scene.signIn
    const [[name = '', value = ''] = []] = [...browser.cookies(scene.console)]
    await scene.close()
    await start({ ...after, issuer })
    const later = createBrowser()
    later.setCookie(scene.console, name, value)
    return (await later.send(scene.console)).status
  }

  test('holds with the same key', async () => {
    const env = { CONSOLE_COOKIE_KEY: key }
    expect(await afterRestart({ env }, { env })).toBe(200)
  })

  test('holds with the key that SQLite keeps', async () => {
    const path = join(scratchFolder(), 'store.db')
    const open = () => ({ registry: createFaultyRegistry(createSqliteRegistry({ path })) })
    expect(await afterRestart(open(), open())).toBe(200)
  })

  test('ends with another key, and with a store that keeps none', async () => {
    const env = { CONSOLE_COOKIE_KEY: key }
    const other = { CONSOLE_COOKIE_KEY: Buffer.alloc(32, 8).toString('base64url') }
    expect(await afterRestart({ env }, { env: other })).toBe(303)
    expect(await afterRestart({}, {})).toBe(303)
  })
})
