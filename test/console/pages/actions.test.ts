import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Browser, csrfOf, sendForm } from '../../support/sign-in/browser.ts'
import { type ConsoleScene, startConsoleScene } from '../scene.ts'

let scene: ConsoleScene
let browser: Browser
let ada: string
let clock = 0
beforeEach(async () => {
  clock = 0
  const admin = { roles: ['chatkit-admin'] }
  const accounts = { alice: {}, bob: {}, ada: { ...admin, name: 'Ada' }, grace: admin }
  const now = () => Date.now() + clock
  scene = await startConsoleScene({ sessionMinutes: 15, accounts, now })
  ada = `${scene.signIn.issuer}|ada`
  await scene.mint('alice')
  browser = await scene.signedIn()
})
afterEach(() => scene.close())

const upstream = () => scene.running.upstream.sessions().map(({ status }) => status)
const userPage = (user = 'alice') => `${scene.console}/user?${new URLSearchParams({ user })}`

describe('an action of an admin is done, said, and audited as by the API:', () => {
  test('a cancel', async () => {
    await browser.go(userPage())
    const asked = await browser.follow('/cancel')
    expect(asked.text).toMatch(/The session cksess_\S+ of alice ends now/)
    expect(upstream()).toEqual(['active'])
    const page = await browser.submit('/cancel')
    expect([page.status, page.url]).toEqual([200, asked.url.replace(/\/cancel$/, '')])
    expect(page.text).toMatch(/Session cksess_\S+ is cancelled\./)
    expect(upstream()).toEqual(['cancelled'])
    expect(await scene.audit('cancel')).toMatchObject([
      { actor: ada, user: 'alice', outcome: 'ok', reason: expect.stringMatching(/^cksess_/) },
    ])
    // The notice is shown once.
    expect((await browser.go(page.url)).text).not.toMatch(/Session cksess_\S+ is cancelled\./)
  })

  test('a revoke with a block and a reason, then an unblock', async () => {
    const { text } = await browser.go(userPage())
    expect(text).toMatch(
      /Block for\s+No block\s+15 minutes\s+1 hour\s+1 day\s+7 days\s+30 days\s+1 year/,
    )
    const asked = await browser.submit('/revoke', { block_seconds: '3600', reason: 'left <us>' })
    expect(asked.text).toContain('1 session ends now')
    expect(asked.text).toMatch(/Until 20\S+ \S+ UTC alice cannot get a new one\./)
    expect(asked.text).toContain('Reason: left &lt;us&gt;')
    expect([upstream(), await scene.audit('revoke')]).toEqual([['active'], []])
    const page = await browser.submit('/revoke')
    expect(page.text).toMatch(/Revoked: 1 session cancelled; blocked until 20\S+ \S+ UTC\./)
    expect(upstream()).toEqual(['cancelled'])
    expect(await scene.audit('revoke')).toMatchObject([
      { actor: ada, user: 'alice', outcome: 'ok', reason: 'left <us>' },
    ])
    await expect(scene.mint('alice')).rejects.toThrow('user_blocked')

    const blocks = await browser.go(`${scene.console}/blocks`)
    expect(blocks.html).toContain('left &lt;us&gt;')
    const unblocked = await browser.submit('/unblock')
    expect(unblocked.text).toContain('Unblocked.')
    expect(await scene.audit('unblock')).toMatchObject([{ actor: ada, user: 'alice' }])
    await scene.mint('alice')
  })

  test('a revoke without a block', async () => {
    await browser.go(userPage())
    const asked = await browser.submit('/revoke', { block_seconds: '0' })
    expect(asked.text).toContain('There will be no new block')
    const page = await browser.submit('/revoke')
    expect(page.text).toContain('Revoked: 1 session cancelled; no block.')
    await scene.mint('alice')
  })

  test('a revoke of a user who was never seen, which the page says before and after', async () => {
    const before = await browser.go(`${scene.console}/user?user=alicia`)
    expect(before.text).toContain('never seen')
    expect(before.text).toContain('No entry yet.')
    expect(before.text).not.toContain('not blocked')
    const asked = await browser.submit('/revoke', { block_seconds: '3600' })
    expect(asked.text).toContain('Never seen: alicia has no session on record')
    const after = await browser.submit('/revoke')
    expect(after.text).toContain('Never seen or erased: no session; blocked until')
    expect(after.text).toContain('This user never had a session.')
    const seen = await browser.go(userPage())
    expect(seen.text).toMatch(/ not blocked\s+1 live session /)
    expect(seen.text).not.toContain('ever seen')
  })

  test('a cancel that OpenAI does not confirm', async () => {
    scene.running.upstream.setFaults({ status: 500, times: 3 })
    await browser.go(userPage())
    await browser.follow('/cancel')
    const page = await browser.submit('/cancel')
    expect(page.text).toContain('is being cancelled')
  })

  test('a look at any page', async () => {
    for (const path of ['', '/blocks', '/audit', '/user?user=alice']) {
      await browser.go(scene.console + path)
    }
    const reads = await scene.audit('admin_read')
    expect(reads.map(({ reason }) => reason)).toEqual([
      'GET /admin/user',
      'GET /admin/audit',
      'GET /admin/blocks',
      'GET /admin',
      'GET /admin',
    ])
    expect(new Set(reads.map(({ actor }) => actor))).toEqual(new Set([ada]))
  })
})

