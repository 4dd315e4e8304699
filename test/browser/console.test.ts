import type { Page } from 'playwright-core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DataScene, startDataScene } from '../console/data-scene.ts'
import { startConsoleScene } from '../console/scene.ts'
import { forAllTests, forEachTest } from '../support/started.ts'
import { expectReadable, seriousFaults, tabTo } from './accessibility.ts'
import { type OpenOptions, type OpenPage, startBrowser, wantsChromium } from './chromium.ts'
import { takePicture } from './pictures.ts'

// The console in a browser, as an admin uses it.

const DESK = { viewport: { width: 1280, height: 860 } }
/** Colours change at once, when the scheme does. */
const STILL = { ...DESK, reducedMotion: 'reduce' } as const

const SLOW_MS = 60_000

const inChromium = describe.runIf(wantsChromium())

inChromium('the console (needs Chromium)', { timeout: SLOW_MS }, () => {
  let open: OpenPage | undefined
  const browser = forAllTests(() => startBrowser())
  const scene = forEachTest(() => startConsoleScene())
  beforeEach(async () => {
    for (const name of ['alice', 'alice', 'bob', 'alice']) await scene.mint(name)
    for (const title of ['One', 'Two']) scene.running.upstream.seedThread({ user: 'alice', title })
  })
  afterEach(async () => {
    await open?.context.close()
  })

  async function signedIn(options: OpenOptions = {}, account = 'ada'): Promise<Page> {
    open = await browser.open({ ...DESK, ...options })
    await signInOn(open.page, scene.console, account)
    return open.page
  }

  const expectNoFault = () => expect(open?.faults()).toEqual([])

  /** For states that the pages of {@link lookAt} do not show: an open menu, a message, the end of a list. */
  async function expectAccessible(page: Page) {
    expectNoFault()
    expect(await seriousFaults(page)).toEqual([])
  }

  test('an admin signs in, finds alice, cancels, revokes, unblocks, erases, signs out', async () => {
    const page = await signedIn({ permissions: ['clipboard-read', 'clipboard-write'] })
    expect(await page.title()).toContain('Overview')
    // As one types, without Enter.
    await page.goto(`${scene.console}/users`)
    await page.getByLabel('begins with').pressSequentially('alic')
    await page.getByText('1 user whose name begins with alic.').waitFor()
    expect(page.url()).toContain('/users?q=alic')
    expectNoFault()
    await page.getByRole('link', { name: 'alice' }).click()
    await page.getByRole('heading', { name: 'User alice' }).waitFor()
    const menus = page.getByLabel(/^Actions for session/)
    expect(await menus.count()).toBe(3)
    const cancel = page.getByRole('link', { name: /^Cancel session/ })
    await menus.first().press('Enter')
    await cancel.waitFor()
    await expectAccessible(page)
    await page.keyboard.press('Escape')
    expect(await cancel.count()).toBe(0)
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    expect(await page.evaluate('navigator.clipboard.readText()')).toMatch(/^cksess_/)
    await cancel.click()
    await page.getByRole('button', { name: 'Cancel the session' }).click()
    await page.getByRole('status').getByText('is cancelled').waitFor()
    await page.getByRole('link', { name: 'alice' }).click()
    expect(await page.locator('td a[href$="/cancel"]').count()).toBe(2)

    // Each session changes on the page when the upstream confirms its end.
    scene.running.upstream.setFaults({ status: 500 })
    await page.getByLabel('Block for').selectOption('1 day')
    await page.getByLabel('Reason').fill('left the company')
    await page.getByRole('button', { name: 'Revoke…' }).click()
    await page.getByText('2 sessions end now').waitFor()
    expectNoFault()
    await page.getByRole('button', { name: 'Revoke and block' }).click()
    await page.getByRole('status').getByText('2 sessions not confirmed').waitFor()
    scene.running.upstream.setFaults({})
    await page.locator('#user-sessions:not([data-refresh])').waitFor()
    await expect(scene.mint('alice')).rejects.toThrow('user_blocked')
    await expectAccessible(page)

    await page.getByRole('button', { name: 'Unblock' }).click()
    await page.getByRole('status').getByText('Unblocked').waitFor()
    await scene.mint('alice')

    await page.getByRole('link', { name: 'Erase…' }).click()
    await page.getByLabel('To confirm, type the user').fill('alice')
    await page.getByRole('button', { name: 'Erase' }).click()
    await page.getByRole('heading', { name: 'Everything is erased' }).waitFor()
    expect(await page.locator('.facts').textContent()).toContain('Threads deleted2')
    await expectAccessible(page)
    await page.getByRole('link', { name: 'Back to the user' }).click()
    await page.getByText('No session is known').waitFor()

    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Signed out' }).waitFor()
    expectNoFault()
    const by = `${scene.signIn.issuer}|ada`
    // Earlier entries about alice stay in their chain, without her name.
    const proof = { actor: by, user: 'alice', outcome: 'ok' }
    expect(await scene.audit('erase')).toMatchObject([proof, proof])
    const erased = [{ actor: by, user: undefined, reason: undefined, outcome: 'ok' }]
    expect(await scene.audit('revoke')).toMatchObject(erased)
  })

  test('a result has the focus; a refresh waits while the keyboard is in what it would replace', async () => {
    const page = await signedIn()
    await page.clock.install()
    scene.running.upstream.setFaults({ status: 500 })
    await page.goto(`${scene.console}/user/revoke?user=alice&block_seconds=0`)
    await page.getByRole('button', { name: 'Revoke' }).press('Enter')
    await page.getByRole('status').getByText('3 sessions not confirmed').waitFor()
    expect(await page.evaluate('document.activeElement.className')).toBe('notice')
    await page
      .getByLabel(/^Actions for session/)
      .first()
      .press('Enter')
    scene.running.upstream.setFaults({})
    await expect.poll(cancelling).toEqual([])
    const refreshes: string[] = []
    page.on('request', (request) => {
      if (request.headers()['x-page-refresh'] !== undefined) refreshes.push(request.url())
    })
    await page.clock.runFor(30_000)
    // When this request is answered, the browser has reported all earlier ones.
    await page.evaluate('fetch(location.href).then((answer) => answer.text())')
    expect(refreshes).toEqual([])
    expect(await page.locator('details[open]').count()).toBe(1)
    await page.keyboard.press('Escape')
    await page.getByLabel('Reason').focus()
    const renewed = async () => {
      await page.clock.runFor(10_000)
      return page.locator('#user-sessions:not([data-refresh])').count()
    }
    await expect.poll(renewed).toBe(1)
    expectNoFault()
  })

  async function cancelling(): Promise<unknown> {
    const query = { limit: 10, order: 'desc', now: 0, status: 'cancelling' } as const
    return (await scene.registry.listSessions(query))?.data
  }

  test('somebody who is no admin is told so', async () => {
    const page = await signedIn({ expectedFailures: ['403 /admin/callback'] }, 'bob')
    await page.getByRole('heading', { name: 'You are not an admin here' }).waitFor()
    await takePicture(page, 'console-refused')
    await expectAccessible(page)
  })

  test('find, cancel, revoke, receipt and unblock work without JavaScript, by the keyboard alone', async () => {
    const page = await signedIn({ javaScriptEnabled: false })
    await page.goto(scene.console)
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('Skip to content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('content')

    await tabTo(page, 'find-user')
    await page.keyboard.type('alic')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'alice' }).press('Enter')
    await page.getByRole('heading', { name: 'User alice' }).waitFor()
    await page
      .getByLabel(/^Actions for session/)
      .first()
      .press('Enter')
    await page.getByRole('link', { name: /^Cancel session/ }).press('Enter')
    await page.getByText('There will be no block: alice can ask').waitFor()
    expect(await scene.audit('cancel')).toEqual([])
    await page.getByRole('button', { name: 'Cancel the session' }).press('Enter')
    await page.getByRole('status').getByText('is cancelled').waitFor()
    expect(await scene.audit('cancel')).toMatchObject([{ user: 'alice', outcome: 'ok' }])
    await page.getByRole('link', { name: 'alice' }).press('Enter')

    await tabTo(page, 'block')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Tab')
    await page.keyboard.type('by keyboard')
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('Revoke…')
    // The focused element shows its focus once the style sheet is there; the keys work before that.
    await expect
      .poll(() => page.evaluate('getComputedStyle(document.activeElement).outlineStyle'))
      .toBe('solid')
    await page.keyboard.press('Enter')
    await page.getByText('2 sessions end now').waitFor()
    expect(await scene.audit('revoke')).toEqual([])
    await page.getByRole('button', { name: 'Revoke and block' }).press('Enter')
    await page.getByRole('status').getByText('Revoked').waitFor()
    expect(await page.locator('#user-sessions').getByText('confirmed').count()).toBe(3)
    expect(await scene.audit('revoke')).toMatchObject([{ reason: 'by keyboard' }])

    const download = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Receipt' }).press('Enter')
    expect((await download).suggestedFilename()).toBe('user-receipt.jws')
    await page.getByRole('button', { name: 'Unblock' }).press('Enter')
    await page.getByRole('status').getByText('Unblocked').waitFor()

    await page.goto(`${scene.console}/figures`)
    expect(await page.locator('.charts').isVisible()).toBe(false)
    await page.getByRole('heading', { name: 'By five minutes' }).waitFor()
    expectNoFault()
  })

  test('an ended sign-in in mid-form leads back to the form', async () => {
    const page = await signedIn({ expectedFailures: ['401 /admin/user/revoke'] })
    await page.goto(`${scene.console}/user?user=alice`)
    await page.getByRole('button', { name: 'Revoke…' }).click()
    await open?.context.clearCookies({ name: 'chatkit-mint-console-session' })
    await page.getByRole('button', { name: 'Revoke and block' }).click()
    await page.getByRole('heading', { name: 'Your sign-in has ended' }).waitFor()
    await takePicture(page, 'console-ended')
    await page.getByRole('link', { name: 'Sign in again and go back' }).click()
    await page.getByRole('heading', { name: 'Revoke alice?' }).waitFor()
    expect(await scene.audit('revoke')).toEqual([])
    expectNoFault()
  })

  test('a sign-in that ends in a search leads by the provider to what was searched', async () => {
    const page = await signedIn()
    await open?.context.clearCookies({ name: 'chatkit-mint-console-session' })
    await page.getByLabel('Find a user').fill('alice')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'alice' }).waitFor()
    // Nor is anybody signed in at the provider any more.
    await open?.context.clearCookies()
    // As one types: without a word, as the form's own press of Enter does it.
    await page.getByLabel('begins with').fill('bob')
    await page.getByRole('button', { name: /^ada/ }).click()
    await page.getByRole('link', { name: 'bob' }).waitFor()
    expectNoFault()
  })

  test('a page that the browser kept for its Back button is not shown after a sign-out', async () => {
    const page = await signedIn()
    await page.goto(`${scene.console}/user?user=alice#content`)
    await page.getByRole('heading', { name: 'User alice' }).waitFor()
    await open?.context.clearCookies()
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    await page.getByRole('button', { name: /^ada/ }).click()
    await page.getByRole('heading', { name: 'User alice' }).waitFor()
    expect(page.url()).toBe(`${scene.console}/user?user=alice`)
    expectNoFault()
  })

  test('a button that may not copy says so, also to a screen reader', async () => {
    const page = await signedIn()
    await page.goto(`${scene.console}/user?user=alice`)
    await page.getByRole('button', { name: /^Copy http/ }).click()
    await page.getByRole('button', { name: 'Not copied: select the text' }).waitFor()
  })

  test('charts that get no more data say why', async () => {
    const path = '/admin/figures.json'
    const expectedFailures = [`ERR_INTERNET_DISCONNECTED ${path}`, `401 ${path}`]
    const page = await signedIn({ expectedFailures })
    await page.clock.install()
    await page.goto(`${scene.console}/figures`)
    const says = (text: string) =>
      expect
        .poll(async () => {
          await page.clock.runFor(10_000)
          return page.locator('#stale').textContent()
        })
        .toBe(text)
    await says('')
    await page.context().setOffline(true)
    await says('The service does not answer. The charts stand still until it does.')
    await page.context().setOffline(false)
    await says('')
    await open?.context.clearCookies()
    await says('Your sign-in has ended, so the charts stand still. Load this page again.')
    await expectAccessible(page)
  })

  test('a search without an answer shows no results of another search', async () => {
    const page = await signedIn({ expectedFailures: ['ERR_INTERNET_DISCONNECTED /admin/users'] })
    await page.goto(`${scene.console}/users`)
    await page.getByRole('link', { name: 'bob' }).waitFor()
    await page.context().setOffline(true)
    await page.getByLabel('begins with').fill('ali')
    await page.getByText('The service does not answer. Press “Find” to try again.').waitFor()
    expect(await page.getByRole('link', { name: 'bob' }).count()).toBe(0)
    await page.context().setOffline(false)
    await page.getByLabel('begins with').fill('alic')
    await page.getByRole('link', { name: 'alice' }).waitFor()
    expectNoFault()
  })

  test('every page passes axe, light and dark, wide and narrow, with texts without a blank', async () => {
    const title = 'Title'.repeat(60)
    const thread = scene.running.upstream.seedThread({ user: 'bob', title })
    const page = await signedIn({ ...STILL, expectedFailures: ['404 /admin/nothing'] })
    const id = (await scene.registry.listSessions({ limit: 1, order: 'desc', now: 0, user: 'bob' }))
      ?.data[0]?.id
    await page.goto(`${scene.console}/user?user=bob`)
    await page.getByLabel('Reason').fill(`https://tickets.example/${'ticket'.repeat(70)}`)
    await page.getByRole('button', { name: 'Revoke…' }).click()
    await lookAt(page, 'revoke')
    await page.getByRole('button', { name: 'Revoke and block' }).click()
    await page.getByRole('status').getByText('blocked until').waitFor()
    const paths = [
      '',
      '/users?q=b',
      '/sessions',
      '/threads',
      '/user?user=alice',
      '/user?user=bob',
      `/sessions/${id}`,
      `/threads/${thread.id}/delete`,
      '/blocks',
      '/audit?user=bob',
      '/nothing',
    ]
    for (const [at, path] of [...paths, '/figures', '/signed-out'].entries()) {
      await page.goto(scene.console + path)
      await lookAt(page, String(at))
    }
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    expect(await background()).toBe('rgb(246, 247, 248)')
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await background()).toBe('rgb(15, 20, 25)')
  })

  test('on paper, times are absolute, and what can only be pressed is left out', async () => {
    const page = await signedIn()
    await page.goto(`${scene.console}/user?user=alice`)
    const utc = page.locator('#user-sessions .when span').first()
    const wide = async () => ((await utc.boundingBox())?.width ?? 0) > 50
    expect(await wide()).toBe(false)
    await page.emulateMedia({ media: 'print' })
    expect(await wide()).toBe(true)
    // No row begins on one sheet and ends on the next.
    const breaks = "getComputedStyle(document.querySelector('tbody tr')).breakInside"
    expect(await page.evaluate(breaks)).toBe('avoid')
    expect(await page.locator('button:visible, .button:visible, summary:visible').count()).toBe(0)
    expect(await page.getByRole('heading', { level: 2 }).allInnerTexts()).toEqual([
      'Sessions',
      'Threads',
      'Audit',
    ])
    // A4 with margins of a centimetre, which is narrower than the screens that get cards.
    await page.setViewportSize({ width: 718, height: 1047 })
    for (const path of ['/user?user=alice', '/sessions', '/audit']) {
      await page.goto(scene.console + path)
      expect(await page.getByRole('columnheader', { name: 'Actions' }).count()).toBe(0)
      const display = "getComputedStyle(document.querySelector('.table tbody tr')).display"
      expect(await page.evaluate(display)).toBe('table-row')
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
    }
  })

  async function lookAt(page: Page, name: string) {
    expectNoFault()
    await expectReadable(page, `console-${name}`)
  }

  describe('threads and erase', () => {
    const data = forEachTest(() => startDataScene())

    test('a transcript is shown, and an erase with its progress', async () => {
      plantThread(data)
      open = await browser.open(STILL)
      const { page } = open
      await signInOn(page, data.console, 'ada')
      await page.goto(`${data.console}/user?user=alice`)
      await lookAt(page, 'user-data')
      await page.getByRole('link', { name: 'Where is my parcel?' }).click()
      await page.getByRole('heading', { name: 'Where is my parcel?' }).waitFor()
      await lookAt(page, 'thread')

      await plantFigures(data)
      await page.goto(`${data.console}/figures`)
      await page.getByRole('img', { name: /^Sessions minted, all instances: 4 in 1 min/ }).waitFor()
      expect(await page.getByRole('img').count()).toBe(4)
      await expectValues(page)
      await lookAt(page, 'figures')

      const released = Promise.withResolvers<void>()
      data.userData.lines = eraseLines(released.promise)
      await page.goto(`${data.console}/user/erase?user=alice`)
      await lookAt(page, 'erase-asked')
      await page.getByLabel('To confirm, type the user').fill('alice')
      await page.getByRole('button', { name: 'Erase' }).click({ noWaitAfter: true })
      await page.getByText('100 threads deleted').waitFor()
      expect(await page.getByText('Everything is erased').count()).toBe(0)
      released.resolve()
      await page.getByText('Everything is erased').waitFor()
      await lookAt(page, 'erase')
    })
  })
})

