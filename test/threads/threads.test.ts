import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ServiceError } from '../../src/lib/errors.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import type { Foreign } from '../../src/threads/sources.ts'
import { createThreads } from '../../src/threads/threads.ts'
import { plain, userId } from '../support/ids.ts'
import { type FakeSource, fakeSource } from './fake-source.ts'

function threadsOf(
  sources: readonly FakeSource[],
  { keptKey }: Pick<Registry, 'keptKey'> = createSqliteRegistry({ path: ':memory:' }),
) {
  const registry = { keptKey, ownersOf: ownersIn(sources) }
  const foreign: Foreign[] = []
  for (const source of sources) source.onForeign = (one) => foreign.push(one)
  return { threads: plain(createThreads({ sources, registry, randomBytes })), foreign }
}

/** Ownership records that name the owner of every row of a self-hosted source. */
function ownersIn(sources: readonly FakeSource[]): Registry['ownersOf'] {
  return async (things) =>
    things.map(({ source: name, id }) => {
      const source = sources.find(({ threadsAt }) => threadsAt === name)
      const owner = source?.rows.find(([one]) => one === id)?.[1]
      return owner === undefined ? undefined : userId(owner)
    })
}

const QUERY = { limit: 20, order: 'desc' } as const
const ids = ({ data }: { data: readonly { id: string }[] }) => data.map(({ id }) => id)
const down = () => new ServiceError('upstream_unavailable', { reason: 'planted' })

/** Two keys of one project, one of another, a server. */
function everything() {
  const shared = [
    ['a1', 'alice', 1],
    ['a3', 'alice', 3],
    ['b3', 'bob', 3],
    ['a5', 'alice', 5],
  ] as const
  const other = fakeSource('sales', [
    ['s3', 'alice', 3],
    ['s4', 'alice', 4],
  ])
  const server = fakeSource('desk', [['d3', 'alice', 3]], true)
  return [fakeSource('support', shared), other, fakeSource('twin', shared), server] as const
}

