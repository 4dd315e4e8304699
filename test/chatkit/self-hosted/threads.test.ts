import { describe, expect, test } from 'vitest'
import type { UpstreamCall } from '../../../src/chatkit/port.ts'
import { asAt, createThread, startScene, WORKFLOW } from '../../gateway/scene.ts'
import { ask } from '../../support/chatkit/server-client.ts'
import { forEachTest } from '../../support/started.ts'

const scene = forEachTest(() => startScene())

async function seed(user: string, count: number, text = 'hello there'): Promise<string[]> {
  const asker = asAt(scene.url, await scene.session(user))
  const made: string[] = []
  for (let at = 0; at < count; at++) made.push((await createThread(asker, text)).id)
  return made
}

const ids = (page: { data: readonly { id: string }[] }) => page.data.map(({ id }) => id)

/** Calls the server directly, not through the gateway. */
const lose = (thread_id: string) => ask(scene.sample.url, ['threads.delete', { thread_id }])

describe('list', () => {
  test('has a user’s threads in the reference’s shape, newest first', async () => {
    const [first = '', second = ''] = await seed('alice', 2)
    await seed('bob', 1)
    const page = await scene.chatkit.listThreads({ user: 'alice' })
    expect(page).toEqual({
      object: 'list',
      data: [second, first].map((id) => ({
        id,
        object: 'chatkit.thread',
        created_at: expect.any(Number),
        status: { type: 'active' },
        title: 'hello there',
        user: 'alice',
      })),
      first_id: second,
      last_id: first,
      has_more: false,
    })
  })

  test('without a user has the threads of all users', async () => {
    const all = [...(await seed('alice', 2)), ...(await seed('bob', 1))]
    const page = await scene.chatkit.listThreads({})
    expect(ids(page)).toEqual(all.toReversed())
    expect(page.data.map(({ user }) => user)).toEqual(['bob', 'alice', 'alice'])
  })

  test('pages in both orders and both ways', async () => {
    const all = await seed('alice', 5)
    const [a, b, c, d, e] = all
    const first = await scene.chatkit.listThreads({ user: 'alice', order: 'asc', limit: 2 })
    expect([ids(first), first.has_more]).toEqual([[a, b], true])
    const last = { user: 'alice', order: 'asc', limit: 3, after: first.last_id ?? '' } as const
    const rest = await scene.chatkit.listThreads(last)
    expect([ids(rest), rest.has_more]).toEqual([[c, d, e], false])
    const before = await scene.chatkit.listThreads({ user: 'alice', before: a ?? '', limit: 2 })
    expect([ids(before), before.has_more]).toEqual([[c, b], true])
    const none = await scene.chatkit.listThreads({ user: 'alice', limit: 0 })
    expect(none).toMatchObject({ data: [], first_id: null, last_id: null, has_more: true })
    await expect(
      scene.chatkit.listThreads({ user: 'alice', after: 'thr_x' }),
    ).rejects.toMatchObject({ code: 'invalid_request' })
  })

  test('leaves out what the server has lost, without shorter pages, and forgets no owner', async () => {
    const [a, b, c = '', d = '', e] = await seed('alice', 5)
    await lose(c)
    await lose(d)
    const page = await scene.chatkit.listThreads({ user: 'alice', limit: 2 })
    expect([ids(page), page.has_more]).toEqual([[e, b], true])
    const rest = await scene.chatkit.listThreads({
      user: 'alice',
      limit: 2,
      after: page.last_id ?? '',
    })
    expect([ids(rest), rest.has_more]).toEqual([[a], false])
    const thing = { source: WORKFLOW, kind: 'thread', id: c } as const
    expect(await scene.registry.ownersOf([thing])).toEqual(['alice'])
  })

  test('of a server that is down fails', async () => {
    await seed('alice', 1)
    scene.sample.server.setFaults({ down: true })
    const refused = { code: 'upstream_unavailable' }
    await expect(scene.chatkit.listThreads({ user: 'alice' })).rejects.toMatchObject(refused)
  })
})

describe('retrieve, remove', () => {
  test('act as the owner', async () => {
    const [id = ''] = await seed('bob', 1)
    scene.sample.server.clearRequests()
    expect(await scene.chatkit.retrieveThread(id)).toMatchObject({ id, user: 'bob' })
    const [request] = scene.sample.server.requests()
    expect(request).toMatchObject({ type: 'threads.get_by_id', params: { thread_id: id } })
    const token = (request?.headers['authorization'] ?? '').split('.')[1] ?? ''
    const claims = JSON.parse(Buffer.from(token, 'base64url').toString())
    expect(claims).toMatchObject({ sub: 'bob', aud: scene.sample.url, state: {} })
    expect(request?.headers['x-chatkit-user']).toBe('bob')
  })

  test('a thread that nobody owns is not_found, and the server is not asked', async () => {
    scene.sample.server.clearRequests()
    for (const call of [scene.chatkit.retrieveThread, scene.chatkit.deleteThread]) {
      await expect(call('thr_x')).rejects.toMatchObject({ code: 'not_found' })
    }
    await expect(scene.chatkit.listThreadItems('thr_x', {})).rejects.toMatchObject({
      code: 'not_found',
    })
    expect(scene.sample.server.requests()).toEqual([])
  })

  test('a removed thread is gone from the server and from the records', async () => {
    const [id = '', other] = await seed('alice', 2)
    const gone = { id, object: 'chatkit.thread.deleted', deleted: true }
    expect(await scene.chatkit.deleteThread(id)).toEqual(gone)
    expect(ids(await scene.chatkit.listThreads({}))).toEqual([other])
    await expect(scene.chatkit.deleteThread(id)).rejects.toMatchObject({ code: 'not_found' })
    const answer = await ask(scene.sample.url, ['threads.get_by_id', { thread_id: id }])
    expect(answer.status).toBe(404)
  })

  test('a thread that the server has lost is deleted, and its record goes', async () => {
    const [id = ''] = await seed('alice', 1)
    await lose(id)
    expect(await scene.chatkit.deleteThread(id)).toMatchObject({ id, deleted: true })
    const thing = { source: WORKFLOW, kind: 'thread', id } as const
    expect(await scene.registry.ownersOf([thing])).toEqual([undefined])
  })

  test('a 404 from an address without a ChatKit server leaves the ownership record in place', async () => {
    const [id = ''] = await seed('alice', 1)
    scene.sample.server.setFaults({ status: 404, body: { detail: 'Not Found' } })
    await expect(scene.chatkit.deleteThread(id)).rejects.toMatchObject({
      code: 'upstream_rejected',
    })
    scene.sample.server.setFaults({})
    expect(await scene.chatkit.retrieveThread(id)).toMatchObject({ id, user: 'alice' })
  })

  test('an answer with another thread than asked for is refused', async () => {
    const [id = ''] = await seed('alice', 1)
    scene.sample.server.setFaults({ status: 200, body: { id: 'thr_other', created_at: 1 } })
    const refused = { code: 'upstream_invalid_response' }
    await expect(scene.chatkit.retrieveThread(id)).rejects.toMatchObject(refused)
  })
})

