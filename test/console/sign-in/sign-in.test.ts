import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createSealer } from '../../../src/console/sign-in/cookies.ts'
import { type Browser, createBrowser, type Seen } from '../../support/sign-in/browser.ts'
import { forAllTests } from '../../support/started.ts'
import { signInWith, startConsoleScene } from '../scene.ts'

const KEY = Buffer.alloc(32, 3)
const scene = forAllTests(() =>
  startConsoleScene({ env: { CONSOLE_COOKIE_KEY: KEY.toString('base64url') } }),
)

/** Signs in up to the provider's redirect back, and gives the address of that redirect. */
async function callbackOf(browser = createBrowser(), account = 'ada') {
  const { url } = await browser.go(scene.console)
  const chosen = await browser.send(url, { method: 'POST', body: new URLSearchParams({ account }) })
  const resumed = await browser.send(chosen.headers.get('location') ?? '')
  const callback = new URL(resumed.headers.get('location') ?? '')
  expect(callback.href).toContain(`${scene.console}/callback?`)
  return { browser, callback }
}

function isSignedIn({ html }: Seen): boolean {
  return html.includes('/admin/sign-out')
}

/** The only sign-in under way in the browser. */
function attemptCookie({ cookies }: Browser) {
  const all = [...cookies(scene.console)].filter(([name]) => name.includes('console-sign-in-'))
  expect(all).toHaveLength(1)
  const [[cookie, sealed] = ['', '']] = all
  return { cookie, purpose: cookie.replace('chatkit-mint-console-', ''), sealed }
}

