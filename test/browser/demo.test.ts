import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Spawned, spawnNode } from '../support/service-process.ts'
import { forAllTests } from '../support/started.ts'
import { expectReadable, tabTo } from './accessibility.ts'
import { type OpenOptions, type OpenPage, startBrowser, wantsChromium } from './chromium.ts'

// `npm run demo`, and a person at its page.

/** Client secrets, tokens and the key. */
const SECRETS = /ek_\w|eyJ|sk-demo/

/** Lines of the browser's console after a revoke. */
const REFUSALS = ['403 /v1/sessions', '401 /chatkit/helpdesk']

describe.runIf(wantsChromium())('the demo page (needs Chromium)', () => {
  const browser = forAllTests(() => startBrowser())
  let demo: Spawned
  let url: string
  const opened: OpenPage[] = []

  beforeAll(async () => {
    demo = spawnNode(['src/commands/demo/demo.ts'], { PORT: '0' })
    url = await demo.until(() => /(http:\S+\/demo) in a browser/.exec(demo.stdout())?.[1])
    await demo.until(() => (demo.stdout().includes('/readyz') ? true : undefined))
  })
  afterAll(async () => {
    demo.child.kill('SIGKILL')
    await demo.exited
  })
  afterEach(async () => {
    for (const { page, context, faults } of opened.splice(0)) {
      await unblock(page)
      expect(faults()).toEqual([])
      await context.close()
    }
  })

  async function open(options: OpenOptions = {}): Promise<Page> {
    const one = await browser.open({ expectedFailures: REFUSALS, ...options })
    opened.push(one)
    await one.page.goto(url)
    return one.page
  }

  async function signedIn(user: string, options: OpenOptions = {}): Promise<Page> {
    const page = await open(options)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.locator(`button[value=${user}]`).click()
    await page.locator('#mint:enabled').waitFor()
    return page
  }

  /** A test ends with nobody blocked. */
  async function unblock(page: Page): Promise<void> {
    const button = page.getByRole('button', { name: 'Lift the block' })
    if (!(await button.isEnabled())) return
    await button.click()
    await page.getByText('The block is lifted').waitFor()
  }

  const outcome = (page: Page) => page.locator('#outcome')
  const steps = (page: Page) => page.locator('#steps > li').allInnerTexts()

  async function press(page: Page, name: 'Mint' | 'Refresh', result: string): Promise<string[]> {
    await page.getByRole('button', { name, exact: true }).click()
    await outcome(page).getByText(result).waitFor()
    return steps(page)
  }

  test('mints for alice, step by step, and nothing secret is on the page or in storage', async () => {
    const page = await signedIn('alice')
    expect(page.url()).toBe(url)
    const [claims, rule, sent, answer, ...more] = await press(page, 'Mint', 'Minted: …')
    expect(more).toEqual([])
    expect(claims).toMatch(/sub: alice[\s\S]*groups: \["support"\]/)
    expect(rule).toMatch(/workflow: support\s+when: "support" in claims.groups/)
    expect(sent).toMatch(/nothing goes to OpenAI[\s\S]*server: http:\/\/127\.0\.0\.1:\d+\/chatkit/)
    expect(answer).toMatch(/200[\s\S]*"client_secret": "….{4}"[\s\S]*aud: chatkit:support/)
    await press(page, 'Refresh', 'Refreshed; the session before has ended')
    expect(await page.content()).not.toMatch(SECRETS)
    expect(await page.evaluate('[{ ...localStorage }, { ...sessionStorage }]')).toEqual([{}, {}])
  })

  test('offers the hosted workflow last, with the day it ends, and shows what goes to its API', async () => {
    const page = await signedIn('alice')
    const workflows = page.getByLabel('Workflow', { exact: true })
    expect(await workflows.locator('option').allInnerTexts()).toEqual([
      'The user’s default',
      'support',
      'helpdesk',
      'general (hosted, until 2026-11-30)',
    ])
    await workflows.selectOption('general')
    const [, rule, sent, answer] = await press(page, 'Mint', 'Minted: ek_…')
    expect(rule).toMatch(/workflow: general\s+when: true, for everybody/)
    expect(sent).toMatch(/POST \/v1\/chatkit\/sessions\s+Authorization: Bearer sk-….{4}\n/)
    expect(sent).toMatch(/"user": "alice"[\s\S]*"wf_demo_general"[\s\S]*"plan": "pro"/)
    expect(answer).toMatch(/200[\s\S]*"client_secret": "ek_….{4}"/)
    await press(page, 'Refresh', 'Refreshed; the session before has ended')
    expect(await page.content()).not.toMatch(SECRETS)
    expect(await page.evaluate('[{ ...localStorage }, { ...sessionStorage }]')).toEqual([{}, {}])
  })

  test('is revoked, shows it, and mints again when the block is lifted', async () => {
    const page = await signedIn('alice')
    await press(page, 'Mint', 'Minted')
    await page.getByRole('button', { name: 'Revoke' }).click()
    await page.getByText('alice is blocked for an hour').waitFor()
    const [claims, rule, sent, answer] = await press(page, 'Refresh', 'Refused: user_blocked')
    expect(claims).toContain('sub: alice')
    expect(rule).toContain('workflow: support')
    expect(sent).toContain('nothing was sent')
    expect(answer).toMatch(/403[\s\S]*code: user_blocked/)
    await unblock(page)
    await press(page, 'Mint', 'Minted')
  })

  test('is revoked by ada in the console, in the next window', async () => {
    const page = await signedIn('alice')
    await press(page, 'Mint', 'Minted')
    const opening = page.context().waitForEvent('page')
    await page.getByRole('link', { name: 'Admin console' }).click()
    const admin = await opening
    // This browser is signed in as alice, who would be refused: the provider asks for an account.
    await admin.locator('button[value=ada]').click()
    await admin.getByLabel('Find a user').fill('alice')
    await admin.getByLabel('Find a user').press('Enter')
    await admin.getByRole('link', { name: 'alice' }).click()
    await admin.getByRole('button', { name: 'Revoke…' }).click()
    await admin.getByRole('button', { name: 'Revoke and block' }).click()
    await admin.getByRole('status').getByText('Revoked').waitFor()
    await press(page, 'Refresh', 'Refused: user_blocked')
    await admin.getByRole('button', { name: 'Unblock' }).click()
    await admin.getByRole('status').getByText('Unblocked').waitFor()
    // The helper has stopped, and says how it can go on.
    await press(page, 'Refresh', 'as “Lift the block” and a new sign-in do')
    await unblock(page)
    await press(page, 'Mint', 'Minted')
  })

  test('shows bob his own default, what is not his, and another by name', async () => {
    const page = await signedIn('bob')
    const [, rule] = await press(page, 'Mint', 'Minted')
    expect(rule).toMatch(/not support[\s\S]*workflow: helpdesk/)
    await page.getByLabel('Workflow', { exact: true }).selectOption('support')
    const refused = await press(page, 'Mint', 'Refused: workflow_not_allowed')
    expect(refused[1]).toContain('“support” is not for this user')
    await page.getByLabel('Workflow', { exact: true }).selectOption('helpdesk')
    const [, , sent, answer] = await press(page, 'Mint', 'Minted')
    expect(sent).toContain('nothing goes to OpenAI')
    expect(answer).toMatch(/aud: chatkit:helpdesk[\s\S]*sub: bob/)
  })

  test('signs out: the sessions end, and the page forgets', async () => {
    const page = await signedIn('alice')
    await press(page, 'Mint', 'Minted')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await outcome(page).getByText('all sessions have ended').waitFor()
    expect(await steps(page)).toEqual([])
    expect(await page.getByRole('button', { name: 'Mint' }).isEnabled()).toBe(false)
  })

  test('signs out while an answer runs: nothing can be sent afterwards', async () => {
    const page = await signedIn('alice')
    await page.getByLabel('Your message').fill('count to 100000')
    await page.keyboard.press('Enter')
    await page.locator('.message.theirs', { hasText: '1 2 3 4 5' }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.locator('#messages[aria-busy=false]:empty').waitFor({ state: 'attached' })
    expect(await page.locator('#send').isEnabled()).toBe(false)
  })

  test('chats: the answer streams, and stops when the access is revoked', async () => {
    const page = await signedIn('alice')
    const write = async (text: string) => {
      await page.getByLabel('Your message').fill(text)
      await page.getByRole('button', { name: 'Send' }).click()
    }
    await write('Where is my parcel?')
    await page.getByText('You said: Where is my parcel?').waitFor()
    await page.locator('#send:enabled').waitFor()
    await write('count to 100000')
    await page.locator('.message.theirs', { hasText: '1 2 3 4 5' }).waitFor()
    expect(await page.locator('#send').isEnabled()).toBe(false)
    await page.getByRole('button', { name: 'Revoke' }).click()
    await page.locator('.message.bad').waitFor()
    await write('Still there?')
    await page.locator('.message.bad', { hasText: 'user_blocked' }).waitFor()
  })

  test('a sign-in that did not begin here is refused', async () => {
    const page = await open()
    await page.goto(`${url}?code=stolen&state=forged`)
    await page.getByRole('alert').getByText('did not begin in this window').waitFor()
    expect(page.url()).toBe(url)
    expect(await page.getByRole('button', { name: 'Mint' }).isEnabled()).toBe(false)
  })

  test('says so when ChatKit cannot be loaded, and asks no other host before', async () => {
    const page = await signedIn('alice', {
      expectedFailures: ['ERR_NAME_NOT_RESOLVED /deployments/chatkit/chatkit.js'],
    })
    const [{ faults }] = opened as [OpenPage]
    expect(faults()).toEqual([])
    await page.getByRole('button', { name: 'Load ChatKit' }).click()
    await page.getByText('ChatKit cannot be loaded').waitFor()
    expect(faults()).toEqual(['request: https://cdn.platform.openai.com'])
    await page.context().close()
    opened.pop()
  })

  test('with ChatKit there, gives it the gateway and a fetch that works, until the sign-out', async () => {
    const page = await signedIn('alice', { expectedFailures: [] })
    await page.route('https://cdn.platform.openai.com/**', (route) =>
      route.fulfill({ contentType: 'text/javascript', body: CHATKIT_STAND_IN }),
    )
    await page.getByRole('button', { name: 'Load ChatKit' }).click()
    await page.getByText('ChatKit is loaded').waitFor()
    await page.locator('openai-chatkit', { hasText: '{"data":' }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await outcome(page).getByText('all sessions have ended').waitFor()
    expect(await page.locator('openai-chatkit').count()).toBe(0)
    const [{ faults }] = opened as [OpenPage]
    expect(faults()).toEqual(['request: https://cdn.platform.openai.com'])
    await page.context().close()
    opened.pop()
  })

  test('says that the demo may have ended when nothing answers', async () => {
    const paths = ['/demo/as-ada/revoke', '/v1/sessions']
    const expectedFailures = paths.map((path) => `ERR_INTERNET_DISCONNECTED ${path}`)
    const page = await signedIn('alice', { expectedFailures })
    await press(page, 'Mint', 'Minted')
    await page.context().setOffline(true)
    const ended = 'The demo does not answer. If it has ended, start it again'
    await page.getByRole('button', { name: 'Revoke' }).click()
    await page.getByRole('alert').getByText(ended).waitFor()
    await page.getByLabel('Your message').fill('hello')
    await page.keyboard.press('Enter')
    await page.locator('.message.bad').getByText(ended).waitFor()
    await press(page, 'Refresh', `Refused: network_error. ${ended}`)
    await page.context().setOffline(false)
  })

  test('works by keyboard alone', async () => {
    const page = await open()
    await tabTo(page, 'sign-in')
    await page.keyboard.press('Enter')
    await page.locator('button[value=alice]').focus()
    await page.keyboard.press('Enter')
    await page.locator('#mint:enabled').waitFor()
    await tabTo(page, 'mint')
    await page.keyboard.press('Space')
    await outcome(page).getByText('Minted').waitFor()
    await tabTo(page, 'revoke')
    await page.keyboard.press('Enter')
    await page.getByText('alice is blocked').waitFor()
    await tabTo(page, 'text')
    await page.keyboard.type('hello')
    await page.keyboard.press('Enter')
    await page.locator('.message.bad').waitFor()
  })

  test('can be read by everybody, light and dark, wide and narrow', async () => {
    const page = await open({ reducedMotion: 'reduce' })
    const look = (when: string) => expectReadable(page, `demo-${when}`)
    await look('signed-out')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.locator('button[value=alice]').click()
    await page.locator('#mint:enabled').waitFor()
    await press(page, 'Mint', 'Minted')
    await page.getByLabel('Your message').fill('Where is my parcel?')
    await page.keyboard.press('Enter')
    await page.getByText('You said: Where is my parcel?').waitFor()
    await look('minted')
    await page.getByRole('button', { name: 'Revoke' }).click()
    await page.getByText('alice is blocked').waitFor()
    await press(page, 'Refresh', 'Refused')
    await look('revoked')
  })
})

/** Like ChatKit's first step: asks for the threads with the given fetch. */
const CHATKIT_STAND_IN = `
customElements.define('openai-chatkit', class extends HTMLElement {
  async setOptions({ api }) {
    const body = JSON.stringify({ type: 'threads.list', params: {} })
    const headers = { 'Content-Type': 'application/json' }
    this.textContent = await (await api.fetch(api.url, { method: 'POST', headers, body })).text()
  }
})`
