import { beforeEach, describe, expect, it } from 'vitest'
import { type ChatKitApi, createChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { apiRequest } from '../support/chatkit/request.ts'

let api: ChatKitApi
/** a1 b1 a2 b2 a3 b3 a4 b4 a5 b5, oldest first, two in each second. */
const ALL = ['a1', 'b1', 'a2', 'b2', 'a3', 'b3', 'a4', 'b4', 'a5', 'b5']

beforeEach(() => {
  api = createChatKitApi({ now: () => 0 })
  ALL.forEach((id, index) => {
    api.seedThread({ id, user: id.startsWith('a') ? 'alice' : 'bob', created_at: index >> 1 })
  })
})

async function page(query: string) {
  const { status, body } = await apiRequest(api, `/v1/chatkit/threads?${query}`)
  expect(status).toBe(200)
  const { data, ...rest } = body as { data: { id: string }[] }
  return { ids: data.map(({ id }) => id).join(' '), ...rest }
}

function pageOf(ids: string, has_more: boolean) {
  const [first_id = null] = ids.split(' ').filter(Boolean)
  const last_id = ids.split(' ').filter(Boolean).at(-1) ?? null
  return { object: 'list', ids, first_id, last_id, has_more }
}

describe('pages', () => {
  it.each([
    ['', 'b5 a5 b4 a4 b3 a3 b2 a2 b1 a1', false],
    ['order=asc', 'a1 b1 a2 b2 a3 b3 a4 b4 a5 b5', false],
    ['limit=0', '', true],
    ['limit=1', 'b5', true],
    ['limit=10', 'b5 a5 b4 a4 b3 a3 b2 a2 b1 a1', false],
    ['limit=100', 'b5 a5 b4 a4 b3 a3 b2 a2 b1 a1', false],
    ['after=b4&limit=2', 'a4 b3', true],
    ['after=b1', 'a1', false],
    ['after=a1', '', false],
    ['after=b4&limit=2&order=asc', 'a5 b5', false],
    ['before=b3&limit=2', 'b4 a4', true],
    ['before=b3&limit=4', 'b5 a5 b4 a4', false],
    ['before=a2&limit=2&order=asc', 'a1 b1', false],
    ['before=b5', '', false],
    ['before=a1&limit=0', '', true],
    ['after=b5&before=b3', 'a5 b4 a4', false],
    ['after=b5&before=b3&limit=2', 'a5 b4', true],
    ['after=b3&before=b5', '', false],
    ['after=b3&before=b3', '', false],
    ['user=alice&order=asc', 'a1 a2 a3 a4 a5', false],
    ['user=alice&limit=2&after=a4', 'a3 a2', true],
    ['user=carol', '', false],
    ['user=carol&limit=0', '', false],
  ])('%s', async (query, ids, hasMore) => {
    expect(await page(query)).toEqual(pageOf(ids, hasMore))
  })

  it('holds 20 entries when nothing else is asked for, and 100 at most', async () => {
    for (let index = 0; index < 100; index++) api.seedThread({ user: 'many' })
    expect((await page('user=many')).ids.split(' ')).toHaveLength(20)
    expect((await page('limit=100')).ids.split(' ')).toHaveLength(100)
  })

  it('a deleted thread is gone, and the others stay in order', async () => {
    await apiRequest(api, '/v1/chatkit/threads/b3', { method: 'DELETE' })
    expect(await page('order=asc')).toEqual(pageOf('a1 b1 a2 b2 a3 a4 b4 a5 b5', false))
  })

  it.each([
    ['after=unknown', 'after'],
    ['before=unknown', 'before'],
    ['after=b5&before=unknown', 'before'],
    ['user=alice&after=b3', 'after'],
    ['user=alice&before=b3', 'before'],
  ])('refuses the cursor of %s', async (query, param) => {
    const { status, body } = await apiRequest(api, `/v1/chatkit/threads?${query}`)
    expect(status).toBe(400)
    const type = 'invalid_request_error'
    expect(body).toEqual({
      error: { message: expect.any(String), type, param, code: 'invalid_value' },
    })
  })
})

describe('pages of items', () => {
  beforeEach(() => {
    const items = (prefix: string) =>
      [3, 1, 2, 1].map((created_at, index) => {
        return { type: 'chatkit.widget' as const, id: `${prefix}${index}`, created_at }
      })
    api.seedThread({ id: 'x', user: 'alice', items: items('x') })
    api.seedThread({ id: 'y', user: 'alice', items: items('y') })
  })

  const items = async (query: string) => {
    const { status, body } = await apiRequest(api, `/v1/chatkit/threads/x/items?${query}`)
    const data = (body as { data?: { id: string }[] }).data
    return { status, ids: data?.map(({ id }) => id).join(' ') }
  }

  it('are in order of time, equal seconds in order of creation', async () => {
    expect(await items('order=asc')).toEqual({ status: 200, ids: 'x1 x3 x2 x0' })
    expect(await items('')).toEqual({ status: 200, ids: 'x0 x2 x3 x1' })
  })

  it('take cursors of their own thread only', async () => {
    expect(await items('after=x2')).toEqual({ status: 200, ids: 'x3 x1' })
    expect(await items('after=y2')).toMatchObject({ status: 400 })
    expect(await items('before=y2')).toMatchObject({ status: 400 })
  })
})
