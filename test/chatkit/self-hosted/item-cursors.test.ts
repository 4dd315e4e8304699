import { json } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startScene, WORKFLOW } from '../../gateway/scene.ts'
import { userId } from '../../support/ids.ts'
import { serve } from '../../support/network/listen.ts'

interface Asked {
  readonly params: { limit: number; order: 'asc' | 'desc'; after?: string }
}

/** A server with a thread of items, `i0` the oldest, whose cursors are offsets. */
async function start({
  pageSize = 100,
  refusal = 400,
  givesCursors = true,
  hidden = [] as readonly string[],
  count = 11,
  isStuck = false,
  cursorAtEnd = false,
  failsFrom = Number.POSITIVE_INFINITY,
  knowsPages = true,
  knowsCursors = true,
} = {}) {
  const items = Array.from({ length: count }, (_, at) => ({
    ...{ id: `i${at}`, thread_id: 'thr_1', created_at: at, type: 'task', task: {} },
  }))
  const asked: (string | undefined)[] = []
  const limits: number[] = []
  const { origin, close } = await serve(async (request, response) => {
    const { limit, order, after } = ((await json(request)) as Asked).params
    asked.push(after)
    limits.push(limit)
    const offset =
      after === undefined || !knowsCursors ? 0 : Number(/^offset:(\d+)$/.exec(after)?.[1])
    const end = offset + Math.min(limit, pageSize)
    const sorted = order === 'asc' ? items : items.toReversed()
    const isMore = isStuck || end < items.length
    const page = {
      data: sorted.slice(offset, end).filter(({ id }) => !hidden.includes(id)),
      has_more: isMore,
      after: givesCursors && (isMore || cursorAtEnd) ? `offset:${isStuck ? 1 : end}` : null,
    }
    if (!knowsPages) {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ data: items, has_more: false }))
      return
    }
    const [status, body] = Number.isNaN(offset) || offset >= failsFrom ? [refusal, {}] : [200, page]
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  const scene = await startScene({ server: `${origin}/chatkit` })
  onTestFinished(async () => {
    await scene.close()
    await close()
  })
  const owned = { source: WORKFLOW, kind: 'thread', id: 'thr_1', user: userId('alice') } as const
  await scene.registry.claimOwnership({ ...owned, createdAt: 1 })
  const list = async (query: Parameters<typeof scene.chatkit.listThreadItems>[1]) => {
    const page = await scene.chatkit.listThreadItems('thr_1', query)
    return { ...page, ids: page.data.map(({ id }) => id).join(' ') }
  }
  return { list, asked, limits }
}

