import { describe, expect, test } from 'vitest'
import { adminToken, auditOf, callAdmin, secretOf } from '../../support/admin-calls.ts'
import { FULL_ITEMS, fullThread } from '../../support/chatkit/seeds.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { tokenFor } from '../../support/running-service.ts'
import { forEachTest } from '../../support/started.ts'
import { callUser, countsOf, exportOf, startUserData, summaryOf } from '../../support/user-data.ts'

const scene = forEachTest(() => startUserData())

/** Threads of a user, oldest first, each with the given number of items. */
function seed(user: string, threads: number, items = 1): readonly string[] {
  return Array.from({ length: threads }, (_, at) => {
    const texts = Array.from({ length: items }, (_, text) => ({
      type: 'chatkit.widget' as const,
      widget: `{"of":"${user} ${at} ${text}"}`,
    }))
    return scene.upstream.api.seedThread({ user, items: texts }).id
  })
}

const isItems = (request: Request, id: string) => request.url.includes(`/threads/${id}/items`)
const isList = (request: Request) => /\/threads\?/.test(request.url)

describe('an export', () => {
  test('has every session, thread, item and audit entry of the user, and the summary last', async () => {
    const { running, upstream } = scene
    const thread = upstream.api.seedThread(fullThread('alice'))
    await secretOf(running, 'alice')
    const response = await callUser(running, 'GET alice export')
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    expect(response.headers.get('cache-control')).toBe('no-store')
    const text = await response.text()
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(countsOf(lines)).toEqual({ session: 1, thread: 1, item: 6, audit: 2, summary: 1 })
    const [session] = upstream.api.sessions()
    expect(lines[0]).toEqual({
      type: 'session',
      session: {
        id: session?.id,
        object: 'chatkit_mint.session',
        user: 'alice',
        workflow: 'support',
        status: 'active',
        created_at: expect.any(Number),
        expires_at: session?.expires_at,
        issuer: 'https://issuer.test',
        subject: 'alice',
      },
    })
    expect(lines[1]).toEqual({ type: 'thread', thread })
    const items = lines.filter(({ type }) => type === 'item')
    expect(items.map(({ item }) => item.type)).toEqual(FULL_ITEMS.map(({ type }) => type))
    expect(items[0]).toEqual({
      type: 'item',
      thread_id: thread.id,
      item: expect.objectContaining({ ...FULL_ITEMS[0], thread_id: thread.id }),
    })
    const audit = lines.filter(({ type }) => type === 'audit').map((line) => line.audit)
    expect(audit.map(({ action }) => action).sort()).toEqual(['export', 'mint'])
    expect(audit[0]).toMatchObject({ user: 'alice', outcome: 'ok', request_id: expect.any(String) })
    const failed = { complete: true, failed: 0, failures: [] }
    const counts = { sessions: 1, threads: 1, items: 6, audit: 2 }
    expect(lines.at(-1)).toEqual({ type: 'summary', ...counts, ...failed })
    expect(text).not.toContain(session?.client_secret)
  })

  test('goes through all pages of threads and items, each once, in order', async () => {
    const ids = seed('alice', 230, 1)
    const [long = ''] = [
      scene.upstream.api.seedThread({
        user: 'alice',
        items: Array.from({ length: 250 }, (_, at) => ({
          type: 'chatkit.widget' as const,
          widget: `{"at":${at}}`,
        })),
      }).id,
    ]
    const lines = await exportOf(scene.running, 'alice')
    const threads = lines.flatMap(({ type, thread }) =>
      type === 'thread' ? [(thread as { id: string }).id] : [],
    )
    expect(threads).toEqual([...ids, long])
    const items = lines.filter(({ type, thread_id }) => type === 'item' && thread_id === long)
    expect(items.map(({ item }) => (item as { widget: string }).widget)).toEqual(
      Array.from({ length: 250 }, (_, at) => `{"at":${at}}`),
    )
    expect(summaryOf(lines)).toMatchObject({ complete: true, threads: 231, items: 480 })
  })

  test('has nothing of other users', async () => {
    seed('bob', 3)
    seed('alice', 1)
    await secretOf(scene.running, 'bob')
    const text = JSON.stringify(await exportOf(scene.running, 'alice'))
    expect(text).not.toContain('bob')
    expect(summaryOf(await exportOf(scene.running, 'nobody'))).toMatchObject({
      complete: true,
      sessions: 0,
      threads: 0,
      items: 0,
    })
  })

  test('drops threads of others that the upstream lists', async () => {
    const [own] = seed('alice', 1)
    const [foreign] = seed('bob', 1)
    const { api } = scene.upstream
    scene.upstream.instead = (request) => {
      if (!isList(request)) return undefined
      return api.app.fetch(new Request(request.url.replace('user=alice', ''), request))
    }
    const lines = await exportOf(scene.running, 'alice')
    expect(countsOf(lines)).toMatchObject({ thread: 1, item: 1 })
    expect(JSON.stringify(lines)).toContain(own)
    expect(JSON.stringify(lines)).not.toContain(foreign)
    const told = { level: 40, workflow: 'support', what: 'thread', count: 1 }
    expect(scene.running.log).toContainEqual(expect.objectContaining(told))
  })

  test('is audited before its first byte, and its HEAD asks nothing upstream', async () => {
    seed('alice', 1)
    const head = await callUser(scene.running, 'HEAD alice export')
    expect([head.status, await head.text()]).toEqual([200, ''])
    expect(head.headers.get('content-type')).toBe('application/x-ndjson')
    expect(scene.upstream.api.requests()).toEqual([])
    expect(await auditOf(scene.running, '&user=alice')).toMatchObject([
      { action: 'export', user: 'alice', actor: 'https://issuer.test|ada', outcome: 'ok' },
    ])
  })

  test.each([
    'GET /users/alice/export?limit=1',
    'GET /users/%00/export',
    `GET /users/${'x'.repeat(513)}/export`,
    'POST /users/alice/erase?now=1',
    'POST /users/%ff/erase',
  ])('%s is refused', async (line) => {
    expectProblem(await callAdmin(scene.running, line), 400, 'invalid_request')
    expect(scene.upstream.api.requests()).toEqual([])
    expect(await auditOf(scene.running, '&user=alice')).toEqual([])
  })
})

