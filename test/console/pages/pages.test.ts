import { beforeAll, describe, expect, test } from 'vitest'
import { entry, session } from '../../contracts/registry-fixtures.ts'
import type { Browser, Seen } from '../../support/sign-in/browser.ts'
import { createBrowser, unescaped } from '../../support/sign-in/browser.ts'
import { forAllTests } from '../../support/started.ts'
import { startConsoleScene } from '../scene.ts'

const MANY = 10_000
/** Texts that a subject may hold, and some that it may not: a page must show each as plain text. */
const HOSTILE = `"><script>alert(1)</script><img src=x onerror=alert(1)>'&amp; https://idp/|a b`

let browser: Browser
const scene = forAllTests(() => startConsoleScene())
beforeAll(async () => {
  const now = Math.floor(Date.now() / 1000)
  const times = { createdAt: now, expiresAt: now + 600 }
  for (let at = 0; at < MANY; at++) {
    const id = `cksess_${String(at).padStart(5, '0')}`
    const user = `user-${at % 1000}`
    const workflow = at % 2 === 0 ? 'support' : 'general'
    await scene.registry.record(entry(session({ id, user, workflow, subject: user, ...times })))
  }
  const hostile = { id: 'cksess_hostile', user: HOSTILE, subject: HOSTILE, workflow: 'support' }
  await scene.registry.record(entry(session({ ...hostile, ...times })))
  browser = await scene.signedIn()
})

function idsOn({ html }: Seen): string[] {
  return Array.from(html.matchAll(/href="\/admin\/sessions\/([^"/]+)"/g), ([, id]) => id ?? '')
}

function link({ html, url }: Seen, label: string): string | undefined {
  const href = new RegExp(`<a[^>]*href="([^"]*)"[^>]*>${label}</a>`).exec(html)?.[1]
  return href === undefined ? undefined : new URL(unescaped(href), url).href
}

describe('ten thousand sessions', () => {
  test('are shown page by page, forwards and backwards', async () => {
    const first = await browser.go(`${scene.console}/sessions`)
    expect(idsOn(first)).toHaveLength(50)
    expect(idsOn(first)[0]).toBe('cksess_hostile')
    expect(link(first, 'Previous')).toBeUndefined()
    const second = await browser.go(link(first, 'Next') ?? '')
    expect(idsOn(second)).toHaveLength(50)
    expect(idsOn(second)).not.toEqual(expect.arrayContaining(idsOn(first)))
    const third = await browser.go(link(second, 'Next') ?? '')
    const back = await browser.go(link(third, 'Previous') ?? '')
    expect(idsOn(back)).toEqual(idsOn(second))
    expect(link(back, 'Previous')).toBeDefined()
    const start = await browser.go(link(back, 'Previous') ?? '')
    expect(idsOn(start)).toEqual(idsOn(first))
    expect(link(start, 'Previous')).toBeUndefined()
    expect(idsOn(await browser.go(link(third, 'First') ?? ''))).toEqual(idsOn(first))
  })

  test.each([
    ['user=user-7', 10, 'user-7'],
    ['subject=user-8', 10, 'user-8'],
    ['user=user-7&workflow=general', 10, 'user-7'],
    ['user=user-7&workflow=support', 0, ''],
    ['user=user-7&status=cancelled', 0, ''],
    ['user=user-7&status=all', 10, 'user-7'],
    ['issuer=https://nobody.example', 0, ''],
    ['user=user', 0, ''],
  ])('are filtered by %s', async (query, count, user) => {
    const page = await browser.go(`${scene.console}/sessions?${query}`)
    expect(page.status).toBe(200)
    expect(idsOn(page)).toHaveLength(count)
    if (count > 0) expect(page.html).toContain(`>${user}</a>`)
    else expect(page.text).toContain('No session fits')
  })

  test('keep their filters from page to page', async () => {
    const page = await browser.go(
      `${scene.console}/sessions?workflow=general&user=&subject=&issuer=`,
    )
    const next = new URL(link(page, 'Next') ?? '')
    expect(next.searchParams.get('workflow')).toBe('general')
    expect((await browser.go(next.href)).html).toContain('value="general" selected')
  })

  test('show the filter that holds, also one that no choice of the form has any more', async () => {
    for (const [path, name] of [
      ['/sessions?workflow=retired', 'retired'],
      ['/audit?action=retired', 'retired'],
    ] as const) {
      const { html } = await browser.go(scene.console + path)
      expect(html).toContain(`<option value="${name}" selected>`)
    }
    expect((await browser.go(`${scene.console}/sessions`)).html).not.toContain('value="" selected')
    const threads = await browser.go(`${scene.console}/threads?workflow=retired`)
    expect([threads.status, threads.text]).toEqual([
      403,
      expect.stringContaining('The config has no workflow with this name. Choose another.'),
    ])
  })

  test('lead from a cursor of no session back to the start of the list', async () => {
    const page = await browser.go(`${scene.console}/sessions?after=cksess_gone&user=user-7`)
    expect(page.status).toBe(400)
    expect(page.text).toContain('The list has moved on')
    expect(idsOn(await browser.go(link(page, 'Back to the start of the list') ?? ''))).toHaveLength(
      10,
    )
  })

  test('lead back to the first page from one whose sessions have all ended', async () => {
    const list = `${scene.console}/sessions?user=user-7&status=all`
    const oldest = idsOn(await browser.go(list)).at(-1)
    const page = await browser.go(`${list}&after=${oldest}`)
    expect(page.text).toContain('No session fits')
    expect(link(page, 'First')).toBe(list)
  })

  test('are refused for an unknown status', async () => {
    const lost = await browser.go(`${scene.console}/sessions?status=lost&user=alice`)
    expect([lost.status, lost.text]).toEqual([
      400,
      expect.stringContaining('The page knows no such value of status.'),
    ])
    const anew = await browser.follow('?')
    expect([anew.status, anew.url]).toEqual([200, `${scene.console}/sessions?`])
  })
})

