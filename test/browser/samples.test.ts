import type { Route } from 'playwright-core'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sampleOf, samplesIn } from '../docs/samples.ts'
import { ADMINS, revoke, signOut } from '../support/admin-calls.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { serve } from '../support/network/listen.ts'
import { APP_ORIGIN, startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { type OpenPage, startBrowser, wantsChromium } from './chromium.ts'
import { ASK_AGAIN, CHATKIT_URL, FAKE_CHATKIT, NO_THREADS } from './fake-chatkit.ts'

// The pages of the guides, as they stand there, but for the service's address and ChatKit's script.

/** The channel between each app and the page; `native` is the app's own code, which answers with JSON. */
const CHANNELS = {
  iOS: `webkit = { messageHandlers: { clientSecret: { postMessage: async (text) => {
    clientSecretAnswer(JSON.parse(await native(text)))
  } } } }`,
  'React Native': `ReactNativeWebView = { postMessage: async (text) => {
    (0, eval)('clientSecretAnswer(' + await native(text) + '); true')
  } }`,
  Android: `clientSecret = { onmessage: null, postMessage: async (text) => {
    clientSecret.onmessage({ data: await native(text) })
  } }`,
  Flutter: `clientSecret = Object.freeze({ postMessage: async (text) => {
    (0, eval)('clientSecretAnswer(' + await native(text) + ')')
  } })`,
} as const

test('the pages of the guides load the script that ChatKit has', () => {
  for (const { text } of samplesIn('html')) expect(text).toContain(`<script src="${CHATKIT_URL}"`)
})

describe.runIf(wantsChromium())('the pages of the guides (needs Chromium)', () => {
  let open: OpenPage
  const files = new Map<string, readonly [type: string, text: string, policy?: string]>()

  const browser = forAllTests(() => startBrowser())
  const server = forAllTests(() => startSampleServer())
  const app = forAllTests(() =>
    serve((request, response) => {
      const [type, text, policy] = files.get(request.url ?? '') ?? ['text/plain', '']
      if (policy !== undefined) response.setHeader('Content-Security-Policy', policy)
      response.setHeader('Content-Type', type).end(text)
    }),
  )
  const running = forAllTests(() => {
    const config = selfHostedConfig({ server: server.url, more: ADMINS })
    return startService({ config: config.replace(APP_ORIGIN, app.origin), env: { PUBLIC_URL } })
  })
  beforeAll(() => {
    const text = (guide: string, language: string) =>
      sampleOf(guide, language)
        .replaceAll('https://chat.example.com', running.url)
        .replaceAll(CHATKIT_URL, '/chatkit.js')
        .replace('</title>', '</title><link rel="icon" href="data:,">')
    files.set('/chatkit.js', ['text/javascript', FAKE_CHATKIT])
    files.set('/html', ['text/html', text('html', 'html')])
    files.set('/chat.html', ['text/html', text('web-view-page', 'html')])
    files.set('/chat.js', ['text/javascript', text('web-view-page', 'js')])
  })
  afterEach(async () => {
    expect(open.faults()).toEqual([])
    await open.context.close()
  })

  const chat = () => open.page.locator('openai-chatkit')
  const askAgain = () => open.page.evaluate(ASK_AGAIN)

  test('plain HTML: lists threads in an element with a height, is revoked, says so; signs out', async () => {
    const expectedFailures = ['401 /chatkit/helpdesk', '403 /v1/sessions', '503 /v1/sessions']
    open = await browser.open({ expectedFailures })
    const { page } = open
    page.on('dialog', (dialog) => dialog.accept(tokenFor('alice')))
    await page.goto(`${app.origin}/html`)
    await expect.poll(() => chat().textContent()).toMatch(NO_THREADS)
    expect(await chat().boundingBox()).toMatchObject({ height: 600 })

    const headers = { 'access-control-allow-origin': app.origin }
    const away = (route: Route) => route.fulfill({ status: 503, headers })
    await page.route(`${running.url}/v1/sessions`, away, { times: 1 })
    await page.getByRole('button', { name: 'Sign out' }).click()
    await expect
      .poll(() => page.getByRole('status').textContent())
      .toMatch(/may still be signed in/)

    const signedOut = page.waitForResponse((answer) => answer.request().method() === 'DELETE')
    await page.getByRole('button', { name: 'Sign out' }).click()
    expect((await signedOut).status()).toBe(204)
    await expect.poll(() => page.getByRole('status').textContent()).toBe('You are signed out.')
    expect(await chat().count()).toBe(0)

    await page.reload()
    await expect.poll(() => chat().textContent()).toMatch(NO_THREADS)
    await revoke(running, 'alice', { block_seconds: 60 })
    await askAgain()
    await expect.poll(() => chat().textContent()).toMatch(/^user_blocked: /)
    await expect.poll(() => page.getByRole('status').textContent()).toMatch(/was revoked/)
  })

  test('plain HTML under the policy of the guide: nothing is blocked once its tags have a nonce', async () => {
    const policy = sampleOf('content-security-policy', 'text')
      .replaceAll('https://chat.example.com', running.url)
      .replaceAll('\n', ' ')
      .replace("script-src  'self'", "style-src 'nonce-n1'; script-src 'self' 'nonce-n1'")
    const [, page = ''] = files.get('/html') ?? []
    files.set('/policy', ['text/html', page.replace(/<(style|script)/g, '<$1 nonce="n1"'), policy])
    open = await browser.open()
    open.page.on('dialog', (dialog) => dialog.accept(tokenFor('carol')))
    await open.page.goto(`${app.origin}/policy`)
    await expect.poll(() => chat().textContent()).toMatch(NO_THREADS)
    expect(await chat().boundingBox()).toMatchObject({ height: 600 })
  })

  test.each(Object.entries(CHANNELS))(
    'the web view, in %s: lists threads, renews, is refused',
    async (name, channel) => {
      const user = `user of ${name}`
      open = await browser.open({ expectedFailures: ['401 /chatkit/helpdesk'] })
      const { page } = open
      const asked: unknown[] = []
      await page.exposeBinding('native', async (_source, text: string) => {
        const { id, current } = JSON.parse(text)
        asked.push(current)
        const headers = { 'content-type': 'application/json' }
        const body = JSON.stringify({ current_client_secret: current })
        const answer = await running.mint(tokenFor(user), { headers, body })
        const { client_secret: secret, code } = (await answer.json()) as Record<string, string>
        return JSON.stringify(secret === undefined ? { id, code } : { id, secret })
      })
      await page.addInitScript(`globalThis.${channel}`)
      await page.goto(`${app.origin}/chat.html`)
      await expect.poll(() => chat().textContent()).toMatch(NO_THREADS)
      expect((await chat().boundingBox())?.height).toBe(page.viewportSize()?.height)

      await signOut(running, tokenFor(user))
      await askAgain()
      await expect.poll(() => chat().textContent()).toMatch(NO_THREADS)
      expect(asked).toEqual([null, expect.stringMatching(/^eyJ/)])

      await revoke(running, user, { block_seconds: 60 })
      await askAgain()
      await expect.poll(() => chat().textContent()).toBe('user_blocked')
    },
  )
})
