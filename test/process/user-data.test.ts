import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { asAt, createThread } from '../gateway/scene.ts'
import { ADMINS } from '../support/admin-calls.ts'
import { createAttachment } from '../support/chatkit/gateway-requests.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { type Member, startMember } from '../support/fleet.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { residentMb } from '../support/service-process.ts'
import { forEachTest } from '../support/started.ts'
import { callUser, eraseOf, exportOf, type Line } from '../support/user-data.ts'

// Data requests and deletion at their full size, on the service as a process.

let folder: string
const upstream = forEachTest(() => startWatchedUpstream())
const server = forEachTest(() => startSampleServer({ wordMs: 1 }))
beforeEach(() => {
  folder = scratchFolder()
})

/** `helpdesk` is self-hosted and the default, `support` at the embedded API. */
async function start(nodeArguments: readonly string[] = []): Promise<Member> {
  const workflow = '    rate_limits: { max_requests_per_1_minute: 1000 }\n'
  return startMember({
    upstream,
    store: `sqlite:${join(folder, 'mint.db')}`,
    nodeArguments,
    config: selfHostedConfig({ server: server.url, workflow, more: ADMINS }),
    env: { PUBLIC_URL },
  })
}

const WIDGET = { type: 'chatkit.widget', widget: `{"text":"${'x'.repeat(450)}"}` } as const

function seed(user: string, threads: number, items: number): void {
  const all = Array.from({ length: items }, () => WIDGET)
  for (let at = 0; at < threads; at++) upstream.api.seedThread({ user, items: all })
}

/** Threads whose items come from prepared text: the upstream shall not cost more than the export. */
function seedPrepared(user: string, threads: number, items: number): void {
  const common = { object: 'chatkit.thread_item', created_at: 1_790_000_000, thread_id: '<thread>' }
  const data = Array.from({ length: items }, (_, at) => ({
    ...WIDGET,
    ...common,
    id: `cthi_${at}`,
  }))
  const ids = { first_id: data.at(0)?.id, last_id: data.at(-1)?.id }
  const page = JSON.stringify({ object: 'list', data, ...ids, has_more: false })
  const prepared = new Set(
    Array.from({ length: threads }, () => String(upstream.api.seedThread({ user }).id)),
  )
  const before = upstream.instead
  upstream.instead = (request, node) => {
    const [, id = ''] = /\/threads\/(\w+)\/items/.exec(request.url) ?? []
    if (!prepared.has(id)) return before?.(request, node)
    return new Response(page.replaceAll('<thread>', id), {
      headers: { 'content-type': 'application/json' },
    })
  }
}

const THREADS = 10_000
const MOST_MB = 50
/**
 * Too little for what the export holds, and enough for what streams through. Without a bound V8 lets
 * garbage lie as long as there is memory, and a measurement says how much the machine has.
 */
const HEAP = ['--max-old-space-size=48', '--max-semi-space-size=1']

test.runIf(process.platform === 'linux')(
  `an export of ${THREADS} threads streams: it adds less than ${MOST_MB} MB to the process`,
  async ({ annotate }) => {
    const service = await start(HEAP)
    seed('bob', 10, 1)
    seedPrepared('alice', THREADS - 200, 5)
    seedPrepared('alice', 200, 100)
    const fresh = residentMb(service)
    let peak = fresh
    let chunks = 0
    let bytes = 0
    let last = ''
    const started = performance.now()
    const response = await callUser(service, 'GET alice export')
    for await (const chunk of response.body ?? []) {
      const text = Buffer.from(chunk).toString('utf8')
      bytes += chunk.length
      last = (last + text).slice(-2000)
      if (++chunks % 20 === 0) peak = Math.max(peak, residentMb(service))
    }
    const milliseconds = Math.round(performance.now() - started)
    peak = Math.max(peak, residentMb(service))
    const items = (THREADS - 200) * 5 + 200 * 100
    expect(JSON.parse(last.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      type: 'summary',
      complete: true,
      threads: THREADS,
      items,
    })
    await annotate(
      `${fresh.toFixed(0)} MB before, ${peak.toFixed(0)} MB at most; ` +
        `${(bytes / 1e6).toFixed(0)} MB in ${milliseconds} ms`,
    )
    // The memory before depends on Node; with this heap the sum is a little under 150 MB.
    expect(peak - fresh).toBeLessThan(MOST_MB)
  },
  120_000,
)

const isDelete = (request: Request) => request.method === 'DELETE'

/** Something of everything, at both kinds of workflow. */
async function liveAs(service: Member, user: string): Promise<void> {
  const { secret = '' } = await service.mint(user, { workflow: 'helpdesk' })
  expect((await service.mint(user, { workflow: 'support' })).status).toBe(200)
  const asker = asAt(`${service.url}/chatkit/helpdesk`, { secret })
  for (let at = 0; at < 20; at++) await createThread(asker, `${user} says ${at}`)
  await createAttachment(asker)
  seed(user, 150, 2)
}

