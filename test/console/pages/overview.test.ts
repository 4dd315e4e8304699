import { beforeAll, expect, test } from 'vitest'
import { entry, session } from '../../contracts/registry-fixtures.ts'
import { createBrowser, type Seen } from '../../support/sign-in/browser.ts'
import { forAllTests } from '../../support/started.ts'
import { startDataScene } from '../data-scene.ts'
import { signInWith } from '../scene.ts'

const scene = forAllTests(() => startDataScene())
const browser = createBrowser()
const now = () => Math.floor(Date.now() / 1000)

beforeAll(async () => {
  await signInWith(browser, scene.console, 'ada')
  for (const [id, user] of [
    ['cksess_1', 'alice'],
    ['cksess_2', 'bob'],
    ['cksess_3', 'carol'],
  ] as const) {
    const times = { createdAt: now(), expiresAt: now() + 600 }
    await scene.registry.record(entry(session({ id, user, subject: user, ...times })))
  }
  const block = { until: now() + 600, reason: undefined, by: 'ada' }
  const command = { endReason: 'revoked', by: 'ada', now: now() } as const
  await scene.registry.revoke({
    ...command,
    user: session({ id: 'cksess_3', user: 'carol' }).user,
    block,
  })
  await scene.addMinute(60, { mints: 100, refusals: { user_blocked: 7 } })
  await scene.addMinute(1, { mints: 3, refusals: { user_blocked: 1 } })
  await scene.addMinute(1, { instance: 'ins_third', mints: 1, refusals: { rate_limited: 1 } })
  Object.assign(scene.counted, { mints: 1, refusals: { rate_limited: 1 } })
  scene.lanes.push({ key: 'OPENAI_API_KEY', breaker: 'mint', open: true })
  scene.lanes.push({ key: 'OPENAI_API_KEY', breaker: 'cancel', open: false })
})

function tileOf({ html }: Seen, name: string) {
  const found = new RegExp(`<a href="([^"]*)"><span>${name}</span>\\s*<strong>([^<]*)<`).exec(html)
  return { href: found?.[1], figure: found?.[2] }
}

test('the first page shows the present figures, and each links to its list', async () => {
  const page = await browser.go(scene.console)
  expect([page.status, page.text]).toEqual([200, expect.stringContaining('Overview')])
  expect(tileOf(page, 'Live sessions')).toEqual({ href: '/admin/sessions', figure: '2' })
  expect(tileOf(page, 'Blocked users')).toEqual({ href: '/admin/blocks', figure: '1' })
  const waiting = { href: '/admin/sessions?status=cancelling', figure: '1' }
  expect(tileOf(page, 'Waiting cancels')).toEqual(waiting)
  for (const name of ['Live sessions', 'Minted', 'Refused', 'Blocked users', 'Waiting cancels']) {
    const { href = '' } = tileOf(page, name)
    const list = new URL(href.replaceAll('&amp;', '&'), scene.console).href
    expect([name, (await browser.go(list)).status]).toEqual([name, 200])
  }
})

test('tiles of refusals and of waiting cancels stand out, and those of mints lead to the audit of these minutes', async () => {
  const page = await browser.go(scene.console)
  const tones = page.html.matchAll(/<li class="(\w*)"><a href="[^"]*"><span>([^<]*)</g)
  expect(Array.from(tones, ([, tone, name]) => [name, tone])).toEqual([
    ['Live sessions', ''],
    ['Minted', ''],
    ['Refused', 'warn'],
    ['Blocked users', ''],
    ['Waiting cancels', 'warn'],
  ])
  const { searchParams } = new URL(
    (tileOf(page, 'Minted').href ?? '').replaceAll('&amp;', '&'),
    scene.console,
  )
  const ago = now() - Date.parse(`${searchParams.get('since')}Z`) / 1000
  expect(ago).toBeGreaterThanOrEqual(15 * 60)
  expect(ago).toBeLessThan(17 * 60)
})