describe('a sign-in', () => {
  test('leads an admin to the page that was asked for', async () => {
    const browser = createBrowser()
    const wanted = `${scene.console}/user?user=alice`
    const page = await signInWith(browser, wanted, 'ada')
    expect([page.status, page.url]).toEqual([200, wanted])
    expect(isSignedIn(page)).toBe(true)
    expect(await scene.audit('admin_sign_in')).toMatchObject([
      { actor: `${scene.signIn.issuer}|ada`, user: 'ada', outcome: 'ok' },
    ])
  })

  test('leads to the console, without a second sign-in, when its end is opened once more', async () => {
    const { browser, callback } = await callbackOf()
    await browser.go(callback.href)
    const before = await scene.audit('admin_sign_in')
    const page = await browser.go(callback.href)
    expect([page.status, page.url, isSignedIn(page)]).toEqual([200, scene.console, true])
    expect(await scene.audit('admin_sign_in')).toEqual(before)
  })

  test('requests a code with PKCE, state and nonce, and shows the client secret to nobody', async () => {
    const answer = await createBrowser().send(`${scene.console}/sign-in`)
    expect(answer.status).toBe(303)
    const to = new URL(answer.headers.get('location') ?? '')
    expect(to.origin).toBe(scene.signIn.issuer)
    const sent = Object.fromEntries(to.searchParams)
    expect(sent).toMatchObject({
      response_type: 'code',
      client_id: 'console',
      redirect_uri: `${scene.console}/callback`,
      code_challenge_method: 'S256',
    })
    expect(sent).not.toHaveProperty('prompt')
    for (const name of ['state', 'nonce', 'code_challenge']) {
      expect(sent[name]).toMatch(/^[\w-]{40,}$/)
    }
    expect(to.href).not.toContain(scene.clientSecret)
  })

  test('sets cookies that are HttpOnly, SameSite and unreadable', async () => {
    const { browser, callback } = await callbackOf()
    const { sealed } = attemptCookie(browser)
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('verifier')
    const answer = await browser.send(callback.href)
    const lines = answer.headers.getSetCookie()
    expect(lines).toHaveLength(2)
    for (const line of lines) {
      expect(line).toMatch(/; Path=\//)
      expect(line).toMatch(/; HttpOnly/)
      expect(line).toMatch(/; SameSite=Lax/)
    }
  })

  test('in each of several tabs leads each to its own page, in whatever order they end', async () => {
    const browser = createBrowser()
    const begun = []
    for (const path of ['/users', '/sessions', '/audit']) {
      const query = new URLSearchParams({ return_to: `${scene.console}${path}` })
      const answer = await browser.send(`${scene.console}/sign-in?${query}`)
      begun.push({ path, provider: answer.headers.get('location') ?? '' })
    }
    for (const { path, provider } of begun.reverse()) {
      const page = await signInWith(browser, provider, 'ada')
      expect([page.status, page.url]).toEqual([200, `${scene.console}${path}`])
      expect(isSignedIn(page)).toBe(true)
    }
  })

  test('for a receipt leads to the page of its user, because a download shows no page', async () => {
    const page = await signInWith(
      createBrowser(),
      `${scene.console}/user/receipt?user=alice`,
      'ada',
    )
    expect([page.status, page.url]).toEqual([200, `${scene.console}/user?user=alice`])
  })

  test('begun again and again keeps few cookies, and the newest can be finished', async () => {
    const browser = createBrowser()
    browser.setCookie(scene.console, 'of-another-app', '1')
    for (let times = 0; times < 7; times++) await browser.send(`${scene.console}/sign-in`)
    expect(browser.cookies(scene.console).has('of-another-app')).toBe(true)
    const underWay = () => browser.cookies(scene.console).size - 1
    expect(underWay()).toBe(4)
    const page = await signInWith(browser, scene.console, 'ada')
    expect(isSignedIn(page)).toBe(true)
    expect(underWay()).toBe(4)
  })

  test('of somebody who is no admin gets 403 and a page that says so, and is audited', async () => {
    const browser = createBrowser()
    const page = await signInWith(browser, scene.console, 'bob')
    expect(page.status).toBe(403)
    expect(page.text).toContain('You are not an admin here')
    expect(page.text).toContain(`${scene.signIn.issuer}|bob`)
    const line = scene.running.log.find(({ code }) => code === 'admin_required')
    expect(line).toMatchObject({ reason: expect.stringContaining('`when` is false') })
    expect([...browser.cookies(scene.console)]).toEqual([])
    await expect
      .poll(() => scene.audit('admin_attempt'))
      .toMatchObject([{ actor: `${scene.signIn.issuer}|bob`, user: 'bob', outcome: 'refused' }])
    // And may come back as somebody else, although the provider remembers bob.
    const again = /href="([^"]*again=1)"/.exec(page.html)?.[1] ?? ''
    const choice = await browser.go(new URL(again, page.url).href)
    expect(choice.url).toContain('/sign-in/')
    await browser.submit('/sign-in/', { account: 'ada' })
    // The provider ends bob's session with a form of its own first.
    expect(isSignedIn(await browser.submit('/session/end/confirm'))).toBe(true)
  })

  test.each([
    'https://evil.example/',
    '//evil.example/admin',
    'https://evil.example/admin/users',
    'javascript:alert(1)',
    '/v1/sessions',
    '/admin/../livez',
    '/administrators',
    '/admin/sign-in?return_to=/admin',
    `/admin/user?user=${'x'.repeat(3000)}`,
  ])('does not go back to %.40s', async (to) => {
    const browser = createBrowser()
    const query = new URLSearchParams({ return_to: to })
    const page = await signInWith(browser, `${scene.console}/sign-in?${query}`, 'ada')
    expect([page.status, page.url]).toEqual([200, scene.console])
  })
})