describe('as a user', () => {
  test('another owner’s thread is not_found, and the server is not asked', async () => {
    const [id = ''] = await seed('bob', 1)
    scene.sample.server.clearRequests()
    const call = { asUser: 'alice' }
    const refused = { code: 'not_found' }
    await expect(scene.chatkit.retrieveThread(id, call)).rejects.toMatchObject(refused)
    await expect(scene.chatkit.deleteThread(id, call)).rejects.toMatchObject(refused)
    await expect(scene.chatkit.listThreadItems(id, {}, call)).rejects.toMatchObject(refused)
    expect(scene.sample.server.requests()).toEqual([])
    expect(await scene.chatkit.retrieveThread(id, { asUser: 'bob' })).toMatchObject({ user: 'bob' })
  })
})

describe('items', () => {
  test('are parsed and checked by the work that the caller allows', async () => {
    const [id = ''] = await seed('alice', 1)
    const parsed: unknown[] = []
    const work = async <T>(run: () => T): Promise<T> => {
      const value = run()
      parsed.push(value)
      return value
    }
    const page = await scene.chatkit.listThreadItems(id, {}, { work })
    expect(parsed).toMatchObject([{ data: page.data.map((item) => ({ id: item.id })) }])
  })

  test('of another thread than was asked for are refused', async () => {
    const [id = ''] = await seed('alice', 1)
    const item = { id: 'i1', created_at: 1, type: 'task', task: {} }
    const data = [
      { ...item, thread_id: id },
      { ...item, thread_id: 'thr_other' },
    ]
    scene.sample.server.setFaults({ status: 200, body: { data, has_more: false } })
    const refused = { code: 'upstream_invalid_response' }
    await expect(scene.chatkit.listThreadItems(id, {})).rejects.toMatchObject(refused)
  })

  test('in the reference’s shapes, newest first, in pages both ways', async () => {
    const [id = ''] = await seed('alice', 1, 'task widget please')
    const page = await scene.chatkit.listThreadItems(id, { order: 'asc' })
    expect(page.data.map(({ type }) => type)).toEqual([
      'chatkit.user_message',
      'chatkit.task',
      'chatkit.widget',
      'chatkit.assistant_message',
    ])
    const [a, b, c, d] = ids(page)
    expect(ids(await scene.chatkit.listThreadItems(id, {}))).toEqual([d, c, b, a])
    const first = await scene.chatkit.listThreadItems(id, { limit: 3 })
    expect([ids(first), first.has_more, first.last_id]).toEqual([[d, c, b], true, b])
    const rest = await scene.chatkit.listThreadItems(id, { limit: 3, after: first.last_id ?? '' })
    expect([ids(rest), rest.has_more]).toEqual([[a], false])
    const before = await scene.chatkit.listThreadItems(id, {
      order: 'asc',
      before: d ?? '',
      limit: 2,
    })
    expect([ids(before), before.has_more]).toEqual([[b, c], true])
    const between = { order: 'asc', after: a ?? '', before: d ?? '' } as const
    expect(await scene.chatkit.listThreadItems(id, between)).toMatchObject({
      has_more: false,
      first_id: b,
    })
    expect(ids(await scene.chatkit.listThreadItems(id, between))).toEqual([b, c])
    await expect(scene.chatkit.listThreadItems(id, { after: 'msg_x' })).rejects.toMatchObject({
      code: 'invalid_request',
    })
  })
})

test('every call is reported once with its outcome', async () => {
  const [id = ''] = await seed('alice', 1)
  const seen: UpstreamCall[] = []
  const observe = (call: UpstreamCall) => seen.push(call)
  await scene.chatkit.listThreads({}, { observe })
  await scene.chatkit.retrieveThread(id, { observe })
  await scene.chatkit.listThreadItems(id, {}, { observe })
  await scene.chatkit.deleteThread(id, { observe })
  await scene.chatkit.deleteThread(id, { observe }).catch(() => undefined)
  expect(seen.map(({ operation, status, attempts }) => [operation, status, attempts])).toEqual([
    ['list_threads', 200, 1],
    ['retrieve_thread', 200, 1],
    ['list_thread_items', 200, 1],
    ['delete_thread', 200, 1],
    ['delete_thread', undefined, 0],
  ])
})
