import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { REQUEST_TYPES, type RequestType } from '../../../src/chatkit/protocol/request.ts'
import { eventsOf, input, type Json, textOf } from '../../support/chatkit/server-client.ts'
import { startNodeSdk } from '../../support/node-sdk/server.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { forAllTests } from '../../support/started.ts'
import { asAt, createThread, ISSUER, itemIn, type Session, startScene } from '../scene.ts'

// The gateway in front of a third-party ChatKit server, `chatkit-node-backend-sdk`.

let session: Session
let alice: ReturnType<typeof asAt>
let bob: ReturnType<typeof asAt>
const sdk = forAllTests(() => startNodeSdk())
const scene = forAllTests(() =>
  startScene({ server: sdk.url, workflow: { uploadUrl: sdk.uploadUrl } }),
)
const printed = vi.spyOn(console, 'log')
beforeAll(async () => {
  // The SDK prints each request.
  printed.mockReturnValue()
  session = await scene.session('alice')
  alice = asAt(scene.url, session)
  bob = asAt(scene.url, await scene.session('bob'))
})
afterAll(() => printed.mockRestore())
beforeEach(() => {
  sdk.seen.length = 0
})

const reachable = (link: unknown) => String(link).replace(ISSUER, scene.origin)
const streamed = async (type: RequestType, params: Json) => eventsOf(await alice([type, params]))
const typesOf = (events: readonly Json[]) => events.map(({ type }) => type)

async function answered(type: RequestType, params: Json): Promise<Json> {
  const response = await alice([type, params])
  expect(response.status).toBe(200)
  return (await response.json()) as Json
}

const ANSWER = [
  'thread.item.added',
  'thread.item.updated',
  'thread.item.updated',
  'thread.item.updated',
  'thread.item.done',
]

describe('streams', () => {
  test('a new thread, and a message in it, are answered to the end', async () => {
    const { id: thread_id, events } = await createThread(alice, 'one')
    expect(typesOf(events)).toEqual([
      'thread.created',
      'thread.item.done',
      ...ANSWER,
      'thread.updated',
    ])
    expect(textOf(events)).toBe('Hello alice, you said: one')
    const more = await streamed('threads.add_user_message', { thread_id, input: input('two') })
    expect(typesOf(more)).toEqual(['thread.item.done', ...ANSWER, 'thread.updated'])
    expect(textOf(more)).toBe('Hello alice, you said: two')
  })

  test('a client tool’s output continues the answer that asked for it', async () => {
    const { id: thread_id, events } = await createThread(alice, 'tool')
    expect(itemIn(events, 'client_tool_call')).toMatchObject({ status: 'pending' })
    const result = { rows: [{ thread_id: 'of another system' }] }
    const more = await streamed('threads.add_client_tool_output', { thread_id, result })
    expect(more[0]).toMatchObject({
      type: 'thread.item.replaced',
      item: { status: 'completed', output: result },
    })
    expect(textOf(more)).toBe('The tool has answered.')
  })

  test('an answer is tried again, and a widget’s action replaces the widget', async () => {
    const { id: thread_id, events } = await createThread(alice, 'widget')
    const user = itemIn(events, 'user_message').id
    const again = await streamed('threads.retry_after_item', { thread_id, item_id: user })
    expect(typesOf(again)).toEqual(['thread.item.done'])
    const item_id = itemIn(events, 'widget').id
    const action = { type: 'press', payload: {} }
    const [replaced] = await streamed('threads.custom_action', { thread_id, item_id, action })
    expect(replaced).toMatchObject({
      type: 'thread.item.replaced',
      item: { id: item_id, widget: { children: [{ type: 'Text', value: 'press' }] } },
    })
    const alone = await streamed('threads.custom_action', { thread_id, action })
    expect(textOf(alone)).toBe('Action press.')
  })

  test.each([
    ['refuse', { code: 'custom', message: 'Not today.', allow_retry: true }],
    ['fail', { code: 'rate_limit.exceeded', allow_retry: false }],
    ['break', { code: 'stream.error', allow_retry: true }],
  ])('the error event of a server that says "%s" reaches the person', async (word, error) => {
    const { events } = await createThread(alice, word)
    expect(events.at(-1)).toEqual({ type: 'error', ...error })
  })
})

describe('answers', () => {
  test('a thread, its items and the list are what the server itself answers', async () => {
    const { id: thread_id } = await createThread(alice, 'kept')
    const direct = async (type: RequestType, params: Json) =>
      (await asAt(sdk.url, session)([type, params])).json()
    for (const type of ['threads.get_by_id', 'items.list'] as const) {
      expect(await answered(type, { thread_id })).toEqual(await direct(type, { thread_id }))
    }
    const page = await answered('items.list', { thread_id, limit: 1 })
    expect(page).toMatchObject({ data: [{ type: 'user_message' }], has_more: true })
    const rest = await answered('items.list', { thread_id, after: page['after'] })
    expect(rest).toMatchObject({ data: [{ type: 'assistant_message' }], has_more: false })
    const list = await answered('threads.list', { limit: 1 })
    expect(list).toMatchObject({ data: [{ id: thread_id, title: 'kept' }], has_more: true })
  })

  test('feedback, a title and a delete arrive', async () => {
    const { id: thread_id, events } = await createThread(alice, 'short')
    const item_ids = [itemIn(events, 'assistant_message').id]
    expect(await answered('items.feedback', { thread_id, item_ids, kind: 'positive' })).toEqual({})
    expect(sdk.assistant.feedback).toContainEqual([thread_id, item_ids, 'positive'])
    expect(await answered('threads.update', { thread_id, title: 'new' })).toMatchObject({
      id: thread_id,
      title: 'new',
    })
    expect(await answered('threads.delete', { thread_id })).toEqual({})
    expect(sdk.store.threads.has(thread_id)).toBe(false)
    expectProblem(
      await answerOf(await alice(['threads.get_by_id', { thread_id }])),
      404,
      'not_found',
    )
  })

  test('a request that this SDK does not know gets 500 from it, and 503 from the gateway', async () => {
    const { id: thread_id } = await createThread(alice)
    const action = { type: 'press', payload: {} }
    const answers = [
      await alice(['threads.sync_custom_action', { thread_id, action }]),
      await alice(['input.transcribe', { audio_base64: 'AAAA', mime_type: 'audio/wav' }]),
    ]
    for (const answer of answers) {
      expectProblem(await answerOf(answer), 503, 'upstream_unavailable')
    }
  })
})