describe('nobody is signed in by', () => {
  async function expectRefused(page: Seen, status: number, says: string) {
    expect(page.status).toBe(status)
    expect(page.text).toContain(says)
    expect(page.headers.get('content-type')).toMatch(/^text\/html/)
    expect(isSignedIn(page)).toBe(false)
  }

  test('another state', async () => {
    const { browser, callback } = await callbackOf()
    callback.searchParams.set('state', 'x'.repeat(43))
    await expectRefused(await browser.go(callback.href), 400, 'cannot be finished here')
    // The attempt is over: not even the right answer counts now.
    const { callback: right } = await callbackOf(createBrowser())
    await expectRefused(await browser.go(right.href), 400, 'cannot be finished here')
  })

  test('the answer to a sign-in that began in another browser', async () => {
    const { callback } = await callbackOf()
    const page = await createBrowser().go(callback.href)
    await expectRefused(page, 400, 'cannot be finished here')
    // It may be the same browser, with cookies blocked.
    expect(page.text).toContain('Allow cookies here, and sign in again.')
  })

  test.each(['', 'a;b', 'ü', 'x'.repeat(65)])(
    'the state %j, which is none of ours',
    async (state) => {
      const { browser, callback } = await callbackOf()
      callback.searchParams.set('state', state)
      await expectRefused(await browser.go(callback.href), 400, 'cannot be finished here')
    },
  )

  test('a code of another sign-in, a code used twice, no code', async () => {
    const stolen = (await callbackOf()).callback.searchParams.get('code') ?? ''
    const { browser, callback } = await callbackOf()
    callback.searchParams.set('code', stolen)
    await expectRefused(await browser.go(callback.href), 400, 'cannot be trusted')

    const second = await callbackOf()
    expect((await second.browser.send(second.callback.href)).status).toBe(303)
    second.browser.setCookie(scene.console, 'chatkit-mint-console-session', '')
    await expectRefused(await second.browser.go(second.callback.href), 400, 'cannot be finished')

    const third = await callbackOf()
    third.callback.searchParams.delete('code')
    await expectRefused(await third.browser.go(third.callback.href), 400, 'Sign-in failed')
  })

  test('an issuer in the answer that is not ours (RFC 9207)', async () => {
    const { browser, callback } = await callbackOf()
    callback.searchParams.set('iss', 'https://evil.example')
    await expectRefused(await browser.go(callback.href), 400, 'cannot be trusted')
  })

  test.each(['nonce', 'verifier'])('another %s than the sign-in began with', async (name) => {
    const { browser, callback } = await callbackOf()
    const sealer = createSealer({ secret: async () => KEY, now: Date.now })
    const { cookie, purpose, sealed } = attemptCookie(browser)
    const attempt = await sealer.open(purpose, sealed, z.record(z.string(), z.unknown()))
    const { aud: _, exp: __, ...kept } = attempt ?? {}
    expect(Object.keys(kept)).toContain(name)
    const changed = await sealer.seal(purpose, { ...kept, [name]: 'x'.repeat(43) }, 60)
    browser.setCookie(scene.console, cookie, changed)
    await expectRefused(await browser.go(callback.href), 400, 'cannot be trusted')
    // The same sign-in without the change succeeds.
    const second = await callbackOf()
    expect((await second.browser.send(second.callback.href)).status).toBe(303)
  })

  test.each([
    ['access_denied', 403, 'Sign-in denied'],
    ['server_error', 400, 'did not sign you in (server_error).'],
    ['<script>alert(1)</script>', 400, 'did not sign you in.'],
  ])('the provider’s answer %s', async (error, status, says) => {
    const { browser, callback } = await callbackOf()
    callback.searchParams.delete('code')
    callback.searchParams.set('error', error)
    const page = await browser.go(callback.href)
    await expectRefused(page, status, says)
    expect(page.html).not.toContain('<script>alert')
  })

  test('a sealed cookie that was changed, or made for another purpose', async () => {
    const { browser, callback } = await callbackOf()
    const { cookie: name, sealed } = attemptCookie(browser)
    browser.setCookie(scene.console, name, `${sealed.slice(0, -3)}AAA`)
    await expectRefused(await browser.go(callback.href), 400, 'cannot be finished here')
    // An attempt's cookie is no session, although the same key sealed it.
    browser.setCookie(scene.console, 'chatkit-mint-console-session', sealed)
    const answer = await browser.send(scene.console)
    expect(answer.status).toBe(303)
  })
})

