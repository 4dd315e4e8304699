import { expect, onTestFinished, test } from 'vitest'
import type { SelfHostedWorkflow } from '../../src/config/settings.ts'
import { startPlainServer } from '../support/chatkit/plain-server.ts'
import { userId } from '../support/ids.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { startFiles } from './file-server.ts'
import { asAt, startScene, WORKFLOW } from './scene.ts'

interface ListPage {
  readonly data: readonly { readonly id: string }[]
  readonly has_more: boolean
  readonly after: string | null
}

async function start(workflow: Partial<SelfHostedWorkflow> = {}) {
  const server = await startPlainServer()
  const scene = await startScene({ server: server.url, workflow })
  onTestFinished(() => scene.close())
  const alice = asAt(scene.url, await scene.session('alice'))
  const claim = (id: string, user: string) =>
    scene.registry.claimOwnership({
      source: WORKFLOW,
      kind: 'thread',
      id,
      user: userId(user),
      createdAt: 1,
    })
  const list = async (params: object = {}): Promise<ListPage> => {
    server.requests.length = 0
    const answer = await alice(['threads.list', params])
    expect(answer.status).toBe(200)
    return (await answer.json()) as ListPage
  }
  const ownerOf = async (id: string) =>
    (await scene.registry.ownersOf([{ source: WORKFLOW, kind: 'thread', id }]))[0]
  return { server, alice, claim, list, ownerOf, registry: scene.registry }
}

const ids = ({ data }: ListPage) => data.map(({ id }) => id)

test.each([false, true])(
  'three own threads, then 5,100 of others: all three are shown, for few requests (cursors opaque: %j)',
  async (opaque) => {
    const { server, claim, list } = await start()
    server.lists = 'everyone'
    server.opaque = opaque
    for (const id of ['a1', 'a2', 'a3']) {
      server.threads.push([id, 'alice'])
      await claim(id, 'alice')
    }
    for (let at = 0; at < 5100; at++) server.threads.push([`b${at}`, 'bob'])
    expect(await list({})).toMatchObject({
      data: [{ id: 'a3' }, { id: 'a2' }, { id: 'a1' }],
      has_more: false,
      after: null,
    })
    expect(server.requests.length).toBeLessThanOrEqual(10)
  },
)

test.each([1, 2, 20])(
  'a page of %i threads behind 600 of others costs the server at most two requests more than that',
  async (limit) => {
    const { server, claim, list } = await start()
    server.lists = 'everyone'
    for (let at = 0; at < 30; at++) {
      server.threads.push([`a${at}`, 'alice'])
      await claim(`a${at}`, 'alice')
    }
    for (let at = 0; at < 600; at++) server.threads.push([`b${at}`, 'bob'])
    expect((await list({ limit })).data).toHaveLength(limit)
    expect(server.requests.length).toBeLessThanOrEqual(limit + 2)
  },
)

test('a history behind 600 threads of others is paged through the records, each thread once', async () => {
  const { server, claim, list } = await start()
  server.lists = 'everyone'
  for (let at = 0; at < 7; at++) {
    server.threads.push([`a${at}`, 'alice'])
    await claim(`a${at}`, 'alice')
    for (let other = 0; other < 600; other++) server.threads.push([`b${at}_${other}`, 'bob'])
  }
  server.lost.add('a3')
  const found: string[] = []
  for (let after: string | null = null, more = true; more; ) {
    const page: ListPage = await list({ limit: 2, ...(after !== null && { after }) })
    found.push(...ids(page))
    after = page.after
    more = page.has_more
  }
  expect(found).toEqual(['a6', 'a5', 'a4', 'a2', 'a1', 'a0'])
})

test.each([
  ['refuses', 400],
  ['fails', 503],
  ['ignores', 200],
] as const)(
  'own threads among others of a server that %s at ids of threads as cursors are paged, each once',
  async (unknownCursor, status) => {
    const { server, alice, claim, list } = await start()
    server.lists = 'everyone'
    server.opaque = true
    server.unknownCursor = unknownCursor
    for (let at = 0; at < 7; at++) {
      server.threads.push([`a${at}`, 'alice'], [`b${at}`, 'bob'], [`c${at}`, 'bob'])
      await claim(`a${at}`, 'alice')
    }
    for (const order of ['desc', 'asc']) {
      const found: string[] = []
      for (let after: string | null = null, pages = 0; pages === 0 || after !== null; pages++) {
        const page: ListPage = await list({ limit: 2, order, ...(after !== null && { after }) })
        expect(page.data.length).toBeLessThanOrEqual(2)
        expect(server.requests.length).toBeLessThanOrEqual(4)
        found.push(...ids(page))
        after = page.after
        expect(page.has_more).toBe(after !== null)
      }
      const own = ['a6', 'a5', 'a4', 'a3', 'a2', 'a1', 'a0']
      expect(found).toEqual(order === 'desc' ? own : own.toReversed())
    }
    const unknown = await alice(['threads.list', { after: 'page:nothing' }])
    expect(unknown.status).toBe(status)
  },
)