describe('items of a server whose cursors are no ids', () => {
  test.each([400, 422, 500])(
    'that answers %i to an id: all pages come, in both orders',
    async (refusal) => {
      const { list } = await start({ refusal })
      for (const [order, first, second, third] of [
        ['desc', 'i10 i9 i8 i7', 'i6 i5 i4 i3', 'i2 i1 i0'],
        ['asc', 'i0 i1 i2 i3', 'i4 i5 i6 i7', 'i8 i9 i10'],
      ] as const) {
        const one = await list({ order, limit: 4 })
        const two = await list({ order, limit: 4, after: one.last_id ?? '' })
        const three = await list({ order, limit: 4, after: two.last_id ?? '' })
        expect([one.ids, two.ids, three.ids]).toEqual([first, second, third])
        expect([one.has_more, two.has_more, three.has_more]).toEqual([true, true, false])
      }
    },
  )

  test('that gives fewer than were asked for: a page is filled with its own cursors', async () => {
    const { list, asked } = await start({ pageSize: 3 })
    expect(await list({ limit: 8 })).toMatchObject({
      ids: 'i10 i9 i8 i7 i6 i5 i4 i3',
      has_more: true,
    })
    expect(asked).toEqual([undefined, 'offset:3', 'offset:6'])
    expect(await list({ limit: 3, after: 'i5' })).toMatchObject({ ids: 'i4 i3 i2', has_more: true })
    expect(await list({ limit: 2, before: 'i5' })).toMatchObject({ ids: 'i7 i6', has_more: true })
  })

  test.each([400, 500])(
    'that answers %i to an id: an item of nobody is a bad cursor',
    async (refusal) => {
      const { list } = await start({ refusal, pageSize: 5 })
      await expect(list({ after: 'i99' })).rejects.toMatchObject({ code: 'invalid_request' })
    },
  )

  test('a failure that has nothing to do with the cursor is asked about once', async () => {
    const { list, asked } = await start({ refusal: 429 })
    await expect(list({ after: 'i5' })).rejects.toMatchObject({ code: 'upstream_rate_limited' })
    expect(asked).toEqual(['i5'])
  })

  test('that gives no cursors at all: what follows its first page is a failure, not the end of the list', async () => {
    const { list } = await start({ pageSize: 4, givesCursors: false })
    expect(await list({ limit: 2, after: 'i10' })).toMatchObject({ ids: 'i9 i8', has_more: true })
    const failure = { code: 'invalid_request', reason: 'the server refuses the cursor' }
    await expect(list({ limit: 4, after: 'i7' })).rejects.toMatchObject(failure)
    await expect(list({ limit: 8 })).rejects.toMatchObject(failure)
  })

  test('that hides items after it has cut a page: an empty page is not the end of the list', async () => {
    const hidden = ['i0', 'i4', 'i5', 'i6', 'i7', 'i9', 'i10']
    const { list, asked } = await start({ hidden })
    expect(await list({ limit: 1 })).toMatchObject({ ids: 'i8', has_more: true })
    expect(asked).toEqual([undefined, 'offset:1'])
    expect(await list({ limit: 2, after: 'i8' })).toMatchObject({ ids: 'i3 i2', has_more: true })
    expect(await list({ limit: 2, before: 'i3' })).toMatchObject({ ids: 'i8', has_more: false })
    expect(await list({ limit: 1, order: 'asc' })).toMatchObject({ ids: 'i1', has_more: true })
    expect(await list({ limit: 9, order: 'asc' })).toMatchObject({
      ids: 'i1 i2 i3 i8',
      has_more: false,
    })
  })

  test('that shows none of its items in 20 pages: the list is a failure, not at its end', async () => {
    const hidden = Array.from({ length: 999 }, (_, at) => `i${at}`)
    const { list, limits } = await start({ hidden, count: 999, pageSize: 1 })
    await expect(list({ limit: 1 })).rejects.toMatchObject({ code: 'upstream_invalid_response' })
    expect(limits).toEqual([1, 2, 4, 8, 16, 32, 64, ...Array.from({ length: 13 }, () => 100)])
  })

  test('that gives the cursor of an empty page again, or one at the end: it is not asked further', async () => {
    const hidden = Array.from({ length: 11 }, (_, at) => `i${at}`)
    const stuck = await start({ hidden, isStuck: true })
    await stuck.list({ limit: 1 }).catch(() => undefined)
    expect(stuck.asked).toEqual([undefined, 'offset:1'])
    const ended = await start({ hidden, cursorAtEnd: true })
    expect(await ended.list({ limit: 20 })).toMatchObject({ ids: '', has_more: false })
    expect(ended.asked).toEqual([undefined])
  })

  test('that fails at its own cursor: its items are not read again from the start', async () => {
    const { list, asked } = await start({ refusal: 500, pageSize: 3, failsFrom: 3 })
    await expect(list({ limit: 4 })).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(asked).toEqual([undefined, 'offset:3'])
  })

  test('that has very many items: it gets 20 requests for one that is on none of their pages', async () => {
    const { list, asked } = await start({ count: 99, pageSize: 1 })
    await expect(list({ after: 'i99' })).rejects.toMatchObject({ code: 'invalid_request' })
    expect(asked).toHaveLength(21)
  })

  test('that knows no pages and gives all items each time: each comes once, in pages', async () => {
    const { list } = await start({ knowsPages: false })
    const order = 'asc'
    const one = { ids: 'i0 i1 i2 i3 i4 i5', has_more: true }
    expect(await list({ order, limit: 6 })).toMatchObject(one)
    const two = { ids: 'i6 i7 i8 i9 i10', has_more: false }
    expect(await list({ order, limit: 6, after: 'i5' })).toMatchObject(two)
    expect(await list({ order, after: 'i10' })).toMatchObject({ ids: '', has_more: false })
  })

  test('that gives its first page each time: the list is a failure, not at its end', async () => {
    const { list } = await start({ knowsCursors: false })
    const failure = { code: 'upstream_invalid_response', reason: 'a list that ends at its cursor' }
    await expect(list({ limit: 4, after: 'i7' })).rejects.toMatchObject(failure)
    await expect(list({ limit: 4, order: 'asc', before: 'i7' })).rejects.toMatchObject(failure)
  })

  test('that hides all items: the list is empty', async () => {
    const hidden = Array.from({ length: 11 }, (_, at) => `i${at}`)
    const { list, asked } = await start({ hidden, pageSize: 1 })
    expect(await list({ limit: 1 })).toMatchObject({ ids: '', has_more: false })
    expect(asked).toHaveLength(11)
  })
})
