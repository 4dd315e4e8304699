import { beforeEach, describe, expect, test } from 'vitest'
import type { EraseLine, EraseSummary } from '../../../src/administer/erase.ts'
import { ServiceError } from '../../../src/lib/errors.ts'
import { type Browser, createBrowser, csrfOf, sendForm } from '../../support/sign-in/browser.ts'
import { forEachTest } from '../../support/started.ts'
import { startDataScene } from '../data-scene.ts'
import { signInWith } from '../scene.ts'

const USER = 'https://idp.example/|<b>alice</b>'

let browser: Browser
const scene = forEachTest(() => startDataScene())
beforeEach(async () => {
  browser = createBrowser()
  await signInWith(browser, scene.console, 'ada')
  for (let at = 0; at < 15; at++) addThread(`cthr_${at}`)
})

const userPage = () => `${scene.console}/user?${new URLSearchParams({ user: USER })}`

function addThread(id: string, user = USER, items: object[] = []) {
  const thread = {
    id,
    object: 'chatkit.thread' as const,
    created_at: 1_700_000_000,
    status: { type: 'active' as const },
    title: `<i>${id}</i>`,
    user,
  }
  scene.userData.threadsOf.set(id, { thread, items: items as { id: string }[] })
}

function item(id: string, rest: object) {
  return {
    id,
    object: 'chatkit.thread_item',
    created_at: 1_700_000_000,
    thread_id: 'cthr_t',
    ...rest,
  }
}

