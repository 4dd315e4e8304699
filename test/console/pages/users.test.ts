import { beforeAll, describe, expect, test } from 'vitest'
import { entry, session } from '../../contracts/registry-fixtures.ts'
import { type Browser, type Seen, unescaped } from '../../support/sign-in/browser.ts'
import { forAllTests } from '../../support/started.ts'
import { startConsoleScene } from '../scene.ts'

const RTL = '\u202Eecila\u202C'
const LONG = `${'a'.repeat(300)}-end`

let browser: Browser
const scene = forAllTests(() => startConsoleScene())
beforeAll(async () => {
  const now = Math.floor(Date.now() / 1000)
  const users = [
    ['alice', 'sub-7'],
    ['Alfred', 'sub-8'],
    ['100%', 'percent'],
    ['1000', 'number'],
    ['a_b', 'underscore'],
    [RTL, 'rtl'],
    [LONG, 'long'],
    ...Array.from({ length: 60 }, (_, at) => [`many-${at}`, `sub-many-${at}`] as const),
  ] as const
  for (const [at, [user, subject]] of users.entries()) {
    const times = { createdAt: now - 1000 + at, expiresAt: now + 600 }
    const one = session({ id: `cksess_${at}`, user, subject, ...times })
    await scene.registry.record({ ...entry(one), now: times.createdAt })
  }
  browser = await scene.signedIn()
})

function find(q: string): Promise<Seen> {
  return browser.go(`${scene.console}/users?${new URLSearchParams({ q })}`)
}

/** Follows the link to a neighbouring page. */
function follow({ html, url }: Seen, rel: 'next' | 'prev'): Promise<Seen> {
  const href = new RegExp(`rel="${rel}" href="([^"]+)"`).exec(html)?.[1] ?? ''
  return browser.go(new URL(unescaped(href), url).href)
}