test('mints and refusals are those of the last minutes of all instances, by code', async () => {
  const page = await browser.go(scene.console)
  expect(tileOf(page, 'Minted').figure).toBe('5')
  expect(tileOf(page, 'Refused').figure).toBe('3')
  expect(page.text).toContain('15 min, 3 instances')
  expect(page.text).toMatch(/rate_limited\s+2\s+user_blocked\s+1/)
})

test('an upstream that fails is said to refuse calls, by key and lane', async () => {
  const { text } = await browser.go(scene.console)
  expect(text).toMatch(/OPENAI_API_KEY\s+mint\s+refuses calls/)
  expect(text).toMatch(/OPENAI_API_KEY\s+cancel\s+takes calls/)
})

test('other instances are known by the figures that they wrote lately', async () => {
  await scene.addMinute(20, { instance: 'ins_gone' })
  const { text } = await browser.go(scene.console)
  expect(text).toMatch(/ins_\S+\s+this one/)
  expect(text).toMatch(/ins_other\s+seen.*ins_third\s+seen/)
  expect(text).not.toContain('ins_gone')
})

test('the figures of an hour and of a day are tables too, and a gap is not shown as zero', async () => {
  // One minute has two instances; a minute of the same five has one.
  await scene.addMinute(41, { instance: 'ins_third', mints: 50 })
  for (const minutes of [40, 41, 42]) await scene.addMinute(minutes, {})
  const hour = await browser.go(`${scene.console}/figures`)
  expect(hour.text).toMatch(/:\d\d 50 0 – – 2/)
  expect(hour.text).toContain('By five minutes')
  expect(hour.text).toMatch(/:\d\d 4 2 – – 2/)
  expect(hour.html).toContain('href="/admin/figures?range=hour" aria-current="page"')
  const upstream = [0.5, 1, 2].map((le) => ({ le, count: 10 }))
  for (const instance of ['ins_other', 'ins_third']) {
    await scene.addMinute(300, { instance, mints: 18, upstream })
  }
  const day = await browser.go(`${scene.console}/figures?range=day`)
  expect(day.text).toMatch(/By the hour.* 36 0 1850 ms – 2/)
  expect(day.html).toContain('data-source="/admin/figures.json?range=day"')
})

test('more blocks than are counted are said to be more', async () => {
  const block = { until: now() + 600, reason: undefined, by: 'ada' }
  for (let at = 0; at < 100; at++) {
    const { user } = session({ id: `cksess_blocked_${at}`, user: `blocked-${at}` })
    await scene.registry.revoke({ user, endReason: 'revoked', by: 'ada', now: now(), block })
  }
  expect(tileOf(await browser.go(scene.console), 'Blocked users').figure).toBe('100+')
})

test('each cell of a table is under a column with a name', async () => {
  const thread = { id: 'cthr_1', title: null, created_at: now(), user: 'carol' }
  const whole = { ...thread, object: 'chatkit.thread', status: { type: 'active' } } as const
  scene.userData.threadsOf.set('cthr_1', { thread: whole, items: [] })
  const lists = ['/sessions', '/threads', '/users?q=', '/blocks', '/audit']
  const seen: string[] = []
  for (const path of ['', ...lists, '/figures', '/user?user=carol']) {
    const { html } = await browser.go(scene.console + path)
    for (const [table] of html.matchAll(/<table .*?<\/table>/gs)) {
      const names = Array.from(table.matchAll(/<th scope="col"[^>]*>([^<]*)</g), ([, name]) => name)
      const cells = table.match(/<tr role="row"><th scope="row".*?<\/tr>/s)?.[0].match(/<t[hd] /g)
      expect([path, names.length, names.includes('')]).toEqual([path, cells?.length, false])
      seen.push(path)
    }
  }
  expect(new Set(seen)).toEqual(new Set(['', ...lists, '/figures', '/user?user=carol']))
})
