import { expect, onTestFinished, test, vi } from 'vitest'
import { startScene, WORKFLOW } from '../../gateway/scene.ts'
import { startPlainServer } from '../../support/chatkit/plain-server.ts'
import { userId } from '../../support/ids.ts'

/** A server with threads of alice, `t0` the oldest, that the ownership records know. */
async function start(count: number) {
  const server = await startPlainServer()
  const scene = await startScene({ server: server.url })
  onTestFinished(() => scene.close())
  const { registry, chatkit } = scene
  const user = userId('alice')
  for (let at = 0; at < count; at++) {
    const id = `t${at}`
    server.threads.push([id, user])
    await registry.claimOwnership({ source: WORKFLOW, kind: 'thread', id, user, createdAt: at })
  }
  const missing: string[] = []
  const list = async (query: { limit?: number; after?: string } = {}) => {
    server.requests.length = 0
    missing.length = 0
    const call = { onMissing: (id: string) => missing.push(id) }
    const page = await chatkit.listThreads({ user, ...query }, call)
    return { ids: page.data.map(({ id }) => id), more: page.has_more, last: page.last_id }
  }
  const ownerOf = async (id: string) =>
    (await registry.ownersOf([{ source: WORKFLOW, kind: 'thread', id }]))[0]
  return { server, chatkit, list, missing, ownerOf }
}

const range = (from: number, to: number) =>
  Array.from({ length: from - to + 1 }, (_, at) => `t${from - at}`)

test.each([404, 410, 500, 503, 400, 403])(
  'a thread that the server answers with %i is left out and reported, and its record stays',
  async (status) => {
    const { server, list, missing, ownerOf } = await start(4)
    server.lost.add('t2')
    server.lostStatus = status
    expect(await list()).toMatchObject({ ids: ['t3', 't1', 't0'], more: false })
    expect(missing).toEqual(['t2'])
    expect(await ownerOf('t2')).toBe('alice')
  },
)

test('a thread that the server writes in no known shape is left out and reported, and its record stays', async () => {
  const { server, list, missing, ownerOf } = await start(4)
  server.unreadable.add('t2')
  expect(await list()).toMatchObject({ ids: ['t3', 't1', 't0'], more: false })
  expect(missing).toEqual(['t2'])
  expect(await ownerOf('t2')).toBe('alice')
})

test('a list of which no thread can be read fails', async () => {
  const { server, list } = await start(3)
  for (const [id] of server.threads) server.unreadable.add(id)
  await expect(list()).rejects.toMatchObject({ code: 'upstream_unavailable' })
})

test('a thread that cannot be shown fails the list when the server’s own list does not answer', async () => {
  const { server, list } = await start(3)
  server.lost.add('t1')
  server.lists = 'error'
  await expect(list()).rejects.toMatchObject({ code: 'upstream_unavailable' })
})

test('a server whose list fails or is empty shows its threads one by one', async () => {
  const { server, list } = await start(3)
  for (const lists of ['error', 'nothing'] as const) {
    server.lists = lists
    expect(await list()).toMatchObject({ ids: ['t2', 't1', 't0'], more: false })
  }
})

test('a server is not asked for the threads of a user who has none', async () => {
  const { server, list } = await start(0)
  server.lists = 'error'
  expect((await list()).ids).toEqual([])
  expect(server.requests).toEqual([])
})

test('threads that the server lists are not asked for one by one', async () => {
  const { server, list } = await start(30)
  expect((await list()).ids).toEqual(range(29, 10))
  const params = { order: 'desc' }
  expect(server.requests).toMatchObject([{ type: 'threads.list', user: 'alice', params }])
})

test.each(['own', 'everyone'] as const)(
  'a server that lists %s threads is asked at most limit + 2 times, however many are lost',
  async (lists) => {
    const { server, list } = await start(50)
    server.lists = lists
    for (const id of range(49, 20)) server.lost.add(id)
    const page = await list({ limit: 20 })
    expect(page).toMatchObject({ ids: range(19, 0), more: false })
    expect(server.requests.length).toBeLessThanOrEqual(22)
  },
)

test('the list of a user whose threads are all lost is empty, and ends', async () => {
  const { server, list, missing } = await start(45)
  for (const id of range(44, 0)) server.lost.add(id)
  expect(await list({ limit: 20 })).toEqual({ ids: [], more: false, last: null })
  expect(server.requests.length).toBeLessThanOrEqual(22)
  expect(missing).toHaveLength(45)
})

test('a list of everyone goes on past any number of lost threads', async () => {
  const { server, chatkit } = await start(1500)
  for (const id of range(1499, 1)) server.lost.add(id)
  // On a busy machine so many requests take longer than one answer may.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const lost = await chatkit.listThreads({ limit: 1 })
  expect(lost).toMatchObject({ data: [], has_more: true, last_id: expect.any(String) })
  const rest = await chatkit.listThreads({ limit: 1, after: lost.last_id ?? '' })
  expect(rest).toMatchObject({ data: [{ id: 't0' }], has_more: false })
  const back = await chatkit.listThreads({ limit: 1, order: 'asc', before: 't1' })
  expect(back).toMatchObject({ data: [{ id: 't0' }], has_more: false })
})

test.each([
  ['ids', false],
  ['other text', true],
])(
  'a long list of a server whose cursors are %s has every thread once, for limit + 2 requests a page',
  async (_, opaque) => {
    const { server, list } = await start(160)
    server.opaque = opaque
    for (const id of ['t150', 't70', 't31']) server.lost.add(id)
    const found: string[] = []
    for (let after: string | undefined, more = true; more; ) {
      const page = await list({ limit: 50, ...(after !== undefined && { after }) })
      expect(server.requests.length).toBeLessThanOrEqual(52)
      found.push(...page.ids)
      after = page.last ?? undefined
      more = page.more
    }
    expect(found).toEqual(range(159, 0).filter((id) => !server.lost.has(id)))
  },
)

test.each([404, 410])(
  'a delete relies on the ownership record: %i counts as deleted, 5xx never does, and nothing is read first',
  async (gone) => {
    const { server, chatkit, ownerOf } = await start(2)
    server.lost.add('t0')
    await expect(chatkit.deleteThread('t0')).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(await ownerOf('t0')).toBe('alice')
    server.lostStatus = gone
    server.requests.length = 0
    await expect(chatkit.retrieveThread('t0')).rejects.toMatchObject({ code: 'not_found' })
    expect(await chatkit.deleteThread('t0')).toMatchObject({ deleted: true })
    const asked = server.requests.map(({ type }) => type)
    expect(asked).toEqual(['threads.get_by_id', 'threads.delete', 'threads.list'])
    expect(await ownerOf('t0')).toBeUndefined()
  },
)

test('a delete that the server answers with 404 fails like its list does, and forgets no owner', async () => {
  const { server, chatkit, ownerOf } = await start(1)
  server.lost.add('t0')
  server.lostStatus = 404
  server.lists = 'error'
  await expect(chatkit.deleteThread('t0')).rejects.toMatchObject({ code: 'upstream_unavailable' })
  expect(await ownerOf('t0')).toBe('alice')
})
