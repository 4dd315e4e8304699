import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { revoke } from '../support/admin-calls.ts'
import { serve } from '../support/network/listen.ts'
import {
  DEFAULT_CONFIG,
  HIGH_LIMITS,
  type Running,
  startService,
  tokenFor,
} from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { type OpenPage, startBrowser, wantsChromium } from './chromium.ts'

// A page of an app, on an origin of its own, imports /client.js from the real service. Two widgets
// stand in for ChatKit: like it, they ask for a secret and ask again when it stops working.

const PAGE = `<!doctype html><html lang="en"><head><title>app</title><link rel="icon" href="data:,">
<script type="module" src="/app.js"></script></head><body></body></html>`

const script = (service: string) => `
import { createGetClientSecret } from '${service}/client.js'
const told = []
const getClientSecret = createGetClientSecret({
  url: '${service}',
  getToken: () => token,
  onSignedOut: () => told.push('signed out'),
  onRevoked: () => told.push('revoked'),
})
const widget = () => {
  let secret = null
  return { refresh: async () => (secret = await getClientSecret(secret).catch((e) => e.code)) }
}
let token = ''
Object.assign(window, {
  told, widgets: [widget(), widget()], getClientSecret,
  signIn: (given) => { token = given },
})
`

const ADMINS = `admins: { when: '"chatkit-admin" in claims.roles' }`

describe.runIf(wantsChromium())('the client in a page (needs Chromium)', () => {
  let running: Running
  let open: OpenPage

  const browser = forAllTests(() => startBrowser())
  const app = forAllTests(() =>
    serve((request, response) => {
      const isScript = request.url === '/app.js'
      const type = isScript ? 'text/javascript' : 'text/html'
      response.setHeader('Content-Type', type).end(isScript ? script(running.url) : PAGE)
    }),
  )
  beforeEach(() => start())
  afterEach(async () => {
    expect(await storedIn(open.page)).toEqual({ storage: [], cookies: '', databases: [] })
    expect(await open.context.cookies()).toEqual([])
    expect(open.faults()).toEqual([])
    await open.context.close()
  })

  async function start(limits = HIGH_LIMITS, more = ''): Promise<void> {
    const config = DEFAULT_CONFIG.replace('https://app.acme.example', app.origin).replace(
      'secret_env: TEST_SHARED_SECRET',
      `secret_env: TEST_SHARED_SECRET${more}`,
    )
    running = await startService({ config: `${config.replace(HIGH_LIMITS, limits)}\n${ADMINS}` })
    open = await browser.open({
      expectedFailures: [401, 403, 429, 'ERR_FAILED'].map((why) => `${why} /v1/sessions`),
    })
    await open.page.goto(app.origin)
    await open.page.waitForFunction('window.widgets')
    await signIn(tokenFor())
  }

  const signIn = (token: string) => open.page.evaluate(`signIn(${JSON.stringify(token)})`)
  const refresh = (widget: number): Promise<string> =>
    open.page.evaluate(`widgets[${widget}].refresh()`)
  const refreshBoth = (): Promise<string[]> =>
    open.page.evaluate('Promise.all(widgets.map((widget) => widget.refresh()))')
  const told = () => open.page.evaluate('told')
  const mints = () =>
    running.log.filter(({ route, method }) => {
      return route === '/v1/sessions' && method === 'POST'
    })

  test('two widgets, one call; each refresh ends the session before', async () => {
    const [first, second] = await refreshBoth()
    expect(first).toMatch(/^ek_/)
    expect(second).toBe(first)
    expect(mints()).toHaveLength(1)
    expect(await refresh(0)).not.toBe(first)
    expect(mints()).toHaveLength(2)
    const cancels = running.upstream.requests().filter(({ path }) => path.endsWith('/cancel'))
    expect(cancels).toHaveLength(1)
  })

  test('after a 429 the helper waits as long as Retry-After says, then gets its secret', async () => {
    await open.context.close()
    await running.close()
    await start(HIGH_LIMITS.replace('{ max: 100000, seconds: 60 }', '{ max: 1, seconds: 2 }'))
    expect(await refresh(0)).toMatch(/^ek_/)
    expect(await refresh(0)).toMatch(/^ek_/)
    expect(mints().map(({ status }) => status)).toEqual([200, 429, 200])
  })

  test('a 401 stops both helpers until somebody has signed in again', async () => {
    await signIn(tokenFor('alice', { exp: 1 }))
    expect(await refreshBoth()).toEqual(['token_expired', 'token_expired'])
    expect(await refresh(0)).toBe('token_expired')
    expect(await told()).toEqual(['signed out'])
    expect(mints()).toHaveLength(1)
    await signIn(tokenFor())
    await open.page.evaluate('getClientSecret.reset()')
    expect(await refresh(0)).toMatch(/^ek_/)
  })

  test('a revoke stops both helpers', async () => {
    expect(await refresh(0)).toMatch(/^ek_/)
    await revoke(running, 'alice', { block_seconds: 60 })
    expect(await refreshBoth()).toEqual(['user_blocked', 'user_blocked'])
    expect(await refresh(1)).toBe('user_blocked')
    expect(await told()).toEqual(['revoked'])
    expect(mints()).toHaveLength(2)
  })

  test('a network that fails is tried three times, and not a fourth time', async () => {
    let failures = 2
    await open.page.route('**/v1/sessions', (route) =>
      failures-- > 0 ? route.abort('failed') : route.continue(),
    )
    expect(await refresh(0)).toMatch(/^ek_/)
    failures = 4
    expect(await refresh(0)).toBe('network_error')
    expect(failures).toBe(1)
    expect(await told()).toEqual([])
  })

  test('the answer to a call that was under way at a sign-out is dropped', async () => {
    const arrived = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    await open.page.route('**/v1/sessions', async (route) => {
      arrived.resolve()
      await gate.promise
      await route.continue().catch(() => undefined)
    })
    const refreshing = refresh(0)
    await arrived.promise
    await open.page.evaluate('getClientSecret.reset()')
    gate.resolve()
    expect(await refreshing).toBe('reset')
    expect(await refresh(1)).toMatch(/^ek_/)
  })

  test('the cookie of a service on another origin goes along with the `fetch` that the types describe', async () => {
    await open.context.close()
    await running.close()
    await start(HIGH_LIMITS, '\n    cookie: __session')
    await open.context.addCookies([{ name: '__session', value: tokenFor(), url: app.origin }])
    const types = readFileSync(new URL('../../src/client/client.d.ts', import.meta.url), 'utf8')
    const described = /`(\(url, init\) => [^`]*)`/.exec(types)?.[1]
    const mint = (more = '') =>
      open.page.evaluate(`import('${running.url}/client.js').then(({ createGetClientSecret }) =>
        createGetClientSecret({ url: '${running.url}' ${more} })().catch((error) => error.code))`)
    expect(await mint()).toBe('missing_token')
    expect(await mint(`, fetch: ${described}`)).toMatch(/^ek_/)
    await open.context.clearCookies()
  })
})

/** All that a page can leave behind in the browser. */
function storedIn(page: Page): Promise<unknown> {
  return page.evaluate(`(async () => ({
    storage: [...Object.entries(localStorage), ...Object.entries(sessionStorage)],
    cookies: document.cookie,
    databases: await indexedDB.databases(),
  }))()`)
}