function usersOn({ html }: Seen): string[] {
  return Array.from(
    html.matchAll(/<bdi class="user"><a href="[^"]*\/user\?(user=[^"]*)"/g),
    ([, query]) => new URLSearchParams(unescaped(query ?? '')).get('user') ?? '',
  )
}

describe('the page of users', () => {
  test.each([
    ['al', ['Alfred', 'alice']],
    ['ALIC', ['alice']],
    ['sub-7', ['alice']],
    ['%', []],
    ['100%', ['100%']],
    ['a_', ['a_b']],
    ['_', []],
    [RTL, [RTL]],
    [' alice', []],
  ])('finds by the beginning %j of a user or subject', async (q, users) => {
    const page = await find(q)
    expect(page.status).toBe(200)
    expect(usersOn(page)).toEqual(users)
    if (users.length === 0) expect(page.text).toContain('Nobody’s name begins with')
  })

  test('lists all users without a search, last seen first, and links to older ones', async () => {
    const first = await browser.go(`${scene.console}/users?q=`)
    expect(usersOn(first)).toHaveLength(50)
    expect(usersOn(first)[0]).toBe('many-59')
    expect(first.text).toContain('last seen first')
    const second = await follow(first, 'next')
    expect(usersOn(second)).toHaveLength(17)
    expect(usersOn(second).at(-1)).toBe('alice')
    expect(second.html).not.toContain('rel="next"')
    expect(second.text).toMatch(/17 users on this page, last seen first.*First Previous/)
    const back = await follow(second, 'prev')
    expect(usersOn(back)).toEqual(usersOn(first))
    expect(back.text).toMatch(/The first 50 users, last seen first.*Next/)
    expect(back.html).not.toContain('rel="prev"')
  })

  test('goes back from page to page of a search, in the order of names', async () => {
    const first = await find('many-')
    const second = await follow(first, 'next')
    expect(second.text).toMatch(
      /10 users on this page whose name begins with many-.*First Previous/,
    )
    const back = await follow(second, 'prev')
    expect(usersOn(back)).toEqual(usersOn(first))
    expect([back.html.includes('rel="prev"'), back.text.includes('Next')]).toEqual([false, true])
  })

  test('keeps the search from page to page', async () => {
    const first = await find('many-')
    expect(first.text).toContain('The first 50 users')
    expect(usersOn(await follow(first, 'next'))).toHaveLength(10)
  })

  test('shows issuer, subject and live sessions, and the end of a block', async () => {
    await scene.registry.revoke({
      ...{ user: 'a_b' as never, endReason: 'revoked', by: 'x', now: 1 },
      block: { until: 4_000_000_000, reason: undefined, by: 'x' },
    })
    const { html, text } = await find('a_b')
    expect(text).toMatch(/a_b underscore idp\.example .* 0 blocked until 2096/)
    expect(html).toMatch(/title="https:\/\/[^"]+">idp\.example</)
    expect((await find('alice')).text).toMatch(/ 1 /)
  })

  test('isolates a name, so that its direction turns nothing beside it', async () => {
    expect((await find('al')).html).toMatch(/<bdi class="user"><a [^>]+>alice<\/a><\/bdi>/)
  })

  test('shows marks of direction in a name, which would make it look like another, on every page', async () => {
    const query = new URLSearchParams({ user: RTL })
    for (const path of [
      `/users?${new URLSearchParams({ q: RTL })}`,
      `/user?${query}`,
      `/user/revoke?${query}&block_seconds=60`,
      `/user/erase?${query}`,
      `/sessions?${query}`,
      '/sessions/cksess_5',
      '/sessions/cksess_5/cancel',
      `/audit?${query}`,
    ]) {
      const { html } = await browser.go(scene.console + path)
      expect([path, html]).toEqual([path, expect.stringContaining('\\u{202e}ecila\\u{202c}')])
      // It may stand in a field as it is, and where it is to be copied.
      const words = html
        .replace(/ (?:value|data-copy)="[^"]*"/g, '')
        .replace(/<label for="confirm".*/, '')
      expect([path, words.includes(RTL)]).toEqual([path, false])
    }
  })

  test.each([' ', '\u3000\u3000', '\u200B', '\u2800'])(
    'shows the name %j, which nobody sees, in quotes',
    async (user) => {
      const times = { createdAt: 1000, expiresAt: 1600 }
      const one = session({
        id: `cksess_unseen_${user.codePointAt(0)}`,
        user,
        subject: user,
        ...times,
      })
      await scene.registry.record({ ...entry(one), now: times.createdAt })
      const { html } = await find(user)
      expect(unescaped(html)).toMatch(new RegExp(`<a href="[^"]+"[^>]*>"${user}"</a>`))
      expect(usersOn(await find(user))).toEqual([user])
    },
  )

  test('leaves out the middle of a long name, and has the whole in a title', async () => {
    const page = await find('aaaa')
    expect(usersOn(page)).toEqual([LONG])
    expect(page.text).not.toContain('a'.repeat(300))
    expect(page.text).toContain('aaaa-end')
  })

  test.each([
    ['cksess_0a1B', 'href="/admin/sessions/cksess_0a1B">open the session</a>'],
    [' cksess_0a1B ', 'href="/admin/sessions/cksess_0a1B">open the session</a>'],
    [
      'https://idp.example|alice',
      'href="/admin/users?q=alice"><bdi class="user">alice</bdi></a> instead',
    ],
    [' alice', 'href="/admin/users?q=alice"><bdi class="user">alice</bdi></a> instead'],
  ])('links what was meant, when nobody’s name begins with %j', async (q, link) => {
    const page = await find(q)
    expect(usersOn(page)).toEqual([])
    expect(page.html).toContain(link)
  })

  test.each(['mallory', 'cksess_<b>', '|', 'idp|'])(
    'links nothing else for %j, which nobody’s name begins with',
    async (q) => {
      expect((await find(q)).html).not.toMatch(/instead|open the session/)
    },
  )

  test('offers the page of a name that was never seen, to block it', async () => {
    const page = await find('mallory')
    expect(usersOn(page)).toEqual([])
    expect(page.html).toContain('href="/admin/user?user=mallory">the page of the user')
  })

  test.each([
    ['500 characters', 'x'.repeat(500), 200, 'Nobody’s name begins with'],
    ['513 characters', 'x'.repeat(513), 400, 'This search is too long'],
    ['512 characters of two UTF-16 units', '𠮷'.repeat(512), 200, 'Nobody’s name begins with'],
    ['half a surrogate as browsers send it', '\uFFFD', 200, 'half a character'],
  ])('answers a search of %s with a sentence', async (_name, q, status, sentence) => {
    const page = await find(q)
    expect(page.status).toBe(status)
    expect(page.text).toContain(sentence)
    expect(page.html).toContain('aria-label="Console"')
  })

  test.each(['%ED%A0%80', '%ff', '%'])(
    'says of the broken escape %s that it is broken, and keeps the navigation',
    async (q) => {
      const page = await browser.go(`${scene.console}/users?q=${q}`)
      expect(page.status).toBe(400)
      expect(page.text).toContain('half a character')
      expect(page.html).toContain('aria-label="Console"')
      expect(page.html).toContain('name="q"')
    },
  )

  test('leads from a cursor of no user back to the start', async () => {
    const page = await browser.go(`${scene.console}/users?q=many-&after=gone`)
    expect([page.status, page.text]).toEqual([
      400,
      expect.stringContaining('The list has moved on'),
    ])
  })

  test('is read in the audit', async () => {
    await find('alice')
    expect((await scene.audit('admin_read'))[0]).toMatchObject({ reason: 'GET /admin/users' })
  })
})
