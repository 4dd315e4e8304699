import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startBrowser, wantsChromium } from '../browser/chromium.ts'
import { ASK_AGAIN, CHATKIT_URL, FAKE_CHATKIT, NO_THREADS } from '../browser/fake-chatkit.ts'
import { ADMINS, revoke } from '../support/admin-calls.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { freePort } from '../support/network/listen.ts'
import { APP_ORIGIN, type Running, startService, tokenFor } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'
import { configOf, lint, performSteps, reachesRegistry, serve } from './perform.ts'

// The guides are the source: their numbered sections are performed in an empty folder, as a reader would, with real
// packages and a real build. Only ChatKit's script is a stand-in.

/** Where a reader's page is while they develop, in the guides. */
const DEVELOPMENT = /http:\/\/localhost:(?:5173|3000)/g

interface QuickStart {
  readonly guide: string
  /** Serves what was built; the port follows. */
  readonly server: readonly string[]
  /** Whether the page mints at its own origin, with a cookie; else at the service, with the token itself. */
  readonly forwards?: boolean
}

const PREVIEW = ['vite', 'preview', '--host', '127.0.0.1', '--port']

const QUICK_STARTS: readonly QuickStart[] = [
  { guide: 'react', server: PREVIEW },
  { guide: 'vue', server: PREVIEW },
  { guide: 'svelte', server: PREVIEW },
  { guide: 'html', server: ['python3', '-m', 'http.server', '--bind', '127.0.0.1'] },
  { guide: 'nextjs', server: ['next', 'start', '-H', '127.0.0.1', '-p'], forwards: true },
]

const chosen = process.env['GUIDES'] === 'all' ? QUICK_STARTS : QUICK_STARTS.slice(0, 1)
const canInstall = process.env['CI'] === 'true' || (await reachesRegistry())

describe.runIf(wantsChromium() && canInstall)('quick starts (need npm registry, Chromium)', () => {
  const browser = forAllTests(() => startBrowser())
  const chatKitServer = forAllTests(() => startSampleServer())

  test.each(chosen)(
    '$guide: its steps lead from an empty folder to the chat of the user whose token it is',
    async ({ guide, server, forwards = false }) => {
      const port = String(await freePort())
      const origin = `http://localhost:${port}`
      const running = await startFor(guide, { origin, server: chatKitServer.url })
      const edit = (text: string) =>
        text
          .replaceAll('https://chat.example.com', running.url)
          .replaceAll(DEVELOPMENT, origin)
          // Most apps have the linter that the guide leaves out.
          .replace('--no-eslint', '--eslint')
      const app = await performSteps({ guide, folder: scratchFolder(), edit })
      if (existsSync(join(app, 'package.json'))) await lint(app)
      const served = await serve([...server, port], { app, origin })
      onTestFinished(() => served.close())

      const refusals = forwards ? ['401 /v1/sessions'] : []
      const { page, context, faults } = await browser.open({
        expectedFailures: ['401 /chatkit/helpdesk', '403 /v1/sessions', ...refusals],
      })
      onTestFinished(() => context.close())
      await context.route(CHATKIT_URL, (route) =>
        route.fulfill({ contentType: 'text/javascript', body: FAKE_CHATKIT }),
      )
      const calls = callsOf(page)
      await page.goto(await signIn(page, { origin, token: tokenFor(guide), forwards }))

      const chat = page.locator('openai-chatkit')
      await expect.poll(() => chat.textContent(), { timeout: 10_000 }).toMatch(NO_THREADS)
      const { width = 0, height = 0 } = (await chat.boundingBox()) ?? {}
      expect(Math.min(width, height)).toBeGreaterThan(300)
      const mintedAt = forwards ? origin : running.url
      expect(calls).toContain(`200 POST ${mintedAt}/v1/sessions from ${origin}`)
      expect(calls).toContain(`200 POST ${running.url}/chatkit/helpdesk from ${origin}`)
      const asked = chatKitServer.server.requests().at(-1)
      expect(asked?.headers['x-chatkit-user']).toBe(guide)
      if (forwards) await expectOriginCheck(running, { origin, token: tokenFor(guide) })

      await revoke(running, guide, { block_seconds: 60 })
      await page.evaluate(ASK_AGAIN)
      await expect.poll(() => page.locator('p[role=status]').textContent()).toMatch(/was revoked/)
      // Another host is asked for ChatKit's script alone, and the console has no error.
      expect([...new Set(faults())]).toEqual([`request: ${new URL(CHATKIT_URL).origin}`])
    },
    300_000,
  )
})

/** The service with the origins that the guide tells its reader to allow, and none besides. */
async function startFor(
  guide: string,
  { origin, server }: { readonly origin: string; readonly server: string },
): Promise<Running> {
  const config = selfHostedConfig({ server, more: ADMINS })
  const cors = configOf(guide).replaceAll(DEVELOPMENT, origin)
  return startService({
    config: config.replace(`cors: { origins: ['${APP_ORIGIN}'] }`, cors),
    env: { PUBLIC_URL },
  })
}

/** The calls that scripts of the page make, with their status and the page's origin. */
function callsOf(page: Page): readonly string[] {
  const calls: string[] = []
  page.on('response', (response) => {
    const request = response.request()
    const from = request.headers()['origin']
    if (request.method() === 'POST') {
      calls.push(`${response.status()} POST ${response.url()} from ${from}`)
    }
  })
  return calls
}

/** Gives the token as the guide's stand-in for a sign-in asks for it; then the page's address. */
async function signIn(
  page: Page,
  { origin, token, forwards }: { origin: string; token: string; forwards: boolean },
): Promise<string> {
  page.on('dialog', (dialog) => dialog.accept(token))
  if (forwards) {
    await page.goto(origin)
    await page.waitForURL(`${origin}/sign-in`)
    await page.getByLabel('Access token').fill(token)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${origin}/`)
  }
  return origin
}

/** The app's route mints for nobody but its own pages: a cookie alone comes from other sites' pages too. */
async function expectOriginCheck(
  running: Running,
  { origin, token }: { readonly origin: string; readonly token: string },
) {
  const seen = running.log.length
  const cookie = `access_token=${token}`
  const others = [{ cookie, origin: 'https://evil.example' }, { cookie }, { origin }]
  const statuses = await Promise.all(
    others.map(async (headers) => {
      const answer = await fetch(`${origin}/v1/sessions`, { method: 'POST', headers, body: '{}' })
      return answer.status
    }),
  )
  expect(statuses).toEqual([403, 403, 401])
  expect(running.log.length).toBe(seen)
}