describe('a list over several sources', () => {
  const newestFirst = ['a5', 's4', 'a3', 's3', 'd3', 'a1']

  test('merges by time, equal seconds in the order of the config, and has the same thread once', async () => {
    const { threads, foreign } = threadsOf(everything())
    expect(ids(await threads.listOwn('alice', QUERY))).toEqual(newestFirst)
    expect(ids(await threads.listOwn('alice', { ...QUERY, order: 'asc' }))).toEqual(
      newestFirst.toReversed(),
    )
    expect(ids(await threads.list(QUERY))).toEqual(['a5', 's4', 'b3', ...newestFirst.slice(2)])
    expect(ids(await threads.list({ ...QUERY, user: 'bob' }))).toEqual(['b3'])
    expect(foreign).toEqual([])
  })

  test('has each thread once where a server’s order is not that of time', async () => {
    const rows = ([9, 2, 7, 1, 8, 3] as const).map((at) => [`x${at}`, 'alice', at] as const)
    const { threads } = threadsOf([...everything(), fakeSource('shop', rows, true)])
    const found: string[] = []
    let start = {}
    for (;;) {
      const page = await threads.listOwn('alice', { ...QUERY, limit: 2, ...start })
      found.push(...ids(page))
      if (!page.has_more) break
      start = { after: page.last_id ?? '' }
    }
    expect(new Set(found).size).toBe(found.length)
    expect(found).toHaveLength(12)
  })

  test('refuses "before" with a reason, without asking any source', async () => {
    const sources = everything()
    const { threads } = threadsOf(sources)
    const { first_id } = await threads.listOwn('alice', QUERY)
    for (const source of sources) source.calls.length = 0
    const query = { ...QUERY, before: first_id ?? '' }
    for (const list of [
      threads.listOwn('alice', query),
      threads.listOwn('alice', { ...query, after: query.before }),
      threads.list(query),
    ]) {
      const reason = '"before" on a list merged from several sources'
      await expect(list).rejects.toMatchObject({ code: 'invalid_request', reason })
    }
    expect(sources.flatMap(({ calls }) => calls)).toEqual([])
  })

  test('asks each source once for a page', async () => {
    const sources = everything()
    const { threads } = threadsOf(sources)
    const first = await threads.listOwn('alice', { ...QUERY, limit: 2 })
    expect(sources.map(({ calls }) => calls)).toEqual(sources.map(() => ['list']))
    await threads.listOwn('alice', { ...QUERY, limit: 2, after: first.last_id ?? '' })
    expect(sources.map(({ calls }) => calls)).toEqual(sources.map(() => ['list', 'list']))
  })

  test('a cursor is good for its user, order, side and sources only, and for any instance', async () => {
    const registry = createSqliteRegistry({ path: ':memory:' })
    const { threads } = threadsOf(everything(), registry)
    const { last_id: cursor } = await threads.listOwn('alice', { ...QUERY, limit: 2 })
    const after = cursor ?? ''
    const elsewhere = threadsOf(everything(), registry).threads
    expect(ids(await elsewhere.listOwn('alice', { ...QUERY, after }))).toEqual(newestFirst.slice(2))
    const refused = { code: 'invalid_request', detail: expect.stringContaining('cursor') }
    const tries = [
      () => threads.listOwn('bob', { ...QUERY, after }),
      () => threads.listOwn('alice', { ...QUERY, after, order: 'asc' }),
      () => threads.list({ ...QUERY, after }),
      () => threads.list({ ...QUERY, after, user: 'alice' }),
      () => threads.listOwn('alice', { ...QUERY, after: 'a3' }),
      () => threads.listOwn('alice', { ...QUERY, after, workflow: 'support' }),
      () =>
        threadsOf(everything().slice(0, 3), registry).threads.listOwn('alice', { ...QUERY, after }),
      () => threadsOf(everything()).threads.listOwn('alice', { ...QUERY, after }),
    ]
    for (const attempt of tries) await expect(attempt()).rejects.toMatchObject(refused)
  })

  test.each(['desc', 'asc'] as const)(
    'a cursor whose threads are gone, or have become someone else’s, goes on from their time, %s',
    async (order) => {
      const sources = everything()
      const { threads } = threadsOf(sources)
      const inOrder = order === 'desc' ? newestFirst : newestFirst.toReversed()
      const page = await threads.listOwn('alice', { ...QUERY, order, limit: 2 })
      const query = { ...QUERY, order, after: page.last_id ?? '' }
      for (const source of sources) {
        source.rows = source.rows.map(([id, user, at]) => [
          id,
          ids(page).includes(id) ? 'bob' : user,
          at,
        ])
      }
      expect(ids(await threads.listOwn('alice', query))).toEqual(inOrder.slice(2))
      for (const source of sources) {
        source.rows = source.rows.filter(([, user]) => user === 'alice')
      }
      expect(ids(await threads.listOwn('alice', query))).toEqual(inOrder.slice(2))
    },
  )

  test('a cursor whose thread is gone is found behind more threads than a page has', async () => {
    const rows = Array.from({ length: 250 }, (_, at) => [`s${at}`, 'alice', at] as const)
    const [first, second] = [fakeSource('support'), fakeSource('sales', rows)]
    const { threads } = threadsOf([first, second])
    let after: string | undefined
    for (let page = 0; page < 2; page++) {
      after = (await threads.listOwn('alice', { ...QUERY, limit: 100, after })).last_id ?? undefined
    }
    second.rows = second.rows.filter(([id]) => id !== 's50')
    const rest = await threads.listOwn('alice', { ...QUERY, limit: 100, after })
    expect(ids(rest)).toEqual(
      rows
        .slice(0, 50)
        .map(([id]) => id)
        .toReversed(),
    )
    expect(rest.has_more).toBe(false)
    second.rows = []
    expect(await threads.listOwn('alice', { ...QUERY, after })).toMatchObject({
      data: [],
      has_more: false,
    })
  })

  test('fails when one of them does', async () => {
    const sources = everything()
    sources[3].failure = down()
    const { threads } = threadsOf(sources)
    await expect(threads.listOwn('alice', QUERY)).rejects.toMatchObject({
      code: 'upstream_unavailable',
    })
    expect(ids(await threads.listOwn('alice', { ...QUERY, workflow: 'sales' }))).toEqual([
      's4',
      's3',
    ])
  })

  test('limit 0 says whether there is anything', async () => {
    const { threads } = threadsOf(everything())
    const none = { data: [], first_id: null, last_id: null }
    const query = { ...QUERY, limit: 0 }
    expect(await threads.listOwn('alice', query)).toMatchObject({ ...none, has_more: true })
    expect(await threads.listOwn('carol', query)).toMatchObject({ ...none, has_more: false })
  })

  test.each([
    [1, ['desk']],
    [2, ['desk']],
    [1, ['sales', 'desk']],
    [20, ['sales', 'desk']],
  ] as const)(
    'of everyone goes on past threads that a server has lost, in pages of %i of %j',
    async (limit, names) => {
      const rows = Array.from({ length: 9 }, (_, at) => [`d${at}`, 'alice', at] as const)
      const desk = fakeSource('desk', rows, true)
      const { listThreads } = desk.chatkit
      // As the adapter does when it has looked at many lost threads: here two at a time.
      desk.chatkit.listThreads = async (query, call) => {
        const page = await listThreads({ ...query, limit: Math.min(2, query.limit ?? 2) }, call)
        const data = page.data.filter(({ id }) => !/[2-6]/.test(id))
        return { ...page, data, last_id: data.at(-1)?.id ?? page.last_id }
      }
      const { threads } = threadsOf(
        names.map((name) => (name === 'desk' ? desk : fakeSource(name, [['s4', 'bob', 4]]))),
      )
      const found: string[] = []
      for (let after: string | undefined, more = true; more; ) {
        const page = await threads.list({ ...QUERY, limit, after })
        found.push(...ids(page))
        more = page.has_more
        after = page.last_id ?? undefined
        if (more && after === undefined) throw new Error('nothing to go on from')
      }
      const others = names.length > 1 ? ['s4'] : []
      expect(found).toEqual(['d8', 'd7', ...others, 'd1', 'd0'])
    },
  )

  test.each(['after', 'before'] as const)(
    'one whose cursor does not move is asked once more, with %s',
    async (direction) => {
      const [, sales] = everything()
      const { listThreads } = sales.chatkit
      sales.chatkit.listThreads = async ({ user }, call) => ({
        ...(await listThreads({ user }, call)),
        has_more: true,
      })
      const { threads } = threadsOf([sales])
      expect(ids(await threads.listOwn('alice', QUERY))).toEqual(['s4', 's3'])
      expect(sales.calls).toEqual(['list', 'list'])
      const edge = direction === 'after' ? 's3' : 's4'
      await expect(threads.listOwn('alice', { ...QUERY, [direction]: edge })).rejects.toMatchObject(
        { code: 'upstream_invalid_response' },
      )
      expect(sales.calls).toEqual(['list', 'list', 'retrieve', 'list'])
    },
  )

  test('one that repeats itself does not keep us for ever', async () => {
    const [first, second] = everything()
    const whole = { after: undefined, limit: 2 }
    const { listThreads } = second.chatkit
    second.chatkit.listThreads = async (query, call) => {
      const page = await listThreads({ ...query, ...whole, user: 'alice' }, call)
      return { ...page, has_more: true }
    }
    const { threads } = threadsOf([first, second])
    await expect(threads.listOwn('alice', { ...QUERY, limit: 100 })).rejects.toMatchObject({
      code: 'upstream_invalid_response',
      reason: 'a list that ends at its cursor',
    })
  })

  test('one that goes round in a circle does not keep us for ever', async () => {
    const [first, second] = everything()
    const { listThreads } = second.chatkit
    second.chatkit.listThreads = async (query, call) => {
      const { data, ...page } = await listThreads({ user: 'alice' }, call)
      const [one, ...others] = data
      return {
        ...page,
        data: query.after === one?.id ? others : [one].flatMap((it) => it ?? []),
        has_more: true,
      }
    }
    const { threads } = threadsOf([first, second])
    await expect(threads.listOwn('alice', { ...QUERY, limit: 100 })).rejects.toMatchObject({
      code: 'upstream_invalid_response',
      reason: 'a list that does not end',
    })
  })

  test.each([
    ['nothing', []],
    ['only threads of others, however often it is asked', [['b1', 'bob', 1]]],
  ] as const)(
    'one that shows %s, and says that there is more, is an error and not the end',
    async (_, rows) => {
      const source = fakeSource('sales', rows)
      const { listThreads } = source.chatkit
      let shown = 0
      source.chatkit.listThreads = async (_query, call) => {
        const page = await listThreads({}, call)
        const data = page.data.map((thread) => ({ ...thread, id: `b${shown++}` }))
        return { ...page, data, has_more: true }
      }
      const { threads } = threadsOf([source])
      await expect(threads.listOwn('alice', QUERY)).rejects.toMatchObject({
        code: 'upstream_invalid_response',
        reason: 'a list that shows nothing of the user, and says that there is more',
      })
    },
  )
})

