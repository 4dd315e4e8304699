import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { ADMINS, askAdmin, revoke } from '../support/admin-calls.ts'
import { selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { type Json, textOf } from '../support/chatkit/server-client.ts'
import { freePort, serve } from '../support/network/listen.ts'
import { startNodeSdk } from '../support/node-sdk/server.ts'
import { APP_ORIGIN, type Running, startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { type OpenPage, startBrowser, wantsChromium } from './chromium.ts'
import { gatewayScript } from './gateway-page.ts'

// A page of another origin, `/client.js`, the gateway, and a real ChatKit server behind it.

const PAGE = `<!doctype html><html lang="en"><head><title>app</title><link rel="icon" href="data:,">
<script type="module" src="/app.js"></script></head><body></body></html>`

describe.runIf(wantsChromium())('a page of another origin (needs Chromium)', () => {
  let running: Running
  let open: OpenPage
  const sdk = forAllTests(() => startNodeSdk())
  const browser = forAllTests(() => startBrowser())
  const app = forAllTests(() =>
    serve((request, response) => {
      const script = gatewayScript({ service: running.url, workflow: 'helpdesk' })
      const [type, body] =
        request.url === '/app.js' ? ['text/javascript', script] : ['text/html', PAGE]
      response.setHeader('Content-Type', type).end(body)
    }),
  )
  const printed = vi.spyOn(console, 'log')
  beforeAll(async () => {
    // The SDK prints what it was sent.
    printed.mockReturnValue()
    const config = selfHostedConfig({
      server: sdk.url,
      workflow: `    upload_url: ${sdk.uploadUrl}\n    forward_headers: [article-id]\n`,
      more: ADMINS,
    }).replace(APP_ORIGIN, app.origin)
    // Links name the service's own address, which has to be known before.
    const port = await freePort()
    const env = { PUBLIC_URL: `http://127.0.0.1:${port}` }
    running = await startService({ config, env, port })
    open = await browser.open({ expectedFailures: ['401 /chatkit/helpdesk'] })
    await open.page.goto(app.origin)
    await open.page.waitForFunction('window.loaded')
  })
  afterAll(async () => {
    printed.mockRestore()
    await open.context.close()
    await running.close()
  })
  beforeEach(() => {
    sdk.seen.length = 0
  })

  const evaluate = <T>(script: string): Promise<T> => open.page.evaluate(script)
  const signIn = (user: string) =>
    evaluate(`window.chat = chatOf(${JSON.stringify(tokenFor(user))}); undefined`)

  /** Begins an answer that stops after its first words; returns a function that continues it. */
  async function beginSlow(): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    sdk.assistant.resumed = promise
    expect(await evaluate('chat.begin("slow")')).toMatch(/^Hello /)
    return resolve
  }

  test('creates a thread with ChatKit’s own header, which the server does not get, and with page context, which it gets', async () => {
    await signIn('alice')
    const events = await evaluate<Json[]>('chat.create("hi there")')
    expect(textOf(events)).toBe('Hello alice, you said: hi there')
    expect(events.at(-1)).toMatchObject({ type: 'thread.updated', thread: { title: 'hi there' } })
    expect(sdk.seen.map(({ path }) => path)).toEqual(['/chatkit'])
    expect(sdk.seen[0]?.headers).not.toHaveProperty('chatkit-frame-instance-id')
    expect(sdk.seen[0]?.headers).toHaveProperty('article-id', 'article_7')
    expect(open.faults()).toEqual([])
  })

  test('uploads a picture in two phases and as a form, and sees both in the message', async () => {
    await signIn('bella')
    const widths = await evaluate<number[]>(`(async () => {
      const first = await chat.answer('attachments.create', { name: 'a.png', size: 9, mime_type: 'image/png' })
      if (await chat.put(first.upload_url, await pngOf(31)) !== 204) throw new Error('not uploaded')
      const second = await chat.post(await pngOf(47))
      const events = await chat.create('look', [first.id, second.id])
      const { item } = events.find(({ item }) => item?.type === 'user_message')
      window.links = item.attachments.map((one) => one.preview_url)
      return Promise.all(links.map(widthOf))
    })()`)
    expect(widths).toEqual([31, 47])
    const links = await evaluate<string[]>('links')
    for (const link of links) expect(link).toContain(`${running.url}/chatkit/helpdesk?`)
    expect(open.faults()).toEqual([])
    await revoke(running, 'bella')
    sdk.seen.length = 0
    // Not as pictures: the page keeps those that it has shown.
    const statuses = 'Promise.all(links.map(async (link) => (await fetch(link)).status))'
    expect(await evaluate(statuses)).toEqual([401, 401])
    expect(sdk.seen).toEqual([])
  })

  test('renews its secret while an answer runs, and the answer goes on to its end', async () => {
    await signIn('carol')
    const resume = await beginSlow()
    // 80 % of the secret's life are over; the next request mints with `current_client_secret`.
    await evaluate('advance(500_000)')
    const list = await evaluate<{ data: Json[] }>('chat.answer("threads.list", {})')
    expect(list.data).toHaveLength(1)
    const { data } = await askAdmin<{ data: Json[] }>(running, 'GET /sessions?user=carol')
    expect(data.map(({ status }) => status)).toEqual(['active', 'replaced'])
    // Two questions to the store about open streams.
    await new Promise((wake) => setTimeout(wake, 1200))
    resume()
    const events = await evaluate<Json[]>('ended')
    expect(textOf(events)).toBe('Hello carol, you said: slow')
    expect(events.at(-1)).toMatchObject({ type: 'thread.updated', thread: { title: 'slow' } })
    expect(open.faults()).toEqual([])
  })

  test('sees a running answer end with an error event when its user is revoked', async () => {
    await signIn('dora')
    const resume = await beginSlow()
    await revoke(running, 'dora', { block_seconds: 60 })
    // The server's own answer never ends before.
    const events = await evaluate<Json[]>('ended')
    resume()
    expect(events.at(-1)).toMatchObject({ type: 'error', code: 'custom', allow_retry: false })
    expect(textOf(events)).toBe('Hello dora, ')
    expect(open.faults()).toEqual([])
  })
})
