import { beforeAll, describe, expect, test } from 'vitest'
import type { AuditEntry } from '../../../src/registry/audit-entry.ts'
import { createBrowser, type Seen, unescaped } from '../../support/sign-in/browser.ts'
import { forAllTests } from '../../support/started.ts'
import { startDataScene } from '../data-scene.ts'
import { signInWith } from '../scene.ts'

const MINTS = 120
const GRACE = 'https://idp.example/|grace'
/** Each entry is a minute later than the one before. The audit sorts by when entries were written. */
const START = Math.floor(Date.now() / 60_000) * 60 - 4 * 3600
/** A time as a field of the form holds it. */
const minuteOf = (at: number) => new Date((START + at * 60) * 1000).toISOString().slice(0, 16)

const scene = forAllTests(() => startDataScene())
const browser = createBrowser()

beforeAll(async () => {
  await signInWith(browser, scene.console, 'ada')
  const mints = Array.from({ length: MINTS }, (_, at) => planted(at, { user: `user-${at % 2}` }))
  const revoke = { action: 'revoke', actor: GRACE, user: 'mallory', reason: 'left us' }
  const read = { action: 'admin_read', actor: GRACE, user: 'mallory' }
  await scene.registry.appendAudit([
    ...mints,
    planted(200, revoke),
    planted(201, read),
    planted(202, { action: 'mint', actor: 'mallory', user: 'mallory', byUser: true }),
  ])
  const command = { user: 'mallory', limit: 100, now: START + 90_000 }
  await scene.registry.eraseUser(command as Parameters<typeof scene.registry.eraseUser>[0])
})

function planted(
  at: number,
  {
    action = 'mint',
    actor = 'https://idp.example/|someone',
    byUser = false,
    ...rest
  }: { action?: string; actor?: string; user?: string; reason?: string; byUser?: boolean },
): AuditEntry {
  return {
    id: `aud_${String(at).padStart(4, '0')}`,
    at: START + at * 60,
    ...{ action, actor, user: rest.user, reason: rest.reason },
    ...{ outcome: 'ok', requestId: `req_${at}` },
    chain: {
      ...{ instance: 'ins_test', seq: at + 1, prev: undefined },
      ...{ salt: 'ab', byUser, erased: undefined },
    },
  }
}

const requestsOn = ({ html }: Seen) =>
  Array.from(html.matchAll(/<code>req_(\d+)<\/code>/g), ([, at]) => Number(at))

async function listed(query: Record<string, string>): Promise<Seen> {
  return browser.go(`${scene.console}/audit?${new URLSearchParams(query)}`)
}

async function follow(page: Seen, label: string): Promise<Seen> {
  const href = new RegExp(`<a[^>]*href="([^"]*)"[^>]*>${label}</a>`).exec(page.html)?.[1]
  if (href === undefined) throw new Error(`no link ${label}`)
  return browser.go(new URL(unescaped(href), page.url).href)
}

describe('the audit page', () => {
  test('is filtered by an actor', async () => {
    expect(requestsOn(await listed({ actor: GRACE }))).toEqual([201, 200])
  })

  test('links each actor to what they did', async () => {
    const page = await listed({ action: 'revoke' })
    expect(
      requestsOn(await follow(page, `<bdi title="${GRACE.replace('|', '\\|')}">grace</bdi>`)),
    ).toEqual([201, 200])
  })

  test('is filtered by an action, and shows which', async () => {
    const page = await listed({ action: 'revoke' })
    expect(requestsOn(page)).toEqual([200])
    expect(page.html).toContain('<option value="revoke" selected>')
  })

  test('shows all but reads', async () => {
    const page = await listed({ action: 'all_but_reads' })
    expect(requestsOn(page).slice(0, 3)).toEqual([202, 200, 119])
    expect(page.html).not.toContain('<span class="action">admin_read')
    expect(page.html).toContain('<option value="all_but_reads" selected>')
  })

  test('is filtered by a time range in UTC, whose end does not count', async () => {
    const page = await listed({ since: minuteOf(5), until: minuteOf(7) })
    expect(requestsOn(page)).toEqual([6, 5])
    expect(page.text).toContain('From (UTC)')
    expect(page.html).toContain(`type="datetime-local" value="${minuteOf(5)}"`)
  })

  test('combines filters', async () => {
    const range = { since: minuteOf(5), until: minuteOf(9) }
    const page = await listed({ ...range, user: 'user-1', action: 'all_but_reads' })
    expect(requestsOn(page)).toEqual([7, 5])
  })

  test('says so when nothing fits', async () => {
    expect((await listed({ user: 'nobody', action: 'all_but_reads' })).text).toContain(
      'No entry fits',
    )
    const turned = { since: minuteOf(9), until: minuteOf(5) }
    expect((await listed(turned)).text).toContain('No entry fits')
  })

  test.each(['soon', '2026-03-01', '2026-02-30T25:00', '1772359200', '2026-03-01T10:00+02:00'])(
    'refuses the time %s',
    async (since) => {
      expect((await listed({ since })).status).toBe(400)
    },
  )

  test('leads to older entries and back to newer ones, with its filters', async () => {
    const first = await listed({ action: 'mint' })
    expect(first.html).not.toContain('>Previous</a>')
    const second = await follow(first, 'Next')
    const third = await follow(second, 'Next')
    expect(requestsOn(third)).toEqual(Array.from({ length: 21 }, (_, at) => 20 - at))
    expect(third.html).not.toContain('>Next</a>')
    const back = await follow(third, 'Previous')
    expect(requestsOn(back)).toEqual(requestsOn(second))
    expect(requestsOn(await follow(back, 'First'))).toEqual(requestsOn(first))
    expect(back.html).toContain('<option value="mint" selected>')
  })

  test('shows what an erase took as erased, and who acted as long as it was another', async () => {
    const [revoked, minted] = [
      await listed({ action: 'revoke' }),
      await listed({ since: minuteOf(202), until: minuteOf(203) }),
    ]
    expect(revoked.text).toMatch(/revoke\s+erased\s+grace\s+idp\.example\s+ok\s+erased/)
    expect(minted.text).toMatch(/mint\s+erased\s+erased\s+ok/)
    for (const { html } of [revoked, minted]) expect(html).not.toMatch(/mallory|left us/)
  })

  test('shows one form of a time, and keeps the other at hand', async () => {
    const { html } = await listed({ action: 'revoke' })
    const at = minuteOf(200)
    expect(html).toContain(`<time class="when" datetime="${at}:00.000Z">`)
    expect(html).toMatch(/>\d+ min ago <span>/)
    expect(html).toContain(`<span>${at.replace('T', ' ')}:00 UTC</span></time>`)
  })
})