describe('the name of a user is text', () => {
  const query = new URLSearchParams({ user: HOSTILE })
  test.each([
    ['sessions', () => `/sessions?${query}`],
    ['a session', () => '/sessions/cksess_hostile'],
    ['the user', () => `/user?${query}`],
    ['audit', () => `/audit?${query}`],
  ])('%s', async (_name, path) => {
    const page = await browser.go(scene.console + path())
    expect(page.status).toBe(200)
    expect(page.html).not.toContain('<script>alert')
    expect(page.html).not.toContain('<img')
    expect(unescaped(page.html)).toContain(HOSTILE)
  })

  test('with its blanks: no link leads to the user without them', async () => {
    const now = Math.floor(Date.now() / 1000)
    const times = { createdAt: now, expiresAt: now + 600 }
    for (const [id, user] of [
      ['cksess_plain', 'carol'],
      ['cksess_blank', 'carol '],
    ] as const) {
      await scene.registry.record(entry(session({ id, user, subject: user, ...times })))
    }
    const page = await browser.go(`${scene.console}/user?user=carol+`)
    expect(idsOn(page)).toEqual(['cksess_blank'])
    expect(idsOn(await browser.go(link(page, 'All sessions') ?? ''))).toEqual(['cksess_blank'])
    expect((await browser.go(link(page, 'All entries') ?? '')).html).toContain('value="carol "')
    const threads = await browser.go(`${scene.console}/threads?user=carol+`)
    expect(threads.html).toContain('href="/admin/user?user=carol+"')
  })

  test('that fits into every field with 512 characters of two UTF-16 units each', async () => {
    const user = '𠮷'.repeat(512)
    const page = await browser.go(`${scene.console}/user?${new URLSearchParams({ user })}`)
    expect(page.status).toBe(200)
    const erase = await browser.follow('/erase')
    const limits = Array.from(
      erase.html.matchAll(/<input id="(?:find-user|confirm)"[^>]*>/g),
      ([input]) => Number(/maxlength="(\d+)"/.exec(input)?.[1]),
    )
    expect(limits).toHaveLength(2)
    for (const limit of limits) expect(limit).toBeGreaterThanOrEqual(user.length)
  })

  test('in the hidden fields of forms, unchanged', async () => {
    await browser.go(`${scene.console}/user?${query}`)
    const asked = await browser.submit('/revoke', { reason: HOSTILE })
    expect(asked.html).not.toContain('<script>alert')
    const page = await browser.submit('/revoke')
    expect(page.text).toContain('1 session cancelled')
    expect(page.html).not.toContain('<script>alert')
    expect(await scene.audit('revoke')).toMatchObject([{ user: HOSTILE, reason: HOSTILE }])
    const blocks = await browser.go(`${scene.console}/blocks`)
    expect(blocks.html).not.toContain('<script>alert')
    expect((await browser.submit('/unblock')).text).toContain('Unblocked')
  })
})

