import { beforeEach, expect, test } from 'vitest'
import { type Browser, csrfOf, sendForm } from '../../support/sign-in/browser.ts'
import { forEachTest } from '../../support/started.ts'
import { startConsoleScene } from '../scene.ts'

// The real threads, export and erase behind the console's pages.

let browser: Browser
let thread: string
let ada: string
/** The ids of the threads that the console lists for alice. */
const titles = async () =>
  Array.from(
    (await browser.go(`${scene.console}/threads?user=alice`)).html.matchAll(
      /threads\/cthr_\w+">([^<]*)</g,
    ),
    ([, title]) => title,
  )
const userPage = () => `${scene.console}/user?user=alice`

const scene = forEachTest(() => startConsoleScene())
beforeEach(async () => {
  const { upstream } = scene.running
  const content = [{ type: 'input_text' as const, text: 'hello <there>' }]
  const items = [
    { type: 'chatkit.user_message' as const, content, attachments: [], inference_options: null },
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

test('the console lists the threads of all users, of one workflow too, and the read is audited', async () => {
  const page = await browser.go(`${scene.console}/threads`)
  expect(page.text).toMatch(/Not mine\s+bob/)
  expect(page.text).toMatch(/Thread 29\s+alice/)
  expect(page.html).toContain('<option value="general">')
  expect((await scene.audit('admin_read'))[0]).toMatchObject({ reason: 'GET /admin/threads' })
  const ofWorkflow = await browser.go(`${scene.console}/threads?workflow=general&user=bob`)
  expect(ofWorkflow.html).toContain('value="general" selected')
  expect(ofWorkflow.text).toContain('Not mine')
  expect(ofWorkflow.text).not.toContain('Thread 29')
  expect((await browser.go(`${scene.console}/threads?workflow=gone`)).status).toBe(403)
})

const DELETED = 'it was deleted, maybe by a form that was sent twice'

test('a thread whose delete the store may have recorded is said to be safe to delete again', async () => {
  await browser.go(`${scene.console}/threads/${thread}/delete`)
  scene.registry.failing.add('appendAudit')
  const page = await browser.submit('/delete')
  expect(page.status).toBe(503)
  expect(page.text).toContain('To send it again is safe')
  expect(page.html).toContain(`href="/admin/threads/${thread}/delete">Try again</a>`)
})

test('a thread is deleted after a page that asks, and only once', async () => {
  const path = `${scene.console}/threads/${thread}`
  expect(await titles()).toContain('Mine')
  const asks = await browser.go(`${path}/delete`)
  expect(asks.text).toContain('It cannot be undone')
  expect(asks.text).toMatch(/The thread\s+cthr_\w+\s+of\s+alice\s*, “Mine”/)
  expect(await scene.audit('delete_thread')).toEqual([])

  const done = await browser.submit('/delete')
  expect([done.url, done.text]).toEqual([
    `${scene.console}/threads`,
    expect.stringContaining(`Thread ${thread} is deleted.`),
  ])
  expect(await titles()).not.toContain('Mine')
  const entry = { actor: ada, user: 'alice', outcome: 'ok', reason: thread }
  expect(await scene.audit('delete_thread')).toMatchObject([entry])

  const again = await sendForm(browser, `${path}/delete`, { csrf: csrfOf(done) })
  expect([again.status, await again.text()]).toEqual([404, expect.stringContaining(DELETED)])
  for (const gone of [path, `${path}/delete`]) {
    const page = await browser.go(gone)
    expect([page.status, page.text]).toEqual([404, expect.stringContaining(DELETED)])
  }
  expect(browser.page.html).toContain('href="/admin/threads">To the threads</a>')
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
  await browser.submit('/revoke', { block_seconds: '0', reason: 'Alice Archer left' })
  await browser.submit('/revoke')
  await browser.follow('/erase')
  const page = await browser.submit('/erase', { confirm: 'alice' })
  expect(page.status).toBe(200)
  expect(page.text).toContain('Everything is erased')
  expect(page.text).toMatch(/Threads deleted 31/)
  expect(page.text).not.toContain('has not confirmed')
  expect(scene.running.upstream.sessions().map(({ status }) => status)).toEqual(['cancelled'])
  const entries = await scene.registry.listAudit({ user: 'alice', limit: 100 })
  expect(entries?.data.map(({ action }) => action)).toEqual(['erase', 'erase'])
  expect(entries?.data[0]).toMatchObject({ actor: ada, outcome: 'ok' })
  const audit = await browser.go(`${scene.console}/audit?action=revoke`)
  expect(audit.html).toContain(`title="${ada}"`)
  expect(audit.text).not.toContain('alice')
  expect(audit.text).not.toContain('Archer')
  const after = await browser.go(userPage())
  expect(after.text).toContain('No session is known')
  expect(after.text).toContain('No threads')
})

test('an erase that OpenAI refuses says what is left, and can be repeated', async () => {
  await browser.go(userPage())
  scene.running.upstream.setFaults({ status: 500 })
  await browser.follow('/erase')
  const page = await browser.submit('/erase', { confirm: 'alice' })
  expect(page.text).toContain('Not everything could be erased')
  expect(page.text).toContain('The user is blocked until')
  scene.running.upstream.setFaults({})
  // The breaker of the upstream may still be open for a moment.
  await expect
    .poll(
      async () => {
        await browser.go(userPage())
        await browser.follow('/erase')
        return (await browser.submit('/erase', { confirm: 'alice' })).text
      },
      { timeout: 15_000, interval: 1000 },
    )
    .toContain('Everything is erased')
})

test('an erase gets 503 and erases nothing when the store is down', async () => {
  await browser.go(userPage())
  scene.registry.failing.add('revoke')
  await browser.follow('/erase')
  const page = await browser.submit('/erase', { confirm: 'alice' })
  expect(page.status).toBe(503)
  scene.registry.failing.clear()
  expect((await browser.go(userPage())).text).toContain('Thread 29')
})