describe('a form is not executed, and its page says what to do, with', () => {
  const post = (path: string, fields: Record<string, string>, headers = {}) =>
    sendForm(browser, scene.console + path, fields, { referer: userPage(), ...headers })

  const token = async () => csrfOf(await browser.go(userPage()))

  async function expectNothingDone() {
    expect(upstream()).not.toContain('cancelled')
    for (const action of ['revoke', 'cancel', 'unblock']) {
      expect(await scene.audit(action)).toEqual([])
    }
  }

  test.each([
    ['no token', ''],
    ['a made-up token', 'AAAAAAAAAAAAAAAAAAAAAA'],
  ])('%s', async (_name, csrf) => {
    const answer = await post('/user/revoke', { user: 'alice', block_seconds: '0', csrf })
    expect(answer.status).toBe(403)
    const page = await answer.text()
    expect(page).toContain('This form is not from your sign-in')
    expect(page).toContain(
      '<a class="button" href="/admin/user?user=alice">Open the page again</a>',
    )
    await expectNothingDone()
  })

  test("another admin's token", async () => {
    const other = await scene.signedIn('grace')
    const csrf = csrfOf(await other.go(userPage()))
    expect((await post('/user/revoke', { user: 'alice', block_seconds: '0', csrf })).status).toBe(
      403,
    )
    await expectNothingDone()
  })

  test.each([
    ['evil.example', 'https://evil.example'],
    ['null', 'null'],
    ['another port', 'http://localhost:1'],
    ['https instead of http', 'https://localhost'],
  ])('the Origin %s', async (_name, origin) => {
    const fields = { user: 'alice', block_seconds: '0', csrf: await token() }
    const answer = await post('/user/revoke', fields, { origin })
    expect(answer.status).toBe(403)
    expect(answer.headers.get('content-type')).toMatch(/^text\/html/)
    expect(answer.headers.has('access-control-allow-origin')).toBe(false)
    expect(await answer.text()).toContain('Nothing was done')
    await expectNothingDone()
  })

  test('no Origin', async () => {
    const fields = { user: 'alice', block_seconds: '0', csrf: await token() }
    const answer = await browser.send(`${scene.console}/user/revoke`, {
      method: 'POST',
      body: new URLSearchParams(fields),
    })
    expect(answer.status).toBe(403)
    await expectNothingDone()
  })

  test('a sign-in that ended meanwhile, and the page leads back', async () => {
    await browser.go(userPage())
    const asked = await browser.submit('/revoke', { block_seconds: '3600' })
    clock += 15 * 60_000
    const page = await browser.submit('/revoke')
    expect(page.status).toBe(401)
    expect(page.text).toContain('Your sign-in has ended')
    expect(page.text).toContain('Nothing was done')
    await expectNothingDone()
    const link = /href="([^"]*sign-in[^"]*)"/.exec(page.html)?.[1] ?? ''
    const back = await browser.go(new URL(link, page.url).href)
    expect([back.status, back.url]).toEqual([200, asked.url])
    await expectNothingDone()
  })

  test('a search after the end of the sign-in, and the page goes on to the sign-in by itself', async () => {
    clock += 15 * 60_000
    const answer = await browser.send(userPage('bob'), { headers: { referer: userPage() } })
    const text = await answer.text()
    expect([answer.status, answer.headers.has('location')]).toEqual([200, false])
    expect(text).toContain('Your sign-in has ended')
    expect(text).not.toContain('bob</')
    const [, to = ''] = /^0; url=(.+)$/.exec(answer.headers.get('refresh') ?? '') ?? []
    expect((await browser.go(to)).url).toBe(userPage('bob'))
    clock += 15 * 60_000
    const elsewhere = ['https://evil.example/admin', new URL('/docs', scene.console).href]
    for (const referer of [...elsewhere, 'nonsense']) {
      expect((await browser.send(userPage(), { headers: { referer } })).status).toBe(303)
    }
  })

  test.each<[string, Record<string, string>, string | undefined]>([
    ['a block out of bounds', { block_seconds: '31536001' }, undefined],
    ['a block that is no number', { block_seconds: 'soon' }, undefined],
    ['no block', {}, undefined],
    ['a reason that is too long', { block_seconds: '0', reason: 'x'.repeat(501) }, undefined],
    ['a user with a control character', { block_seconds: '0', user: 'a\u0000' }, undefined],
    ['no user', { block_seconds: '0', user: '' }, undefined],
  ])('%s, and gets 400', async (_name, fields) => {
    const answer = await post('/user/revoke', { user: 'alice', csrf: await token(), ...fields })
    expect(answer.status).toBe(400)
    await expectNothingDone()
  })

  test('a repeated field, JSON, a compressed form, or a body that is too long', async () => {
    const csrf = await token()
    const origin = new URL(scene.console).origin
    const url = `${scene.console}/user/revoke`
    const send = (body: string, type: string, more = {}) =>
      browser.send(url, {
        method: 'POST',
        body,
        headers: { origin, 'content-type': type, ...more },
      })
    const form = 'application/x-www-form-urlencoded'
    const fields = `csrf=${csrf}&user=alice&block_seconds=0`
    expect((await send(`${fields}&user=bob`, form)).status).toBe(400)
    expect((await send(`{"csrf":"${csrf}"}`, 'application/json')).status).toBe(415)
    expect((await send(fields, form, { 'content-encoding': 'gzip' })).status).toBe(415)
    expect((await send(`${fields}&reason=${'x'.repeat(20_000)}`, form)).status).toBe(413)
    await expectNothingDone()
  })

  test('a session that does not exist, or an id that is none', async () => {
    const csrf = await token()
    expect((await post('/sessions/cksess_unknown/cancel', { csrf })).status).toBe(404)
    expect((await post('/sessions/a%20b/cancel', { csrf })).status).toBe(400)
  })
})