describe('an answer of the console', () => {
  const POLICY =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

  test.each([
    ...[
      '',
      '/',
      '/sessions',
      '/blocks',
      '/audit',
      '/figures',
      '/figures.json',
      '/user?user=alice',
      '/users',
    ],
    ...['/sessions/cksess_none', '/nothing', '/sign-in', '/callback', '/signed-out', '/sign-out'],
    ...[
      '/assets/console.css',
      '/assets/charts.js',
      '/assets/pages.js',
      '/assets/icon.svg',
      '/assets/none.js',
      '/user',
    ],
  ])('at %s has the headers, and no script or style in its text', async (path) => {
    const answer = await browser.send(scene.console + path)
    const headers = Object.fromEntries(answer.headers)
    expect(headers).toMatchObject({
      'content-security-policy': POLICY,
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'x-request-id': expect.stringMatching(/^req_/),
    })
    const text = await answer.text()
    if (!headers['content-type']?.startsWith('text/html')) return
    // A title may hold any text.
    const marks = text.replace(/ title="[^"]*"/g, '')
    expect(marks).not.toMatch(/<style|style=|<script(?! src="\/admin\/assets\/)|<[^>]*\son\w+=/)
    expect(text).not.toMatch(/(?:src|href|action)="(?:https?:)?\/\//)
    for (const secret of [scene.clientSecret, 'sk-test', 'ek_']) expect(text).not.toContain(secret)
  })

  test('may not be read by the origin of an app', async () => {
    const answer = await browser.send(scene.console, {
      headers: { origin: 'https://app.acme.example' },
    })
    expect(answer.status).toBe(403)
    expect(answer.headers.has('access-control-allow-origin')).toBe(false)
  })

  test('is a page for an error, or problem details where JSON is asked for', async () => {
    const asked = { headers: { accept: 'application/json' } }
    for (const path of ['/nothing', '/sessions/cksess_none', '/assets/none']) {
      const answer = await browser.send(scene.console + path, asked)
      expect(answer.status).toBe(404)
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(await answer.json()).toMatchObject({ code: 'not_found' })
    }
    const either = { headers: { accept: 'application/json, text/html' } }
    for (const init of [{}, either]) {
      const page = await browser.send(`${scene.console}/nothing`, init)
      expect([page.status, page.headers.get('content-type')]).toEqual([
        404,
        'text/html; charset=UTF-8',
      ])
    }
  })

  test.each(['/nothing', '/sessions/cksess_none', '/sessions?status=lost'])(
    'keeps the navigation on the page of an error, %s, for those who are signed in',
    async (path) => {
      const page = await browser.go(scene.console + path)
      expect(page.status).toBeGreaterThanOrEqual(400)
      expect(page.html).toContain('<nav aria-label="Console">')
      expect(page.text).toContain('Sign out')
    },
  )

  test('has no navigation on the page of an error for nobody', async () => {
    const page = await createBrowser().go(`${scene.console}/nothing`)
    expect([page.status, page.html.includes('aria-label="Console"')]).toEqual([404, false])
  })
})

test('figures need a sign-in and are answered as samples', async () => {
  const signedIn = await scene.signedIn()
  const answer = await signedIn.send(`${scene.console}/figures.json`)
  expect(await answer.json()).toEqual({ seconds: 60, span: 3600, samples: expect.any(Array) })
  const day = await signedIn.send(`${scene.console}/figures.json?range=day`)
  expect(await day.json()).toEqual({ seconds: 300, span: 86_400, samples: expect.any(Array) })
  expect((await signedIn.send(`${scene.console}/figures.json?range=year`)).status).toBe(400)
  const browser = createBrowser()
  expect((await browser.send(`${scene.console}/figures.json`)).status).toBe(401)
  expect((await browser.send(`${scene.console}/figures`)).status).toBe(303)
})