describe('threads', () => {
  test('are on the page of their user, which links to all of them', async () => {
    const page = await browser.go(userPage())
    expect(page.html.match(/\/admin\/threads\/cthr_/g)).toHaveLength(10)
    expect(page.html).toContain('&lt;i&gt;cthr_0&lt;/i&gt;')
    expect(page.html).not.toContain('<i>')
    const query = new URLSearchParams({ user: USER })
    const all = await browser.go(`${scene.console}/threads?${query}`)
    expect(all.html.match(/\/admin\/threads\/cthr_/g)).toHaveLength(15)
    const rest = await browser.go(`${scene.console}/threads?${query}&after=cthr_3`)
    expect(rest.html).toContain('>First</a>')
  })

  test('with a time that is no date show the number', async () => {
    addThread('cthr_late')
    const { thread } = scene.userData.threadsOf.get('cthr_late') ?? {}
    Object.assign(thread ?? {}, { created_at: 9e15 })
    for (const path of ['/threads', '/threads/cthr_late']) {
      const page = await browser.go(scene.console + path)
      expect([page.status, page.text]).toEqual([200, expect.stringContaining(' 9000000000000000 ')])
    }
  })

  test('are missing from the user’s page while the ChatKit API is down, and nothing else is', async () => {
    scene.userData.failure = new ServiceError('upstream_unavailable', { reason: 'planted' })
    const page = await browser.go(userPage())
    expect(page.status).toBe(200)
    expect(page.text).toContain('Threads cannot be shown now: OpenAI cannot be reached')
    expect(page.text).toMatch(/Request *req_\w+ *· upstream_unavailable/)
    expect(page.text).toContain('Revoke access')
    const thread = await browser.go(`${scene.console}/threads/cthr_0`)
    expect([thread.status, thread.headers.get('retry-after')]).toEqual([503, '2'])
  })

  test('of all workflows, while one of them is down, leave the form that chooses another', async () => {
    scene.userData.failure = new ServiceError('upstream_unavailable', { reason: 'planted' })
    const page = await browser.go(`${scene.console}/threads`)
    expect([page.status, page.headers.get('retry-after')]).toEqual([503, '2'])
    expect(page.text).toContain('Threads cannot be shown now: OpenAI cannot be reached')
    expect(page.text).toContain('The threads of one workflow may still be there: choose it above.')
    scene.userData.failure = undefined
    const other = await browser.submit('/threads', { workflow: 'general' })
    expect(other.status).toBe(200)
  })

  test('of a self-hosted server that is down are not said to be OpenAI’s', async () => {
    const down = { reason: 'planted', upstream: 'self-hosted' } as const
    scene.userData.failure = new ServiceError('upstream_unavailable', down)
    const page = await browser.go(`${scene.console}/threads`)
    expect(page.text).toContain('Threads cannot be shown now: ')
    expect(page.text).not.toContain('OpenAI')
  })

  test('leave no form that chooses another workflow while the fault is not a workflow’s', async () => {
    scene.userData.failure = new ServiceError('store_unavailable', { reason: 'planted' })
    const page = await browser.go(`${scene.console}/threads`)
    expect([page.status, page.text]).toEqual([
      503,
      expect.stringContaining('The session store does not answer'),
    ])
    expect(page.html).not.toContain('Filter threads')
  })

  test('of which nobody knows why they fail can be asked for again, and the page tells no internals', async () => {
    Object.assign(scene.userData, { failure: new TypeError('planted') })
    const page = await browser.go(`${scene.console}/threads`)
    expect(page.status).toBe(500)
    expect(page.html).toContain('<a class="button" href="">Try again</a>')
    expect(page.html).not.toContain('planted')
  })

  test('show all kinds of items as text, and follow no link', async () => {
    const url = 'https://tracker.example/pixel.png'
    addThread('cthr_t', USER, [
      item('cthi_1', {
        type: 'chatkit.user_message',
        content: [
          { type: 'quoted_text', text: 'what was <said>' },
          { type: 'input_text', text: 'a question\nin two lines' },
        ],
        attachments: [
          { id: 'a', type: 'image', mime_type: 'image/png', name: '<cat>.png', preview_url: url },
        ],
        inference_options: null,
      }),
      item('cthi_2', {
        type: 'chatkit.assistant_message',
        content: [
          {
            type: 'output_text',
            text: 'see [here](javascript:alert(1)) <script>alert(1)</script>',
            annotations: [{ type: 'url', source: { type: 'url', url } }],
          },
        ],
      }),
      item('cthi_3', { type: 'chatkit.widget', widget: `{"image":"${url}"}` }),
      item('cthi_4', {
        type: 'chatkit.client_tool_call',
        status: 'completed',
        call_id: 'c',
        name: 'look_up',
        arguments: '{"a":1}',
        output: '{"b":2}',
      }),
      item('cthi_5', {
        type: 'chatkit.task',
        task_type: 'thought',
        heading: 'Thinks',
        summary: 'hm',
      }),
      item('cthi_6', {
        type: 'chatkit.task_group',
        tasks: [{ type: 'custom', heading: null, summary: null }],
      }),
      item('cthi_7', { type: 'chatkit.hologram', beam: '<u>' }),
    ])
    const page = await browser.go(`${scene.console}/threads/cthr_t`)
    expect(page.status).toBe(200)
    for (const text of [
      '<blockquote>what was &lt;said&gt;</blockquote>',
      'a question\nin two lines',
      'look_up',
      'Thinks: hm',
    ]) {
      expect(page.html).toContain(text)
    }
    expect(page.html).toContain('chatkit.hologram')
    expect(page.html).not.toContain('<script>alert')
    expect(page.html).not.toMatch(/(?:href|src)="(?:https:|javascript:)/)
    expect(page.html.match(/<li class="(?:user-side|assistant-side|other)"/g)).toHaveLength(7)
    const { data = [] } = (await scene.registry.listAudit({ limit: 1, action: 'admin_read' })) ?? {}
    expect(data).toMatchObject([{ user: USER, reason: 'GET /admin/threads/:id' }])
  })

  test.each(['', ' ', '\u200b\u00a0'])(
    'with the title "%s" can be told from nothing',
    async (title) => {
      addThread('cthr_t', USER, [])
      Object.assign(scene.userData.threadsOf.get('cthr_t')?.thread ?? {}, { title })
      expect((await browser.go(`${scene.console}/threads`)).text).toContain('Without a title')
      const page = await browser.go(`${scene.console}/threads/cthr_t`)
      expect(page.html).toContain('<h1>Without a title</h1>')
      expect((await browser.follow('/delete')).text).toContain('“Without a title”')
    },
  )

  test('show a time that is no valid date as the number it is', async () => {
    addThread('cthr_t', USER, [
      item('cthi_1', {
        type: 'chatkit.task',
        task_type: 'custom',
        heading: 'x',
        summary: null,
        created_at: 1e20,
      }),
    ])
    const planted = scene.userData.threadsOf.get('cthr_t')
    Object.assign(planted?.thread ?? {}, { created_at: -1e20 })
    const page = await browser.go(`${scene.console}/threads/cthr_t`)
    expect(page.status).toBe(200)
    expect(page.text).toContain('100000000000000000000')
    expect((await browser.go(userPage())).status).toBe(200)
  })

  test('are shown page by page when they are long', async () => {
    const items = Array.from({ length: 150 }, (_, at) =>
      item(`cthi_${at}`, {
        type: 'chatkit.assistant_message',
        content: [{ type: 'output_text', text: `answer ${at}`, annotations: [] }],
      }),
    )
    addThread('cthr_t', USER, items)
    const first = await browser.go(`${scene.console}/threads/cthr_t`)
    expect(first.text).toContain('answer 99')
    expect(first.text).not.toContain('answer 100')
    const next = /href="([^"]+after=[^"]+)"/.exec(first.html)?.[1] ?? ''
    const second = await browser.go(new URL(next, first.url).href)
    expect(second.text).toContain('answer 149')
    expect(second.text).toContain('From the beginning')
  })

  test.each([
    ['cthr_unknown', 404],
    ['a%20b', 400],
  ])('with the id %s get %i', async (id, status) => {
    expect((await browser.go(`${scene.console}/threads/${id}`)).status).toBe(status)
  })
})

test('an export beyond those that may run at once is refused with words about exports', async () => {
  await browser.go(userPage())
  scene.userData.failure = new ServiceError('rate_limited', { reason: 'two run' })
  const page = await browser.submit('/export')
  expect([page.status, page.text]).toEqual([429, expect.stringContaining('Too many exports')])
})

describe('the page of an erase', () => {
  const progress = (threads: number): EraseLine => ({
    type: 'progress',
    sessions_cancelled: 0,
    threads_deleted: threads,
    threads_failed: 0,
    attachments_deleted: 0,
    records_erased: 0,
  })
  const summary: EraseSummary = {
    type: 'summary',
    complete: true,
    sessions: { cancelled: 2, cancelling: [] },
    threads_deleted: 200,
    attachments_deleted: 1,
    records_erased: 7,
    failed: 0,
    failures: [],
    blocked_until: null,
  }

  test.each(['', 'alice', `${USER} `, USER.toUpperCase()])(
    'typed as %j it is not confirmed, and not done',
    async (confirm) => {
      await browser.go(userPage())
      await browser.follow('/erase')
      const page = await browser.submit('/erase', { confirm })
      expect(page.status).toBe(400)
      expect(page.text).toContain('Nothing was erased')
      expect(scene.userData.erased).toEqual([])
    },
  )

  test('grows while the erase runs, and ends with the summary', async () => {
    const released = Promise.withResolvers<void>()
    const lines = [0, 0, 1, 1, 100].map(progress)
    scene.userData.lines = [...lines, released.promise, summary]
    const csrf = csrfOf(await browser.go(userPage()))
    const fields = { csrf, user: USER, confirm: USER }
    const answer = await sendForm(browser, `${scene.console}/user/erase`, fields)
    expect(answer.status).toBe(200)
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of answer.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      if (!text.includes('100 threads deleted')) continue
      if (!text.includes('Everything is erased')) released.resolve()
    }
    // A line that says nothing new is left out: screen readers read each.
    const said = Array.from(text.matchAll(/<li>([^<]*deleted|Begun)<\/li>/g), ([, line]) => line)
    expect(said).toEqual(['Begun', '1 thread deleted', '100 threads deleted'])
    expect(text).toContain('Everything is erased')
    expect(text).toContain('The block is lifted')
    expect(text).toMatch(/<\/html>\s*$/)
    expect(text).not.toContain('<b>')
    expect(scene.userData.erased).toEqual([USER])
  })

  test('names what failed, and the end of the block', async () => {
    const failures = [{ what: 'thread', id: 'cthr_<1>', code: 'upstream_timeout' } as const]
    const until = Math.floor(Date.now() / 1000) + 600
    const cancelling = ['cksess_slow']
    const failed = { complete: false, failed: 3, failures, blocked_until: until }
    scene.userData.lines = [{ ...summary, ...failed, sessions: { cancelled: 0, cancelling } }]
    await browser.go(userPage())
    await browser.follow('/erase')
    const page = await browser.submit('/erase', { confirm: USER })
    expect(page.text).toContain('Not everything could be erased')
    expect(page.html).toContain('cthr_&lt;1&gt;')
    expect(page.text).toContain('upstream_timeout')
    expect(page.text).toContain('and 2 more')
    expect(page.text).toContain('cksess_slow')
    expect(page.text).toContain('The user is blocked until')
  })

  test('has the status of the error when the erase cannot begin', async () => {
    scene.userData.lines = [new ServiceError('store_unavailable', { reason: 'planted' })]
    await browser.go(userPage())
    await browser.follow('/erase')
    expect((await browser.submit('/erase', { confirm: USER })).status).toBe(503)
  })

  test('says that the erase broke off', async () => {
    scene.userData.lines = [
      progress(3),
      new ServiceError('store_unavailable', { reason: 'planted' }),
    ]
    await browser.go(userPage())
    await browser.follow('/erase')
    const page = await browser.submit('/erase', { confirm: USER })
    expect(page.status).toBe(200)
    expect(page.text).toContain('Broken off')
    expect(page.html).toMatch(/<\/html>\s*$/)
  })
})

test('where receipts are not to be had, the page of a user says what they need', async () => {
  const page = await browser.go(userPage())
  expect(page.text).toContain('Receipts need PUBLIC_URL and a signing key')
  expect(page.html).not.toContain('/user/receipt')
  const answer = await browser.go(userPage().replace('/user?', '/user/receipt?'))
  expect([answer.status, answer.headers.has('content-disposition')]).toEqual([404, false])
})