describe('an export whose upstream fails in the middle', () => {
  test('of a thread’s items names the thread and has all others', async () => {
    const ids = seed('alice', 12, 2)
    const [bad = ''] = ids.slice(5)
    scene.upstream.instead = (request) =>
      isItems(request, bad) ? new Response('{}', { status: 500 }) : undefined
    const lines = await exportOf(scene.running, 'alice')
    expect(summaryOf(lines)).toMatchObject({
      complete: false,
      threads: 12,
      items: 22,
      failed: 1,
      failures: [{ what: 'items', workflow: 'support', id: bad, code: 'upstream_unavailable' }],
    })
  })

  test('of the list keeps what was read and names the rest', async () => {
    seed('alice', 150)
    await secretOf(scene.running, 'alice')
    scene.upstream.instead = (request) =>
      isList(request) && request.url.includes('after=')
        ? new Response('not json', { status: 200 })
        : undefined
    const lines = await exportOf(scene.running, 'alice')
    expect(countsOf(lines)).toMatchObject({ session: 1, thread: 100, item: 100, audit: 2 })
    expect(summaryOf(lines)).toMatchObject({
      complete: false,
      failures: [{ what: 'threads', workflow: 'support', code: 'upstream_invalid_response' }],
    })
  })

  test('of every thread names a hundred and counts all', async () => {
    seed('alice', 120)
    scene.upstream.instead = (request) =>
      request.url.includes('/items') ? new Response('{}', { status: 404 }) : undefined
    const summary = summaryOf(await exportOf(scene.running, 'alice'))
    expect(summary).toMatchObject({ complete: false, threads: 120, items: 0, failed: 120 })
    expect(summary['failures']).toHaveLength(100)
  })
})