async function signInOn(page: Page, url: string, account: string) {
  await page.goto(url)
  await page.getByRole('button', { name: new RegExp(`^${account}`) }).click()
  await page.waitForURL(/\/admin/)
}

function focused(page: Page): Promise<unknown> {
  return page.evaluate('document.activeElement.textContent.trim()')
}

async function plantFigures({ addMinute }: DataScene) {
  for (let at = 0; at < 60; at++) {
    const wave = Math.sin(at / 6) + Math.sin(at / 3) / 2 + 1.5
    const isQuiet = at < 10
    const bounds = [0.1, 0.2, 0.5, 1]
    await addMinute(59 - at, {
      mints: at === 59 ? 4 : Math.round(wave * 9),
      refusals: at % 13 === 0 ? { user_blocked: 1, rate_limited: Math.round(wave) } : {},
      upstream: isQuiet ? [] : bounds.map((le) => ({ le, count: Math.round(wave / le) })),
      activeSessions: Math.round(100 + 60 * wave),
    })
  }
}

/** By the pointer, and by the arrow keys; a time without calls is a gap, and said to be one. */
async function expectValues(page: Page) {
  const [minted, calls] = [page.locator('[data-chart=mints]'), page.locator('[data-chart=latency]')]
  await minted.locator('svg').hover()
  await minted.getByText(/^\d\d:\d\d:\d\d UTC: \d+ in 1 min$/).waitFor()
  const range = calls.getByRole('slider')
  await range.focus()
  await page.keyboard.press('Home')
  await calls.getByText(/UTC: no figure$/).waitFor()
  await page.keyboard.press('End')
  await calls.getByText(/UTC: p50 \d+, p95 \(dashed\) \d+ ms$/).waitFor()
  expect(await range.getAttribute('aria-valuetext')).toMatch(/UTC: p50/)
  // Calls began at the tenth sample, so the line begins there; the time before has no line.
  const width: unknown = await calls
    .locator('svg .stroke')
    .first()
    .evaluate((path: { getBBox(): { width: number } }) => path.getBBox().width)
  const whole: unknown = await minted
    .locator('svg .stroke')
    .evaluate((path: { getBBox(): { width: number } }) => path.getBBox().width)
  expect(Number(width) / Number(whole)).toBeCloseTo(49 / 59, 1)
}

