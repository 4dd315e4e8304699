import { beforeAll, expect, test } from 'vitest'
import { entry, session } from '../../contracts/registry-fixtures.ts'
import { forAllTests } from '../../support/started.ts'
import { createAdminBrowser, type Seen } from '../admin-browser.ts'
import { type DataScene, startDataScene } from '../data-scene.ts'
import { signInWith } from '../scene.ts'

const scene = forAllTests(() => startDataScene())
const browser = createAdminBrowser()
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
  scene.samples.push(sample(3600, 100, { user_blocked: 7 }))
  scene.samples.push(sample(60, 4, { rate_limited: 2, user_blocked: 1 }), sample(10, 1, {}))
  scene.lanes.push({ key: 'OPENAI_API_KEY', breaker: 'mint', open: true })
  scene.lanes.push({ key: 'OPENAI_API_KEY', breaker: 'cancel', open: false })
})

function sample(
  ago: number,
  mints: number,
  refusals: Record<string, number>,
): DataScene['samples'][number] {
  const calls = { upstreamCalls: 0, upstreamP50: null, upstreamP95: null }
  return { at: now() - ago, mints, refusals, ...calls, activeSessions: 2 }
}

function tileOf({ html }: Seen, name: string) {
  const found = new RegExp(`<a href="([^"]*)"><span>${name}</span>\\s*<strong>([^<]*)<`).exec(html)
  return { href: found?.[1], figure: found?.[2] }
}

test('the first page says what goes on now, and each figure links to its list', async () => {
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

test('mints and refusals are those of the last minutes of this instance, by code', async () => {
  const page = await browser.go(scene.console)
  expect(tileOf(page, 'Minted').figure).toBe('5')
  expect(tileOf(page, 'Refused').figure).toBe('3')
  expect(page.text).toContain('15 min, this instance')
  expect(page.text).toMatch(/rate_limited\s+2\s+user_blocked\s+1/)
})

test('an upstream that fails is said to refuse calls, by key and lane', async () => {
  const { text } = await browser.go(scene.console)
  expect(text).toMatch(/OPENAI_API_KEY\s+mint\s+refuses calls/)
  expect(text).toMatch(/OPENAI_API_KEY\s+cancel\s+takes calls/)
})

test('other instances are known by what they wrote to the audit lately', async () => {
  const about = {
    actor: 'ada',
    action: 'mint',
    user: 'bob',
    outcome: 'ok',
    reason: undefined,
  } as const
  const chain = { seq: 1, prev: undefined, salt: 'aa', byUser: false, erased: undefined }
  const written = (id: string, instance: string, at: number) => ({
    ...{ id, at, ...about, requestId: 'req_other' },
    chain: { ...chain, instance },
  })
  await scene.registry.appendAudit([
    written('aud_other', 'ins_other', now() - 30),
    written('aud_long_ago', 'ins_gone', now() - 3600),
  ])
  const { text } = await browser.go(scene.console)
  expect(text).toMatch(/ins_\S+\s+this one/)
  expect(text).toMatch(/ins_other\s+seen/)
  expect(text).not.toContain('ins_gone')
})

test('the figures of an hour and of a day are tables too, and a gap is no zero', async () => {
  const started = { ...sample(700, 3, {}), activeSessions: null }
  scene.daily.push(...Array.from({ length: 13 }, () => ({ ...started, upstreamP95: 40 })))
  const hour = await browser.go(`${scene.console}/figures`)
  expect(hour.text).toContain('By five minutes')
  expect(hour.html).toContain('href="/admin/figures?range=hour" aria-current="page"')
  const day = await browser.go(`${scene.console}/figures?range=day`)
  expect(day.text).toMatch(/By the hour.* 36 0 40 ms –.* 3 0 40 ms –/)
  expect(day.html).toContain('data-source="/admin/figures.json?range=day"')
})