/** Rows about a user in the store's file, by table. */
function rowsAbout(user: string): Record<string, unknown[]> {
  const db = new DatabaseSync(join(folder, 'mint.db'), { readOnly: true })
  try {
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
    const found = tables.map(({ name }) => {
      const rows = db.prepare(`SELECT * FROM "${name}"`).all()
      const about = rows.filter((row) =>
        Object.values(row).some((value) => typeof value === 'string' && value.includes(user)),
      )
      return [String(name), about] as const
    })
    return Object.fromEntries(found.filter(([, rows]) => rows.length > 0))
  } finally {
    db.close()
  }
}

const dataIn = (lines: readonly Line[]) =>
  lines.filter(({ type }) => type !== 'audit' && type !== 'summary')

test('an erase that SIGKILL cut short at any point, run again, leaves nothing', async () => {
  let service = await start()
  await liveAs(service, 'zoe-4711')
  await liveAs(service, 'bob-0815')
  const his = dataIn(await exportOf(service, 'bob-0815'))
  const { api } = upstream
  // During the server's threads, early and late in the API's.
  for (const [at, when] of [isServersTurn, deletesUntil(10), deletesUntil(60)].entries()) {
    const reached = Promise.withResolvers<void>()
    const step = when(reached.resolve)
    upstream.instead = (request) => {
      if (isDelete(request)) step()
      return api.app.fetch(request)
    }
    const cut = callUser(service, 'POST zoe-4711 erase')
      .then((response) => response.text())
      .catch(() => 'cut')
    await reached.promise
    service.child.kill('SIGKILL')
    await service.exited
    expect(await cut).not.toContain('"summary"')
    service = await start()
    // The block of the erase that was cut short holds until the next one has ended.
    const refused = await service.mint('zoe-4711')
    expect([at, refused.status]).toEqual([at, 403])
  }
  upstream.instead = undefined
  expect(await eraseOf(service, 'zoe-4711')).toMatchObject({
    complete: true,
    sessions: { cancelling: [] },
    blocked_until: null,
  })

  const lines = await exportOf(service, 'zoe-4711')
  expect(dataIn(lines)).toEqual([])
  const asked = { headers: { authorization: 'Bearer sk-x', 'openai-beta': 'chatkit_beta=v1' } }
  const page = await api.app.request('http://localhost/v1/chatkit/threads?user=zoe-4711', asked)
  expect(await page.json()).toMatchObject({ data: [] })
  expect(dataIn(await exportOf(service, 'bob-0815'))).toEqual(his)

  service.child.kill('SIGTERM')
  await service.exited
  const { audit, users, ...others } = rowsAbout('zoe-4711')
  expect(others).toEqual({})
  // The generation, by which a mint under way still loses; it goes by the sweep.
  expect(users).toHaveLength(1)
  const actions = new Set((audit ?? []).map((row) => (row as { action: string }).action))
  expect([...actions].sort()).toEqual(['erase', 'export'])
}, 120_000)

test('an erase whose reader has left is done before the process ends at a signal', async () => {
  const service = await start()
  seed('zoe-4711', 48, 1)
  const reached = Promise.withResolvers<void>()
  const { api } = upstream
  upstream.instead = async (request) => {
    if (!isDelete(request)) return api.app.fetch(request)
    reached.resolve()
    // Eight at a time: together longer than the listener stays open after the signal.
    await setTimeout(500)
    return api.app.fetch(request)
  }
  const leaving = new AbortController()
  const { signal } = leaving
  const answer = await callUser(service, 'POST zoe-4711 erase', { signal })
  const read = answer.text().catch(() => 'left')
  await reached.promise
  leaving.abort()
  expect(await read).toBe('left')
  service.child.kill('SIGTERM')
  expect(await service.exited).toMatchObject({ code: 0 })
  const reasons = rowsAbout('zoe-4711')['audit']?.map((row) => Object(row).reason)
  expect(reasons).toContainEqual(expect.stringMatching(/^complete: 48 threads/))
}, 60_000)

/** Calls back after this number of deletes at the API. */
function deletesUntil(count: number) {
  return (done: () => void) => {
    let seen = 0
    return () => {
      if (++seen === count) done()
    }
  }
}

/** Calls back while threads are being deleted at the server. */
function isServersTurn(done: () => void) {
  const timer = setInterval(() => {
    const deletes = server.server.requests().filter(({ type }) => type === 'threads.delete')
    if (deletes.length === 0) return
    clearInterval(timer)
    done()
  }, 1)
  return () => undefined
}