function plantThread({ userData }: DataScene) {
  const envelope = { object: 'chatkit.thread_item', created_at: 1_700_000_000, thread_id: 'cthr_1' }
  const said = (text: string) => [{ type: 'output_text', text, annotations: [] }]
  userData.threadsOf.set('cthr_1', {
    thread: {
      id: 'cthr_1',
      object: 'chatkit.thread',
      created_at: 1_700_000_000,
      status: { type: 'active' },
      title: 'Where is my parcel?',
      user: 'alice',
    },
    items: [
      {
        ...envelope,
        id: 'cthi_1',
        type: 'chatkit.user_message',
        content: [
          { type: 'input_text', text: 'Where is my parcel? It should have come on Monday.' },
        ],
        attachments: [
          {
            id: 'a',
            type: 'file',
            mime_type: 'application/pdf',
            name: 'order.pdf',
            preview_url: null,
          },
        ],
        inference_options: null,
      },
      {
        ...envelope,
        ...{ id: 'cthi_2', type: 'chatkit.task', task_type: 'custom' },
        ...{ heading: 'Looked up the order', summary: 'with the carrier' },
      },
      {
        ...envelope,
        ...{ id: 'cthi_3', type: 'chatkit.assistant_message' },
        content: said('It is in the depot at Leeds.\n\nIt will be with you tomorrow before noon.'),
      },
      {
        ...envelope,
        ...{ id: 'cthi_4', type: 'chatkit.client_tool_call', status: 'completed', call_id: 'c' },
        ...{ name: 'show_map', arguments: '{"place":"Leeds"}', output: '{"shown":true}' },
      },
    ],
  })
}

const NOTHING = {
  sessions_cancelled: 0,
  threads_deleted: 0,
  threads_failed: 0,
  attachments_deleted: 0,
  records_erased: 0,
}

function eraseLines(released: Promise<void>): DataScene['userData']['lines'] {
  return [
    { type: 'progress', ...NOTHING },
    { type: 'progress', ...NOTHING, sessions_cancelled: 2, threads_deleted: 100 },
    released,
    {
      type: 'summary',
      complete: true,
      sessions: { cancelled: 2, cancelling: [] },
      threads_deleted: 137,
      attachments_deleted: 3,
      records_erased: 12,
      failed: 0,
      failures: [],
      blocked_until: null,
    },
  ]
}