test('a page behind a cursor of the server and 5,100 threads of others costs five requests, and says how to go on', async () => {
  const { server, claim, list } = await start()
  server.lists = 'everyone'
  server.opaque = true
  server.threads.push(['a0', 'alice'])
  await claim('a0', 'alice')
  for (let at = 0; at <= 5100; at++) server.threads.push([`b${at}`, 'bob'])
  const page = await list({ after: 'page:b5100' })
  expect(page).toEqual({ data: [], has_more: true, after: expect.stringMatching(/^page:b/) })
  expect(server.requests).toHaveLength(5)
})

test('a list behind 600 threads of others fails when the server shows not even the only thread of the user', async () => {
  const { server, alice, claim } = await start()
  server.lists = 'everyone'
  server.threads.push(['a0', 'alice'])
  await claim('a0', 'alice')
  for (let at = 0; at < 600; at++) server.threads.push([`b${at}`, 'bob'])
  server.lost.add('a0')
  expectProblem(await answerOf(await alice(['threads.list', {}])), 503, 'upstream_unavailable')
})

test('a page from the records, for a cursor that the server refuses, frees its slot for the next request', async () => {
  const { server, alice, claim } = await start()
  server.opaque = true
  server.threads.push(['a0', 'alice'])
  await claim('a0', 'alice')
  for (let at = 0; at < 201; at++) {
    expect((await alice(['threads.list', { after: 'a0' }])).status).toBe(200)
  }
})

test('a cursor as long as a database makes it comes back to the server', async () => {
  const { server, alice } = await start()
  const after = Buffer.from('x'.repeat(3000)).toString('base64')
  await alice(['threads.list', { after }])
  expect(server.requests).toMatchObject([{ params: { after } }])
  expect((await alice(['threads.list', { after: 'x'.repeat(8193) }])).status).toBe(400)
  expect(server.requests).toHaveLength(1)
})

test('a list of a server that lists by user pages by the server’s own cursors', async () => {
  const { server, claim, list } = await start()
  server.opaque = true
  for (let at = 0; at < 5; at++) {
    server.threads.push([`a${at}`, 'alice'])
    await claim(`a${at}`, 'alice')
  }
  const first = await list({ limit: 2 })
  expect([ids(first), first.after, first.has_more]).toEqual([['a4', 'a3'], 'page:a3', true])
  const second = await list({ limit: 2, after: first.after })
  expect([ids(second), second.after, second.has_more]).toEqual([['a2', 'a1'], 'page:a1', true])
  const last = await list({ limit: 2, after: second.after })
  expect([ids(last), last.after, last.has_more]).toEqual([['a0'], null, false])
})

test.each([false, true])(
  'a list of a server that leaves out others’ threads after it has cut a page goes on to its end (cursors opaque: %j)',
  async (opaque) => {
    const { server, claim, list } = await start()
    Object.assign(server, { lists: 'own-of-page', opaque })
    const pattern = 'abaabbbabbbbbba'
    for (const [at, letter] of [...pattern].entries()) {
      const user = letter === 'a' ? 'alice' : 'bob'
      server.threads.push([`t${at}`, user])
      await claim(`t${at}`, user)
    }
    const shown: string[] = []
    for (let after: string | null | undefined; after !== null; ) {
      const page = await list({ limit: 2, order: 'asc', after })
      shown.push(...ids(page))
      after = page.after
    }
    expect(shown).toEqual(['t0', 't2', 't3', 't7', 't14'])
  },
)

test('without adopt_threads, threads that nobody owns are on no list, and the server is not asked for a made-up user', async () => {
  const { server, list, ownerOf } = await start()
  server.threads.push(['old', 'alice'])
  expect(ids(await list())).toEqual([])
  expect(server.requests.map(({ user }) => user)).toEqual(['alice'])
  expect(await ownerOf('old')).toBeUndefined()
})

test('with adopt_threads, threads that a server lists for a user are adopted if it lists none for a made-up user', async () => {
  const { server, alice, claim, list, ownerOf } = await start({ adoptThreads: true })
  server.threads.push(['old1', 'alice'], ['his', 'bob'], ['old2', 'alice'], ['taken', 'alice'])
  await claim('taken', 'bob')
  expect(ids(await list())).toEqual(['old2', 'old1'])
  expect(await Promise.all(['old1', 'old2', 'his', 'taken'].map(ownerOf))).toEqual([
    'alice',
    'alice',
    undefined,
    'bob',
  ])
  const users = server.requests.map(({ user }) => user)
  expect(users[0]).toBe('alice')
  expect(users[1]).not.toBe('alice')
  expect(server.requests[1]).toMatchObject({
    type: 'threads.list',
    params: server.requests[0]?.params,
  })
  expect(ids(await list())).toEqual(['old2', 'old1'])
  expectProblem(await answerOf(await alice(['items.list', { thread_id: 'his' }])), 404, 'not_found')
})

