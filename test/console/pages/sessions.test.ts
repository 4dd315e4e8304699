import { beforeAll, expect, test } from 'vitest'
import { entry, session } from '../../contracts/registry-fixtures.ts'
import { createBrowser, unescaped } from '../../support/sign-in/browser.ts'
import { forAllTests } from '../../support/started.ts'
import { startDataScene } from '../data-scene.ts'
import { signInWith } from '../scene.ts'

const ISSUER = 'https://login.acme.example/tenant'
const SUBJECT = `auth0|${'0123456789'.repeat(6)}`
const LONG_ID = `cksess_${'abcdef0123'.repeat(5)}_end`

const scene = forAllTests(() => startDataScene())
const browser = createBrowser()
const at = Math.floor(Date.now() / 1000)
const times = { createdAt: at - 120, expiresAt: at + 600 }

beforeAll(async () => {
  await signInWith(browser, scene.console, 'ada')
  for (let number = 0; number < 60; number++) {
    const [id, user] = [`cksess_${number}`, `user-${number}`]
    await scene.registry.record(entry(session({ id, user, subject: user, ...times })))
  }
  const alice = { user: 'alice', subject: SUBJECT, issuer: ISSUER }
  await scene.registry.record(entry(session({ id: LONG_ID, ...alice, ...times })))
})

test('the list shows user, subject and issuer apart, without the middle of long ids', async () => {
  const page = await browser.go(`${scene.console}/sessions?user=alice`)
  const html = unescaped(page.html)
  expect(html).toMatch(
    />alice<\/a>.*title="auth0\|0123.*>auth0\|0123456789012345…\d+<.*>login\.acme\.example</s,
  )
  expect(html).toContain(`title="${LONG_ID}"><code>cksess_abcdef0…3_end</code>`)
  expect(html).toContain(`title="${ISSUER}"`)
  expect(page.text).toContain(' 2 min ago 20')
})

test('a list of one page has no links to others', async () => {
  const { html } = await browser.go(`${scene.console}/sessions?user=alice`)
  expect(html).not.toContain('aria-label="Pages"')
  expect((await browser.go(`${scene.console}/sessions`)).html).toContain('aria-label="Pages"')
})

test('the page of a session has all that is known of it', async () => {
  const { text } = await browser.go(`${scene.console}/sessions/${LONG_ID}`)
  expect(text).toMatch(
    /User alice Status active Workflow support Began \S+ \S+ 2 min ago Ends \S+ \S+ in \d+ min Subject auth0.* Issuer https.* Session cksess_/,
  )
})

test('the menu of a row copies each id as a whole, and leads to the page that asks before a cancel', async () => {
  const { html } = await browser.go(`${scene.console}/sessions?user=alice`)
  const copied = Array.from(html.matchAll(/data-copy="([^"]*)"/g), ([, text = '']) =>
    unescaped(text),
  )
  expect(copied).toEqual([LONG_ID, 'alice', SUBJECT, ISSUER])
  expect(html).toContain(`<summary aria-label="Actions for session ${LONG_ID}">`)
  expect(html).toContain(`href="/admin/sessions/${LONG_ID}/cancel"`)
  expect(html).not.toMatch(/<form method="post" action="[^"]*cancel/)
})

test.each([
  ['alone', '?user=alice', undefined, '1 in all.'],
  ['with more behind them', '', undefined, '50 on this page, and more.'],
  ['of a known total', '', 1234, '50 on this page, of about 1,234.'],
  ['of an unknown total, with a filter', '?workflow=support', 1234, '50 on this page, and more.'],
  ['of a total that is behind', '', 7, '50 on this page, and more.'],
])('the list says how many sessions there are: %s', async (_name, query, activeSessions, says) => {
  scene.counted.activeSessions = activeSessions
  expect((await browser.go(`${scene.console}/sessions${query}`)).text).toContain(says)
})

test('the link "Refresh" keeps filters and position', async () => {
  const { html } = await browser.go(`${scene.console}/sessions?workflow=support&after=cksess_30`)
  const href = /href="([^"]*)">Refresh</.exec(html)?.[1] ?? ''
  const { searchParams } = new URL(unescaped(href), scene.console)
  expect(Object.fromEntries(searchParams)).toEqual({
    ...{ workflow: 'support', status: 'active', after: 'cksess_30' },
  })
})