test('an export ends a hanging upstream call when the client leaves', async () => {
  const [, , third = ''] = seed('alice', 3, 1)
  const ended = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  scene.upstream.instead = (request, { outgoing }) => {
    if (!isItems(request, third)) return undefined
    outgoing.once('close', ended.resolve)
    begun.resolve()
    return new Promise<Response>(() => undefined)
  }
  const leave = new AbortController()
  const headers = { authorization: `Bearer ${adminToken()}` }
  const gone = callUser(scene.running, 'GET alice export', { headers, signal: leave.signal })
    .then((response) => response.text())
    .catch(() => 'gone')
  await begun.promise
  // Headers have come with the first line.
  await new Promise((resolve) => setTimeout(resolve, 100))
  leave.abort()
  const inTime = new Promise((resolve) => setTimeout(resolve, 4000, 'still running'))
  expect(await Promise.race([ended.promise, inTime])).toBeUndefined()
  expect(await gone).toBe('gone')
  // A client may leave: the log has no error for it.
  const log = () => scene.running.log.filter(({ route }) => String(route).endsWith('/export'))
  await expect.poll(log).toHaveLength(1)
  expect(scene.running.log.filter(({ level }) => Number(level) >= 50)).toEqual([])
})

test('an export fetches nothing that nobody reads', async () => {
  // More than the buffers of the sockets take.
  const items = [{ type: 'chatkit.widget' as const, widget: 'x'.repeat(200_000) }]
  for (let at = 0; at < 200; at++) scene.upstream.api.seedThread({ user: 'alice', items })
  const response = await callUser(scene.running, 'GET alice export')
  await response.body?.getReader().read()
  const asked = () => scene.upstream.authorizations.length
  const grows = async () => {
    const before = asked()
    await new Promise((resolve) => setTimeout(resolve, 300))
    return asked() > before
  }
  await expect.poll(grows, { timeout: 10_000 }).toBe(false)
  expect(asked()).toBeLessThan(150)
})

test('an admin has two exports under way at most; one more is 429, asks nobody, and is no entry', async () => {
  seed('alice', 1)
  const leave = new AbortController()
  scene.upstream.instead = () => new Promise<Response>(() => {})
  const ask = (token = adminToken()) => {
    const headers = { authorization: `Bearer ${token}` }
    return callUser(scene.running, 'GET alice export', { headers, signal: leave.signal })
  }
  const hanging = [ask(), ask()].map((call) => call.catch(() => 'gone'))
  await expect.poll(() => scene.upstream.authorizations.length).toBe(2)
  const refused = await answerOf(await ask())
  expectProblem(refused, 429, 'rate_limited')
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  expect((await callUser(scene.running, 'HEAD alice export')).status).toBe(429)
  expect(scene.upstream.authorizations).toHaveLength(2)
  expect(await auditOf(scene.running, '&action=export')).toHaveLength(2)
  // The exports of another admin are counted separately.
  const grace = ask(tokenFor('grace', { roles: ['chatkit-admin'] })).catch(() => 'gone')
  await expect.poll(() => scene.upstream.authorizations.length).toBe(3)
  leave.abort()
  expect(await Promise.all([...hanging, grace])).toEqual(['gone', 'gone', 'gone'])
  scene.upstream.instead = undefined
  // Exports that have ended, and HEAD requests, take no slot.
  const status = async (line: string) => (await callUser(scene.running, line)).status
  await expect.poll(() => status('HEAD alice export')).toBe(200)
  for (let n = 0; n < 4; n++) expect(await status('HEAD alice export')).toBe(200)
  for (let n = 0; n < 4; n++) {
    expect(summaryOf(await exportOf(scene.running, 'alice'))).toMatchObject({ complete: true })
  }
})