test('with adopt_threads, a list shows no thread that another user claims meanwhile', async () => {
  const { server, list, ownerOf, registry } = await start({ adoptThreads: true })
  server.threads.push(['old', 'alice'], ['taken', 'alice'])
  const { claimOwnership } = registry
  registry.claimOwnership = async (thing) => {
    if (thing.id === 'taken') await claimOwnership({ ...thing, user: userId('bob') })
    return claimOwnership(thing)
  }
  expect(ids(await list())).toEqual(['old'])
  expect(await ownerOf('taken')).toBe('bob')
})

test('further pages, and the list of a made-up user, are asked for with all fields of the page’s request', async () => {
  const { server, alice, claim } = await start({ adoptThreads: true })
  server.lists = 'everyone'
  server.threads.push(['mine', 'alice'], ['old', 'alice'])
  for (let at = 0; at < 30; at++) server.threads.push([`b${at}`, 'bob'])
  await claim('mine', 'alice')
  const sent = { filter: { team: 7 }, search: 'x'.repeat(9000) }
  const metadata = { tenant: 'acme' }
  expect((await alice(['threads.list', sent], { metadata })).status).toBe(200)
  const others = server.requests.filter(({ type }) => type === 'threads.list').slice(1)
  expect(new Set(others.map(({ user }) => user)).size).toBeGreaterThan(1)
  expect(others.some(({ params }) => params.after !== undefined)).toBe(true)
  for (const one of others) expect(one).toMatchObject({ params: sent, metadata })
})

test.each(['everyone', 'error'] as const)(
  'with adopt_threads, nothing is adopted from a server whose list for a made-up user has %s',
  async (lists) => {
    const { server, claim, list, ownerOf } = await start({ adoptThreads: true })
    server.lists = 'everyone'
    server.threads.push(['mine', 'alice'], ['old', 'alice'], ['his', 'bob'])
    await claim('mine', 'alice')
    server.listsForNobody = lists
    expect(ids(await list())).toEqual(['mine'])
    expect(await Promise.all(['old', 'his'].map(ownerOf))).toEqual([undefined, undefined])
  },
)

test.each([null, {}, undefined, { thr_1: 1 }])(
  'with adopt_threads, an empty list may be null, as servers in Go write it, and not absent (%j)',
  async (nothing) => {
    const { server, list } = await start({ adoptThreads: true })
    server.nothing = nothing
    server.threads.push(['old', 'alice'], ['his', 'bob'])
    expect(ids(await list())).toEqual(
      Object.keys(nothing ?? {}).length > 0 || nothing === undefined ? [] : ['old'],
    )
  },
)

test.each(['asc', 'desc'])(
  'threads that are adopted from a list are recorded from the oldest on (order %s)',
  async (order) => {
    const { server, list, registry } = await start({ adoptThreads: true })
    server.threads.push(['old', 'alice'], ['new', 'alice'])
    expect((await list({ order })).data).toHaveLength(2)
    const query = { source: WORKFLOW, kind: 'thread', user: userId('alice'), limit: 5 } as const
    const owned = await registry.listOwned({ ...query, order: 'asc' })
    expect(owned?.data.map(({ id }) => id)).toEqual(['old', 'new'])
  },
)

test.each([403, 409, 422, 429])(
  'a thread whose delete the server refuses with %i stays the user’s',
  async (status) => {
    const { server, alice, claim, ownerOf } = await start()
    await claim('a0', 'alice')
    server.lostStatus = status
    expect((await alice(['threads.delete', { thread_id: 'a0' }])).status).not.toBe(200)
    expect(await ownerOf('a0')).toBe('alice')
  },
)

test.each([null, {}])('a list of no threads may be %j', async (nothing) => {
  const { server, list } = await start()
  server.nothing = nothing
  expect(ids(await list())).toEqual([])
})

test('pages that were read free their memory before the next one', async () => {
  const { alice, answer, seen } = await startFiles({ gateway: { userMemoryBytes: 1024 * 1024 } })
  const own = { id: 'thr_1', title: 'x'.repeat(400 * 1024), items: { data: [] } }
  answer({ data: [own], has_more: true, after: 'more' })
  seen.length = 0
  expect((await alice(['threads.list', {}])).status).toBe(200)
  expect(seen).toHaveLength(3)
})
