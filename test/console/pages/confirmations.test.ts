import { beforeEach, describe, expect, test } from 'vitest'
import { type Browser, csrfOf, sendForm } from '../../support/sign-in/browser.ts'
import { forEachTest } from '../../support/started.ts'
import { startConsoleScene } from '../scene.ts'

const admin = { roles: ['chatkit-admin'] }
const accounts = { alice: {}, ada: admin, grace: admin }

let browser: Browser
let clock = 0
const scene = forEachTest(() => startConsoleScene({ accounts, now: () => Date.now() + clock }))
beforeEach(async () => {
  clock = 0
  await scene.mint('alice')
  browser = await scene.signedIn()
})

const userPage = (user = 'alice') => `${scene.console}/user?${new URLSearchParams({ user })}`
const minute = () => new Date(Date.now() + clock + 3_600_000).toISOString().slice(11, 16)

async function askRevoke(by = browser, blockSeconds = '3600') {
  await by.go(userPage())
  return by.submit('/revoke', { block_seconds: blockSeconds, reason: 'left' })
}

async function askCancel(by = browser) {
  await by.go(userPage())
  return by.follow('/cancel')
}

describe('a confirmed revoke', () => {
  test('sent twice says that no session was live any more, and keeps the block', async () => {
    const asked = await askRevoke()
    const csrf = csrfOf(asked)
    await browser.submit('/revoke')
    const fields = { csrf, user: 'alice', block_seconds: '3600', reason: 'left' }
    const twice = await sendForm(browser, `${scene.console}/user/revoke`, fields)
    expect(twice.status).toBe(303)
    const page = await browser.go(userPage())
    expect(page.text).toContain('no session was live any more')
    expect(page.text).toContain('blocked until')
    expect(scene.running.upstream.sessions().map(({ status }) => status)).toEqual(['cancelled'])
  })

  test('is told on the page of its user, not on one that another tab loads before it', async () => {
    const csrf = csrfOf(await askRevoke())
    const fields = { csrf, user: 'alice', block_seconds: '3600', reason: 'left' }
    await sendForm(browser, `${scene.console}/user/revoke`, fields)
    for (const other of [userPage('bob'), `${scene.console}/sessions`, scene.console]) {
      expect((await browser.go(other)).text).not.toContain('Revoked:')
    }
    expect((await browser.go(userPage())).text).toContain('Revoked: 1 session cancelled')
    expect((await browser.go(userPage())).text).not.toContain('Revoked:')
  })

  test('of a user with the longest name is told too: no browser drops the cookie', async () => {
    const csrf = csrfOf(await askRevoke())
    const user = '𠮷'.repeat(512)
    const fields = { csrf, user, block_seconds: '3600', reason: 'left' }
    const answer = await sendForm(browser, `${scene.console}/user/revoke`, fields)
    // RFC 6265bis §5.6: at most 4096 bytes of name and value.
    expect(answer.headers.getSetCookie().map((cookie) => cookie.split(';')[0]?.length)).toEqual([
      expect.toSatisfy((length) => length < 4096),
    ])
    const isTold = async (of: string) =>
      (await browser.go(userPage(of))).text.includes('Never seen or erased:')
    expect([await isTold(`${user.slice(2)}x`), await isTold(user)]).toEqual([false, true])
  })

  test('sent late blocks from then on, and says until when', async () => {
    await askRevoke()
    clock = 20 * 60_000
    const page = await browser.submit('/revoke')
    expect(page.text).toMatch(new RegExp(`blocked until 20\\S+ ${minute()}`))
  })

  test('after another admin’s says who ended the sessions, and whose longer block holds', async () => {
    await askRevoke()
    const grace = await scene.signedIn('grace')
    await askRevoke(grace, '86400')
    await grace.submit('/revoke')
    const page = await browser.submit('/revoke')
    expect(page.text).toContain('no session was live any more')
    expect(page.text).toContain('by an earlier, longer block')
    expect(page.html).toMatch(/by <bdi title="[^"]*\|grace">grace<\/bdi>/)
    // A second confirmation page tells this before the revoke.
    const again = await askRevoke()
    expect(again.text).toContain('No session is live. Answers that still run end now.')
    expect(again.text).toContain('holds already; the longer one stays')
  })

  test('that the store does without its audit entry says that it is safe to send again', async () => {
    await askRevoke()
    scene.registry.failing.add('appendAudit')
    const page = await browser.submit('/revoke')
    expect([page.status, page.text]).toEqual([
      503,
      expect.stringContaining('To send it again is safe'),
    ])
    scene.registry.failing.clear()
    await browser.follow('/user/revoke?')
    expect((await browser.submit('/revoke')).text).toContain('blocked until')
  })

  test('shows each session until the upstream has confirmed it', async () => {
    scene.running.upstream.setFaults({ status: 500 })
    await askRevoke()
    const page = await browser.submit('/revoke')
    expect(page.text).toContain('Revoked: 1 session not confirmed by OpenAI yet')
    expect(page.html).toMatch(/id="user-sessions" data-part data-refresh/)
    expect(page.html).toContain('>Reload</a>')
    expect((await browser.follow('/admin/sessions/cksess_')).text).toContain('Confirmed not yet')
    scene.running.upstream.setFaults({})
    const settled = async () => (await browser.go(userPage())).html
    await expect
      .poll(settled, { timeout: 15_000, interval: 500 })
      .toMatch(/confirmed (?:now|\d+ s ago)/)
    expect(browser.page.html).not.toContain('data-refresh')
  })
})

