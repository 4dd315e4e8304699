import { beforeEach, describe, expect, it } from 'vitest'
import { type ChatKitApi, createChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { apiRequest, CREDENTIALS } from '../support/chatkit/request.ts'
import { BARE_ITEMS, fullThread } from '../support/chatkit/seeds.ts'

const NOW = 1_760_000_000
let api: ChatKitApi
beforeEach(() => {
  api = createChatKitApi({ now: () => NOW * 1000 })
})

const withItems = (...items: object[]) => ({ user: 'u', items })
const MESSAGE = { type: 'chatkit.user_message' }
const TASK = { type: 'chatkit.task' }
const seed = (json: unknown) => apiRequest(api, '/_embedded/threads', { json, headers: {} })

describe('POST /_embedded/threads', () => {
  it('answers 200 with the thread, and the API has it', async () => {
    const { status, body } = await seed({
      user: 'alice',
      title: 'Hello',
      status: { type: 'active' },
    })
    expect(status).toBe(200)
    expect(body).toEqual({
      id: expect.stringMatching(/^cthr_/),
      object: 'chatkit.thread',
      created_at: NOW,
      status: { type: 'active' },
      title: 'Hello',
      user: 'alice',
    })
    const { id } = body as { id: string }
    expect(await apiRequest(api, `/v1/chatkit/threads/${id}`)).toMatchObject({ status: 200, body })
  })

  it('accepts items as the API lists them, for the new thread', async () => {
    const first = api.seedThread(fullThread('alice'))
    const listed = async (id: string) => {
      const answer = await apiRequest(api, `/v1/chatkit/threads/${id}/items?order=asc`)
      return (answer.body as { data: object[] }).data
    }
    const items = await listed(first.id)
    const { status, body } = await seed({ user: 'bob', items })
    expect(status).toBe(200)
    const { id } = body as { id: string }
    expect(await listed(id)).toEqual(items.map((item) => ({ ...item, thread_id: id })))
  })

  it('fills up items that have no more than their type', async () => {
    const items = BARE_ITEMS.map(([type]) => ({ type }))
    const { id } = (await seed({ user: 'alice', items })).body as { id: string }
    const { body } = await apiRequest(api, `/v1/chatkit/threads/${id}/items?order=asc`)
    expect((body as { data: object[] }).data).toEqual(
      BARE_ITEMS.map(([type, filled]) => ({
        type,
        id: expect.stringMatching(/^cthi_/),
        object: 'chatkit.thread_item',
        created_at: NOW,
        thread_id: id,
        ...(type === 'chatkit.client_tool_call' && { call_id: expect.stringMatching(/^call_/) }),
        ...filled,
      })),
    )
  })

  it('gives a client tool call that has an output the status completed', async () => {
    const items = [{ type: 'chatkit.client_tool_call', output: '{}' }]
    const { id } = (await seed({ user: 'alice', items })).body as { id: string }
    const { body } = await apiRequest(api, `/v1/chatkit/threads/${id}/items`)
    expect(body).toMatchObject({ data: [{ status: 'completed', output: '{}' }] })
  })

  it.each<[string, unknown]>([
    ['no user', { title: 'x' }],
    ['an empty user', { user: '' }],
    ['an unknown field', { user: 'u', owner: 'x' }],
    ['an unknown status', { user: 'u', status: { type: 'paused' } }],
    ['an unknown field of a status', { user: 'u', status: { type: 'locked', why: 'x' } }],
    ['an item without a type', withItems({})],
    ['an item of another kind', withItems({ type: 'chatkit.hologram' })],
    ['an unknown item field', withItems({ type: 'chatkit.widget', colour: 1 })],
    ['a widget that is no text', withItems({ type: 'chatkit.widget', widget: {} })],
    ['an attachment without a name', withItems({ ...MESSAGE, attachments: [{ id: 'a' }] })],
    ['two items of one id', withItems({ ...TASK, id: 'a' }, { ...TASK, id: 'a' })],
    ['a list', []],
  ])('refuses %s', async (_, json) => {
    expect(await seed(json)).toMatchObject({
      status: 400,
      body: { error: { type: 'invalid_request_error' } },
    })
    const { body } = await apiRequest(api, '/v1/chatkit/threads')
    expect(body).toMatchObject({ data: [] })
  })

  it('refuses an id that is taken', async () => {
    expect(await seed({ id: 'cthr_1', user: 'alice' })).toMatchObject({ status: 200 })
    expect(await seed({ id: 'cthr_1', user: 'bob' })).toMatchObject({ status: 400 })
    expect((await apiRequest(api, '/v1/chatkit/threads/cthr_1')).body).toMatchObject({
      user: 'alice',
    })
  })
})

describe('/_embedded/requests', () => {
  const recorded = async () =>
    ((await apiRequest(api, '/_embedded/requests', { headers: {} })).body as { data: object[] })
      .data

  it('shows each request and its answer, without the key', async () => {
    const headers = {
      ...CREDENTIALS,
      cookie: 'a=b',
      'openai-organization': 'org_1',
      'openai-project': 'proj_1',
    }
    const json = { user: 'alice', workflow: { id: 'wf_1' } }
    const answer = await apiRequest(api, '/v1/chatkit/sessions', { json, headers })
    await apiRequest(api, '/v1/chatkit/threads/a%20b?x=1', { method: 'DELETE' })
    expect(await recorded()).toEqual([
      {
        at: NOW,
        method: 'POST',
        path: '/v1/chatkit/sessions',
        query: '',
        headers: {
          'content-type': 'application/json',
          'openai-beta': 'chatkit_beta=v1',
          'openai-organization': 'org_1',
          'openai-project': 'proj_1',
        },
        key_hint: '…6789',
        body: json,
        request_id: answer.headers.get('x-request-id'),
        status: 200,
      },
      expect.objectContaining({
        method: 'DELETE',
        path: '/v1/chatkit/threads/a%20b',
        query: 'x=1',
        body: null,
        status: 404,
      }),
    ])
    expect(JSON.stringify(await recorded())).not.toContain('sk-test')
    expect(api.requests()).toEqual(await recorded())
  })

  it('shows refused and malformed requests too', async () => {
    await apiRequest(api, '/v1/chatkit/sessions', { method: 'POST', headers: {}, body: '{oops' })
    expect(await recorded()).toMatchObject([{ key_hint: null, body: '{oops', status: 401 }])
  })

  it('keeps the latest 1000 requests until they are cleared', async () => {
    for (let index = 0; index < 1003; index++) {
      await apiRequest(api, `/v1/chatkit/threads?limit=${index}`)
    }
    const queries = (await recorded()).map((request) => (request as { query: string }).query)
    expect([queries.length, queries.at(0), queries.at(-1)]).toEqual([1000, 'limit=3', 'limit=1002'])
    const cleared = await apiRequest(api, '/_embedded/requests', { method: 'DELETE', headers: {} })
    expect([cleared.status, await recorded()]).toEqual([204, []])
  })
})
