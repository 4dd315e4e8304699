import { beforeEach, expect, test } from 'vitest'
import { forEachTest } from '../../support/started.ts'
import type { AdminBrowser } from '../admin-browser.ts'
import { startConsoleScene } from '../scene.ts'

// The real threads, export and erase behind the console's pages.

let browser: AdminBrowser
let thread: string
let ada: string
const userPage = () => `${scene.console}/user?user=alice`

const scene = forEachTest(() => startConsoleScene())
beforeEach(async () => {
  const { upstream } = scene.running
  const content = [{ type: 'input_text' as const, text: 'hello <there>' }]
  const items = [
    {
      type: 'chatkit.user_message' as const,
      content,
      attachments: [],
      inference_options: null,
    },
  ]
  thread = upstream.seedThread({ user: 'alice', title: 'Mine', items }).id
  for (let at = 0; at < 30; at++) upstream.seedThread({ user: 'alice', title: `Thread ${at}` })
  upstream.seedThread({ user: 'bob', title: 'Not mine' })
  await scene.mint('alice')
  browser = await scene.signedIn()
  ada = `${scene.signIn.issuer}|ada`
})

test('the console shows the threads of a user and the items of one', async () => {
  const page = await browser.go(userPage())
  expect(page.text).toContain('Thread 29')
  expect(page.text).not.toContain('Not mine')
  const all = await browser.go(`${scene.console}/threads?user=alice`)
  expect(all.html.match(/\/admin\/threads\//g)).toHaveLength(31)
  const said = await browser.go(`${scene.console}/threads/${thread}`)
  expect(said.html).toContain('hello &lt;there&gt;')
  expect((await scene.audit('admin_read'))[0]).toMatchObject({ actor: ada, user: 'alice' })
  expect((await browser.go(`${scene.console}/threads/cthr_unknown`)).status).toBe(404)
})

test('an export has all data and is audited', async () => {
  await browser.go(userPage())
  const page = await browser.submit('/export')
  expect(page.headers.get('content-type')).toBe('application/x-ndjson')
  expect(page.headers.get('content-disposition')).toMatch(/^attachment; filename="[\w.-]+"$/)
  const lines = page.html.trimEnd().split('\n')
  const summary: unknown = JSON.parse(lines.at(-1) ?? '')
  expect(summary).toMatchObject({ type: 'summary', complete: true, sessions: 1, threads: 31 })
  expect(await scene.audit('export')).toMatchObject([{ actor: ada, user: 'alice', outcome: 'ok' }])
})

test('an export that fails is a page to read, not a file', async () => {
  await browser.go(userPage())
  scene.registry.failing.add('appendAudit')
  const away = await browser.submit('/export')
  expect([away.status, away.headers.has('content-disposition')]).toEqual([503, false])
  expect(away.text).toContain('The session store does not answer')
  scene.registry.failing.clear()
  await browser.go(userPage())
  const nobody = await browser.submit('/export', { user: '' })
  expect([nobody.status, nobody.headers.has('content-disposition')]).toEqual([400, false])
})

test('an erase leaves nothing of the user but its proof', async () => {
  await browser.go(userPage())
  const page = await browser.submit('/erase', { confirm: 'alice' })
  expect(page.status).toBe(200)
  expect(page.text).toContain('Everything is erased')
  expect(page.text).toMatch(/Threads deleted 31/)
  expect(scene.running.upstream.sessions().map(({ status }) => status)).toEqual(['cancelled'])
  const trail = await scene.registry.listAudit({ user: 'alice', limit: 100 })
  expect(trail?.data.map(({ action }) => action)).toEqual(['erase', 'erase'])
  expect(trail?.data[0]).toMatchObject({ actor: ada, outcome: 'ok' })
  const after = await browser.go(userPage())
  expect(after.text).toContain('No session is known')
  expect(after.text).toContain('No threads')
})

test('an erase that OpenAI refuses says what is left, and can be repeated', async () => {
  await browser.go(userPage())
  scene.running.upstream.setFaults({ status: 500 })
  const page = await browser.submit('/erase', { confirm: 'alice' })
  expect(page.text).toContain('Not everything could be erased')
  expect(page.text).toContain('The user is blocked until')
  scene.running.upstream.setFaults({})
  // The breaker of the upstream may still be open for a moment.
  await expect
    .poll(
      async () => {
        await browser.go(userPage())
        return (await browser.submit('/erase', { confirm: 'alice' })).text
      },
      { timeout: 15_000, interval: 1000 },
    )
    .toContain('Everything is erased')
})

test('an erase gets 503 and erases nothing when the store is down', async () => {
  await browser.go(userPage())
  scene.registry.failing.add('revoke')
  const page = await browser.submit('/erase', { confirm: 'alice' })
  expect(page.status).toBe(503)
  scene.registry.failing.clear()
  expect((await browser.go(userPage())).text).toContain('Thread 29')
})