describe('a confirmed cancel', () => {
  test('ends the session, whose page says who, when and why', async () => {
    await askRevoke()
    await browser.submit('/revoke')
    const page = await browser.follow('/admin/sessions/cksess_')
    expect(page.text).toContain('The user was revoked: left')
    expect(page.html).toContain(`title="${scene.signIn.issuer}|ada"`)
    expect(page.text).toMatch(/Confirmed 20\S+ /)
    expect(page.html).not.toContain('data-refresh')
  })

  test('sent after the session had ended says when it ended, and by whom', async () => {
    await askCancel()
    const grace = await scene.signedIn('grace')
    await askCancel(grace)
    await grace.submit('/cancel')
    clock = 5000
    const page = await browser.submit('/cancel')
    expect(page.text).toMatch(
      /Nothing was left to cancel: the session had ended at 20.* by \S+\|grace/,
    )
    expect((await browser.go(`${page.url}/cancel`)).text).toContain('is cancelled already')
  })

  test('sent after the session had expired says so', async () => {
    await askCancel()
    clock = 11 * 60_000
    const page = await browser.submit('/cancel')
    expect(page.text).toContain('the session had ended by itself')
  })

  test('of a session erased meanwhile says that nothing of it is on record', async () => {
    await askCancel()
    const grace = await scene.signedIn('grace')
    await grace.go(userPage())
    await grace.follow('/erase')
    await grace.submit('/erase', { confirm: 'alice' })
    const page = await browser.submit('/cancel')
    expect(page.status).toBe(404)
    expect(page.text).toContain('it was erased with its user')
    expect(page.html).toContain('aria-label="Console"')
  })
})

test('the page of a user who was erased while it was shown says when and by whom', async () => {
  await askRevoke()
  const grace = await scene.signedIn('grace')
  await grace.go(userPage())
  const asked = await grace.follow('/erase')
  expect(asked.text).toContain('1 session ends now')
  await grace.submit('/erase', { confirm: 'alice' })
  expect((await browser.go(userPage())).text).toMatch(/This user was erased .* by grace/)
  const page = await browser.go(`${scene.console}/user/revoke?user=alice&block_seconds=3600`)
  expect(page.text).toContain('Erased: alice has no session on record')
  const revoked = await browser.submit('/revoke')
  expect(revoked.text).toContain('Never seen or erased: no session; blocked until')
  expect(revoked.text).toContain('This user was erased')
})

test('the block that an admin sets is shown with its reason, and ends once', async () => {
  await askRevoke()
  const page = await browser.submit('/revoke')
  expect(page.text).toMatch(/blocked until .* by ada : left/)
  expect((await browser.submit('/unblock')).text).toContain('Unblocked.')
  await scene.mint('alice')
  await askRevoke()
  await browser.submit('/revoke')
  const grace = await scene.signedIn('grace')
  await grace.go(userPage())
  await grace.submit('/unblock')
  expect((await browser.submit('/unblock')).text).toContain('There was no block any more')
})

test.each([
  ['/user/revoke?user=alice', 400],
  ['/user/revoke?user=alice&block_seconds=31536001', 400],
  ['/user/revoke?user=&block_seconds=0', 400],
  ['/user/revoke?user=ada&block_seconds=60', 400],
  ['/user/erase?user=', 400],
  ['/user/erase?user=ada', 400],
  ['/sessions/cksess_none/cancel', 404],
])('the confirmation at %s is refused, and nothing is done', async (path, status) => {
  const page = await browser.go(scene.console + path)
  expect(page.status).toBe(status)
  expect(page.html).not.toContain('class="danger"')
  expect(await scene.audit('revoke')).toEqual([])
})

test('an erase of the admin’s own user is refused, also without the page before it', async () => {
  await browser.go(`${scene.console}/user/erase?user=alice`)
  const page = await browser.submit('/erase', { user: 'ada', confirm: 'ada' })
  expect([page.status, page.text]).toEqual([
    400,
    expect.stringContaining('You cannot block or erase yourself'),
  ])
  expect(await scene.audit('erase')).toEqual([])
  expect((await browser.go(scene.console)).status).toBe(200)
})

test('the page of a user has their audit without the reads of admins', async () => {
  await browser.go(userPage())
  const page = await browser.go(userPage())
  expect(page.text).not.toContain('admin_read')
  expect(page.text).toMatch(/mint .*alice/)
})

test('a receipt is a download', async () => {
  await browser.go(userPage())
  const page = await browser.follow('/user/receipt')
  expect(page.headers.get('content-type')).toBe('application/jose')
  expect(page.headers.get('content-disposition')).toBe('attachment; filename="user-receipt.jws"')
  const [, claims = ''] = page.html.split('.')
  expect(JSON.parse(String(Buffer.from(claims, 'base64url')))).toMatchObject({
    ...{ user: 'alice', sessions: [{ status: 'active', confirmed_at: null }] },
  })
})