describe('attachments', () => {
  const PICTURE = { name: 'a.png', size: 3, mime_type: 'image/png' }

  test('a file is uploaded in two phases, previewed, sent in a message, and deleted', async () => {
    const made = await answered('attachments.create', PICTURE)
    const attachment_id = String(made['id'])
    expect(JSON.stringify(made)).not.toContain(sdk.origin)
    const link = reachable(made['upload_url'])
    expect((await fetch(link, { method: 'PUT', body: 'abc' })).status).toBe(204)
    expect(sdk.files.get(attachment_id)?.toString()).toBe('abc')
    const seen = await fetch(reachable(made['preview_url']))
    expect(seen.headers.get('content-type')).toBe('image/png')
    expect(await seen.text()).toBe('abc')
    const { events } = await createThread(alice, 'see this', [attachment_id])
    const message = itemIn(events, 'user_message') as { attachments?: readonly Json[] }
    const shown = await fetch(reachable(message.attachments?.[0]?.['preview_url']))
    expect(await shown.text()).toBe('abc')
    expect(await answered('attachments.delete', { attachment_id })).toEqual({})
    expect(sdk.files.has(attachment_id)).toBe(false)
  })

  test('a form makes an attachment of the caller’s', async () => {
    const body = new FormData()
    body.set('file', new File(['abc'], 'a.png', { type: 'image/png' }))
    const headers = { authorization: `Bearer ${session.secret}` }
    const made = (await (await fetch(scene.url, { method: 'POST', headers, body })).json()) as Json
    expect(sdk.files.get(String(made['id']))?.toString()).toBe('abc')
    expect(await (await fetch(reachable(made['preview_url']))).text()).toBe('abc')
    const request = ['threads.create', { input: input('hi', [String(made['id'])]) }] as const
    sdk.seen.length = 0
    expect((await bob(request)).status).toBe(404)
    expect(sdk.seen).toEqual([])
  })
})

describe('a thread that the server has lost', () => {
  test('is an error for its requests, is left out of the list, and can be deleted', async () => {
    const { id: kept } = await createThread(alice)
    const { id: thread_id } = await createThread(alice)
    sdk.store.threads.delete(thread_id)
    const get = await answerOf(await alice(['threads.get_by_id', { thread_id }]))
    expectProblem(get, 503, 'upstream_unavailable')
    const message = ['threads.add_user_message', { thread_id, input: input('hi') }] as const
    expectProblem(await answerOf(await alice(message)), 503, 'upstream_unavailable')
    const own = await scene.chatkit.listThreads({ user: 'alice', limit: 100 })
    const ids = own.data.map(({ id }) => id)
    expect(ids).toContain(kept)
    expect(ids).not.toContain(thread_id)
    await scene.chatkit.deleteThread(thread_id, { asUser: 'alice' })
    expectProblem(
      await answerOf(await alice(['threads.get_by_id', { thread_id }])),
      404,
      'not_found',
    )
  })
})

describe('two users', () => {
  test('have lists of their own, on a server that lists everybody’s', async () => {
    const { id: hers } = await createThread(alice)
    const { id: his } = await createThread(bob)
    const idsOf = async (asker: typeof alice) => {
      const page = await (await asker(['threads.list', { limit: 100 }])).json()
      return (page as { data: { id: string }[] }).data.map(({ id }) => id)
    }
    expect(await idsOf(bob)).toEqual([his])
    expect(await idsOf(alice)).toContain(hers)
    expect(await idsOf(alice)).not.toContain(his)
    const everyone = (await asAt(sdk.url, session)(['threads.list', { limit: 100 }])).json()
    expect(JSON.stringify(await everyone)).toContain(his)
  })

  test('every request of bob about alice’s thread or attachment is 404, and the server sees none', async () => {
    const { id: thread_id, events } = await createThread(alice, 'widget')
    const made = await answered('attachments.create', { name: 'a', size: 1, mime_type: 'a/b' })
    const attachment_id = String(made['id'])
    const item_id = itemIn(events, 'widget').id
    const message = input('hi', [attachment_id])
    const params = {
      thread_id,
      item_id,
      attachment_id,
      attachments: [attachment_id],
      item_ids: [item_id],
      kind: 'positive',
      title: 'bob’s',
      input: { ...message, status: 'skipped' },
      action: { type: 'press', payload: {} },
      result: {},
    }
    const nowhere: readonly RequestType[] = [
      'threads.list',
      'attachments.create',
      'input.transcribe',
    ]
    sdk.seen.length = 0
    for (const type of REQUEST_TYPES.filter((one) => !nowhere.includes(one))) {
      expectProblem(await answerOf(await bob([type, params])), 404, 'not_found')
    }
    expect(sdk.seen).toEqual([])
  })
})