describe('a sign-out', () => {
  test('ends the sign-in, also for a copied cookie', async () => {
    const browser = await scene.signedIn()
    const name = 'chatkit-mint-console-session'
    const copied = browser.cookies(scene.console).get(name) ?? ''
    const page = await browser.submit('/sign-out')
    expect([page.status, page.url]).toEqual([200, `${scene.console}/signed-out`])
    expect(browser.cookies(scene.console).has(name)).toBe(false)
    browser.setCookie(scene.console, name, copied)
    expect((await browser.send(scene.console)).status).toBe(303)
  })

  test('pressed twice, or after the sign-in has ended, ends at the same page', async () => {
    const browser = await scene.signedIn()
    const { origin } = new URL(scene.console)
    const signOut = (headers: Record<string, string>) =>
      browser.send(`${scene.console}/sign-out`, {
        method: 'POST',
        body: new URLSearchParams({ csrf: 'x' }),
        headers,
      })
    // The token of the form is not this sign-in's.
    expect((await signOut({ origin })).status).toBe(403)
    await browser.submit('/sign-out')
    const again = await signOut({ origin })
    expect([again.status, again.headers.get('location')]).toEqual([303, '/admin/signed-out'])
    expect((await signOut({ origin: 'https://evil.example' })).status).toBe(403)
  })

  test('does not happen by a link of another site', async () => {
    const browser = await scene.signedIn()
    expect((await browser.send(`${scene.console}/sign-out`)).status).toBe(405)
    expect((await browser.go(scene.console)).status).toBe(200)
  })
})

test('the cookie of an admin with the longest name is short enough for browsers', async () => {
  const longest = '漢'.repeat(255)
  const accounts = { [longest]: { roles: ['chatkit-admin'], name: longest } }
  const long = await startConsoleScene({ accounts })
  try {
    const cookies = (await long.signedIn(longest)).cookies(long.console)
    const sealed = cookies.get('chatkit-mint-console-session') ?? ''
    expect(sealed).not.toBe('')
    // RFC 6265bis §5.6: 4096 bytes of name and value. A `sid` of the same length would come on top.
    const sid = Math.ceil((Buffer.byteLength(longest) * 4) / 3)
    expect('__Host-chatkit-mint-console-session'.length + sealed.length + sid).toBeLessThan(4096)
  } finally {
    await long.close()
  }
})

test('behind https and a path that ends as a step of the sign-in does, cookies are for this host alone and links have the path', async () => {
  const publicUrl = 'https://mint.acme.example/sign-in'
  // In another second, the page would note its use in a further cookie.
  const began = Date.now()
  const outside = await startConsoleScene({ publicUrl, now: () => began })
  try {
    const browser = createBrowser()
    const seen: string[] = []
    /** Rewrites a request as the proxy in front of the service does. */
    const inside = (to: string | null) =>
      (to ?? '').replace(/^(?:https:\/\/mint\.acme\.example)?\/sign-in\/admin/, outside.console)
    const send = async (url: string, init?: RequestInit) => {
      const answer = await browser.send(url, init)
      seen.push(...answer.headers.getSetCookie().filter((line) => line.includes('console')))
      return answer
    }
    const begun = await send(`${outside.console}/user?user=alice`)
    // The redirect has the whole address, because cookies of another host name would be missing there.
    expect(begun.headers.get('location')).toContain(`${publicUrl}/admin/sign-in?`)
    const away = await send(inside(begun.headers.get('location')))
    const { url } = await browser.go(away.headers.get('location') ?? '')
    const body = new URLSearchParams({ account: 'ada' })
    const chosen = await browser.send(url, { method: 'POST', body })
    const resumed = await browser.send(chosen.headers.get('location') ?? '')
    expect(resumed.headers.get('location')).toContain(`${publicUrl}/admin/callback?`)
    const back = await send(inside(resumed.headers.get('location')))
    expect(back.headers.get('location')).toBe('/sign-in/admin/user?user=alice')
    const page = await send(inside(back.headers.get('location')))
    expect([page.status, await page.text()]).toEqual([
      200,
      expect.stringContaining('href="/sign-in/admin/blocks"'),
    ])
    expect(seen).toHaveLength(3)
    for (const line of seen) {
      expect(line).toMatch(/^__Host-chatkit-mint-console-(?:sign-in-[\w-]+|session)=/)
      expect(line).toMatch(/; Path=\/;/)
      expect(line).toMatch(/; Secure/)
      expect(line).not.toMatch(/; Domain/i)
    }
  } finally {
    await outside.close()
  }
})