describe('one source', () => {
  const only = () =>
    fakeSource('support', [
      ['a1', 'alice', 1],
      ['b2', 'bob', 2],
      ['a3', 'alice', 3],
    ])

  test('a cursor is proven to be the user’s own before it goes anywhere', async () => {
    const source = only()
    const { threads } = threadsOf([source])
    expect(ids(await threads.listOwn('alice', { ...QUERY, after: 'a3' }))).toEqual(['a1'])
    const tell = (error: ServiceError) => [error.code, error.detail]
    const refusals = []
    for (const after of ['b2', 'none', 'a/b', 'a.b', 'x'.repeat(129)]) {
      source.calls.length = 0
      const refusal = threads.listOwn('alice', { ...QUERY, after }).then(String, tell)
      refusals.push(JSON.stringify(await refusal))
      expect(source.calls).not.toContain('list')
    }
    expect(new Set(refusals).size).toBe(1)
    expect(refusals[0]).toMatch(/^\["invalid_request","The cursor/)
  })

  test('a 400 without a cursor is no fault of the client’s', async () => {
    const source = only()
    source.failure = new ServiceError('invalid_request', { reason: 'the upstream says so' })
    const { threads } = threadsOf([source])
    await expect(threads.listOwn('alice', QUERY)).rejects.toMatchObject({
      code: 'upstream_rejected',
    })
  })
})

describe('one thread', () => {
  test('is looked for in all sources at once, and all are awaited', async () => {
    const sources = everything()
    const { threads } = threadsOf(sources)
    for (const id of ['s4', 'b3', 'none']) {
      const held = Promise.withResolvers<void>()
      sources[3].gate = held.promise
      let settled = false
      const answer = threads.retrieveOwn('alice', id).then(
        (thread) => thread.id,
        (error: ServiceError) => error.code,
      )
      void answer.then(() => {
        settled = true
      })
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(settled).toBe(false)
      held.resolve()
      expect(await answer).toBe(id === 's4' ? 's4' : 'not_found')
    }
    for (const { calls, asUsers } of sources) {
      expect(calls).toEqual(['retrieve', 'retrieve', 'retrieve'])
      expect(asUsers).toEqual(['alice', 'alice', 'alice'])
    }
  })

  test('of someone else and of nobody are refused alike, with nothing deleted or read', async () => {
    const sources = everything()
    const { threads } = threadsOf(sources)
    for (const id of ['b3', 'none']) {
      const calls = [
        threads.retrieveOwn('alice', id),
        threads.listOwnItems('alice', { id, query: {} }),
        threads.deleteOwn('alice', id),
      ]
      for (const one of calls) {
        await expect(one).rejects.toMatchObject({ code: 'not_found', detail: undefined })
      }
    }
    // A self-hosted source looks up the owner itself, so it gets the user who must own the thread.
    const made = sources.flatMap(({ calls, threadsAt }) => (threadsAt === undefined ? calls : []))
    expect(new Set(made)).toEqual(new Set(['retrieve']))
    expect(new Set(sources[3].asUsers)).toEqual(new Set(['alice']))
    expect(sources[3].calls).not.toContain('items')
  })

  test('a source that cannot say makes unknown ids an error, and known ones none', async () => {
    const sources = everything()
    sources[1].failure = down()
    const { threads } = threadsOf(sources)
    expect(await threads.retrieveOwn('alice', 'a3')).toMatchObject({ id: 'a3' })
    for (const id of ['b3', 'none']) {
      const answer = threads.retrieveOwn('alice', id)
      await expect(answer).rejects.toMatchObject({ code: 'upstream_unavailable' })
    }
  })

  test('a read and a delete go to its own source, as its own user', async () => {
    const sources = everything()
    const { threads } = threadsOf(sources)
    const items = await threads.listOwnItems('alice', { id: 'd3', query: {} })
    expect(ids(items)).toEqual(['d3_item'])
    const gone = { id: 'd3', object: 'chatkit.thread.deleted', deleted: true }
    expect(await threads.deleteOwn('alice', 'd3')).toEqual(gone)
    expect(sources[3].asUsers).toEqual(['alice', 'alice', 'alice'])
    expect(sources[3].calls).toEqual(['retrieve', 'items', 'delete'])
    const found = await threads.find('b3')
    expect(found).toMatchObject({ thread: { user: 'bob' }, source: { name: 'support' } })
    const located = await threads.locate('b3')
    expect(located).toMatchObject({ user: 'bob', source: { name: 'support' } })
    expect(await threads.delete(located)).toMatchObject({ id: 'b3', deleted: true })
    expect(sources[0].asUsers.at(-1)).toBe('bob')
    expect(sources[3].rows).toEqual([])
  })

  test('a self-hosted thread that its server has lost is located without asking the server', async () => {
    const sources = everything()
    const { threads } = threadsOf(sources)
    sources[3].chatkit.retrieveThread = async () => {
      throw down()
    }
    expect(await threads.locate('d3')).toMatchObject({ id: 'd3', user: 'alice' })
    expect(sources.flatMap(({ calls }) => calls)).toEqual([])
  })

  test('a delete that was not done is no success', async () => {
    const source = fakeSource('support', [['a1', 'alice', 1]])
    source.chatkit.deleteThread = async (id) => {
      return { id, object: 'chatkit.thread.deleted', deleted: false }
    }
    const { threads } = threadsOf([source])
    await expect(threads.deleteOwn('alice', 'a1')).rejects.toMatchObject({
      code: 'upstream_invalid_response',
    })
  })

  test('a workflow that is not in the config is refused', async () => {
    const { threads } = threadsOf(everything())
    await expect(threads.list({ ...QUERY, workflow: 'none' })).rejects.toMatchObject({
      code: 'workflow_not_allowed',
    })
  })
})

test('items of a thread that name another thread are left out, and those that name none are not', async () => {
  const [source] = everything()
  const { threads, foreign } = threadsOf([source])
  const item = { object: 'chatkit.thread_item', created_at: 1, type: 'x.new' }
  const data = [
    { ...item, id: 'own', thread_id: 'a1' },
    { ...item, id: 'foreign', thread_id: 'a3' },
    { ...item, id: 'unnamed' },
  ]
  source.chatkit.listThreadItems = async () =>
    ({ object: 'list', data, has_more: false, first_id: 'own', last_id: 'unnamed' }) as never
  expect(ids(await threads.listOwnItems('alice', { id: 'a1', query: {} }))).toEqual([
    'own',
    'unnamed',
  ])
  expect(foreign).toMatchObject([{ what: 'item', count: 1 }])
})

test('threads of another user that a source shows are left out, and reported', async () => {
  const [source] = everything()
  source.careless = true
  const { threads, foreign } = threadsOf([source])
  expect(ids(await threads.listOwn('alice', QUERY))).toEqual(['a5', 'a3', 'a1'])
  expect(foreign).toMatchObject([{ source: { name: 'support' }, what: 'thread', count: 1 }])
})
