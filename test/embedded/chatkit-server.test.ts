import { once } from 'node:events'
import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { REQUEST_TYPES } from '../../src/chatkit/protocol/request.ts'
import {
  serverItem,
  serverItemPage,
  serverThread,
  serverThreadPage,
} from '../../src/chatkit/protocol/thread.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { ask, eventsOf, input, type Json, textOf } from '../support/chatkit/server-client.ts'
import { serverEvent } from '../support/chatkit/server-event.ts'
import { forEachTest } from '../support/started.ts'

const NOW = Date.parse('2026-01-02T03:04:05Z')
const running = forEachTest(() => startSampleServer({ now: () => NOW }))

/** A stream, every event checked against the protocol. */
async function stream(type: string, params: unknown): Promise<Json[]> {
  const response = await ask(running.url, [type, params])
  expect(response.headers.get('content-type'), await peek(response)).toBe('text/event-stream')
  const events = await eventsOf(response)
  for (const event of events) serverEvent.parse(event)
  return events
}

/** Why it is no stream, if it is none. */
async function peek(response: Response): Promise<string> {
  return response.ok ? '' : await response.clone().text()
}

async function json(type: string, params: unknown = {}): Promise<Json> {
  const response = await ask(running.url, [type, params])
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(response.status, await peek(response)).toBe(200)
  return (await response.json()) as Json
}

async function refusal(type: string, params: unknown): Promise<number> {
  const response = await ask(running.url, [type, params])
  expect(await response.json()).toHaveProperty('error.message')
  return response.status
}

const typesOf = (events: readonly Json[]) => events.map(({ type }) => type)
const itemOf = (events: readonly Json[], kind: string) => {
  const items = events.map(({ item }) => item as Json | undefined)
  return items.findLast((item) => item?.['type'] === kind) ?? {}
}

/** A thread of its own, with `text` and the answer in it. */
async function newThread(text = 'hello') {
  const events = await stream('threads.create', { input: input(text) })
  const thread = serverThread.parse(events[0]?.['thread'])
  return { id: thread.id, events }
}

const itemsOf = async (thread_id: string) => {
  return serverItemPage.parse(await json('items.list', { thread_id, order: 'asc' })).data
}

describe('threads and messages', () => {
  it('threads.create streams thread, message, the answer word by word, title', async () => {
    const { events } = await newThread('good day to you')
    expect(typesOf(events)).toEqual([
      'thread.created',
      'thread.item.done',
      'stream_options',
      'thread.item.added',
      ...Array(1 + 6 + 1).fill('thread.item.updated'),
      'thread.item.done',
      'thread.updated',
    ])
    expect(textOf(events)).toBe('You said: good day to you')
    expect(itemOf(events, 'assistant_message')).toMatchObject({
      content: [{ type: 'output_text', text: 'You said: good day to you' }],
    })
    expect(events.at(-1)).toMatchObject({ thread: { title: 'good day to you' } })
    expect(events[0]).toMatchObject({
      thread: { title: null, created_at: '2026-01-02T03:04:05.000Z', status: { type: 'active' } },
    })
  })

  it('frames are bare data lines ended by an empty line', async () => {
    const response = await ask(running.url, ['threads.create', { input: input('hi') }])
    expect(await response.text()).toMatch(/^(?:data: \{.*\}\n\n)+$/)
  })

  it('ids of threads hold 32 random bits', async () => {
    const ids = [(await newThread()).id, (await newThread()).id]
    expect(ids.map((id) => /^thr_[0-9a-f]{8}$/.test(id))).toEqual([true, true])
    expect(new Set(ids).size).toBe(2)
  })

  it('threads.add_user_message continues the thread, which keeps its title', async () => {
    const { id } = await newThread('first')
    const params = { thread_id: id, input: { ...input('second'), quoted_text: 'first' } }
    const events = await stream('threads.add_user_message', params)
    expect(textOf(events)).toBe('You said: second')
    expect(typesOf(events)).not.toContain('thread.updated')
    expect(await itemsOf(id)).toMatchObject([
      { type: 'user_message', content: [{ text: 'first' }] },
      { type: 'assistant_message' },
      { type: 'user_message', quoted_text: 'first' },
      { type: 'assistant_message', content: [{ text: 'You said: second' }] },
    ])
  })

  it('threads.get_by_id gives the thread with its first items', async () => {
    const { id } = await newThread()
    const thread = serverThread.parse(await json('threads.get_by_id', { thread_id: id }))
    expect(thread).toMatchObject({ id, title: 'hello', items: { has_more: false, after: null } })
    expect(serverItemPage.parse(thread['items']).data.map(({ type }) => type)).toEqual([
      'user_message',
      'assistant_message',
    ])
  })

  it('threads.list is everyone’s, newest first, in pages', async () => {
    const ids: string[] = []
    for (const name of ['alice', 'bob', 'carol']) {
      const headers = { 'x-chatkit-user': name, authorization: `Bearer ${name}` }
      const response = await ask(running.url, ['threads.create', { input: input(name) }], {
        headers,
      })
      const [created] = await eventsOf(response)
      ids.unshift(serverThread.parse(created?.['thread']).id)
    }
    const list = async (params: object) => {
      const page = serverThreadPage.parse(await json('threads.list', params))
      return { ...page, data: page.data.map(({ id }) => id) }
    }
    expect(await list({})).toEqual({ data: ids, has_more: false, after: null })
    const first = { data: ids.slice(0, 2), has_more: true, after: ids[1] }
    expect(await list({ limit: 2 })).toEqual(first)
    const rest = { data: ids.slice(2), has_more: false, after: null }
    expect(await list({ limit: 2, after: first.after })).toEqual(rest)
    expect(await list({ order: 'asc' })).toMatchObject({ data: ids.toReversed() })
    expect(await refusal('threads.list', { after: 'thr_00000000' })).toBe(400)
  })

  it('items.list pages through a thread, newest first', async () => {
    const { id } = await newThread()
    const first = serverItemPage.parse(await json('items.list', { thread_id: id, limit: 1 }))
    expect(first).toMatchObject({ data: [{ type: 'assistant_message' }], has_more: true })
    const next = { thread_id: id, limit: 1, after: first.after }
    expect(await json('items.list', next)).toMatchObject({
      data: [{ type: 'user_message', thread_id: id }],
      has_more: false,
    })
  })

  it('threads.update changes the title, threads.delete removes the thread', async () => {
    const { id } = await newThread()
    expect(await json('threads.update', { thread_id: id, title: 'New' })).toMatchObject({
      title: 'New',
    })
    expect(await json('threads.get_by_id', { thread_id: id })).toMatchObject({ title: 'New' })
    expect(await json('threads.delete', { thread_id: id })).toEqual({})
    expect(await refusal('threads.get_by_id', { thread_id: id })).toBe(404)
    expect(await json('threads.list')).toMatchObject({ data: [] })
  })

  it('threads.retry_after_item removes what came after the message, and answers again', async () => {
    const { id } = await newThread('hello')
    const [message, answer] = await itemsOf(id)
    const params = { thread_id: id, item_id: message?.id }
    const events = await stream('threads.retry_after_item', params)
    expect(events[1]).toEqual({ type: 'thread.item.removed', item_id: answer?.id })
    expect(textOf(events)).toBe('You said: hello')
    expect(await itemsOf(id)).toHaveLength(2)
    const onAnswer = { thread_id: id, item_id: (await itemsOf(id))[1]?.id }
    expect(await refusal('threads.retry_after_item', onAnswer)).toBe(400)
  })

  it('items.feedback is accepted', async () => {
    const { id } = await newThread()
    const params = { thread_id: id, item_ids: ['msg_1'], kind: 'positive' }
    expect(await json('items.feedback', params)).toEqual({})
    expect(running.server.requests().at(-1)).toMatchObject({ type: 'items.feedback', params })
  })

  it('input.transcribe says what it got', async () => {
    const audio_base64 = Buffer.from('four').toString('base64')
    const answer = await json('input.transcribe', { audio_base64, mime_type: 'audio/webm' })
    expect(answer).toEqual({ text: '4 bytes of audio/webm' })
  })
})

describe('what a word in the message does', () => {
  it.each<[string, string[]]>([
    ['progress', ['progress_update', 'progress_update']],
    ['notice', ['notice']],
    ['effect', ['client_effect']],
  ])('%s gets %j before the answer', async (word, expected) => {
    const { events } = await newThread(`show ${word}`)
    expect(typesOf(events).slice(3, 3 + expected.length)).toEqual(expected)
    expect(textOf(events)).toBe(`You said: show ${word}`)
  })

  it.each([['task'], ['workflow'], ['widget']])(
    '%s gets an answer with an item of that kind',
    async (word) => {
      const { id, events } = await newThread(`A ${word}, please`)
      expect(itemOf(events, word)).toMatchObject({ type: word, thread_id: id })
      expect((await itemsOf(id)).map(({ type }) => type)).toEqual([
        'user_message',
        word,
        'assistant_message',
      ])
    },
  )

  it('error gets an error instead of an answer', async () => {
    const { events } = await newThread('error')
    expect(events[3]).toMatchObject({ type: 'error', code: 'custom', allow_retry: true })
    expect(textOf(events)).toBe('')
  })

  it('count to 300 gets an answer of 300 words', async () => {
    const { events } = await newThread('please count to 300')
    const expected = Array.from({ length: 300 }, (_, index) => index + 1).join(' ')
    expect(textOf(events)).toBe(expected)
  })
})

describe('tools, forms and actions', () => {
  it('a client tool call waits for threads.add_client_tool_output', async () => {
    const { id, events } = await newThread('use the tool')
    expect(itemOf(events, 'client_tool_call')).toMatchObject({ status: 'pending', output: null })
    expect(textOf(events)).toBe('')
    const params = { thread_id: id, result: { title: 'Home' } }
    const resumed = await stream('threads.add_client_tool_output', params)
    expect(textOf(resumed)).toBe('The tool says: {"title":"Home"}')
    expect((await itemsOf(id))[1]).toMatchObject({ status: 'completed', output: { title: 'Home' } })
    expect(await refusal('threads.add_client_tool_output', params)).toBe(400)
  })

  it.each([
    ['answered', { drink: { values: ['tea'] } }, 'tea', 'You answered: tea'],
    ['skipped', {}, undefined, 'You answered: nothing'],
  ])('a form is %s by threads.add_structured_input', async (status, answers, value, text) => {
    const { id, events } = await newThread('a form, please')
    const item_id = itemOf(events, 'structured_input')['id']
    const params = { thread_id: id, item_id, input: { status, answers } }
    const resumed = await stream('threads.add_structured_input', params)
    expect(textOf(resumed)).toBe(text)
    const values = value === undefined ? [] : [value]
    expect(itemOf(resumed, 'structured_input')).toMatchObject({
      status,
      inputs: [{ answer: { values, skipped: value === undefined } }, { answer: { values: [] } }],
    })
    const elsewhere = { ...params, item_id: (await itemsOf(id))[0]?.id }
    expect(await refusal('threads.add_structured_input', elsewhere)).toBe(400)
  })

  it('threads.custom_action changes its widget and answers', async () => {
    const { id, events } = await newThread('a widget')
    const item_id = itemOf(events, 'widget')['id']
    const action = { type: 'press', payload: { n: 1 } }
    const acted = await stream('threads.custom_action', { thread_id: id, item_id, action })
    expect(acted).toContainEqual(
      expect.objectContaining({
        type: 'thread.item.replaced',
        item: expect.objectContaining({ id: item_id }),
      }),
    )
    expect(textOf(acted)).toBe('Action press: {"n":1}')
    const alone = await stream('threads.custom_action', { thread_id: id, action })
    expect(typesOf(alone)).not.toContain('thread.item.replaced')
  })

  it('threads.sync_custom_action gives the changed widget back', async () => {
    const { id, events } = await newThread('a widget')
    const item_id = itemOf(events, 'widget')['id']
    const params = { thread_id: id, item_id, action: { type: 'press' } }
    const { updated_item } = await json('threads.sync_custom_action', params)
    expect(serverItem.parse(updated_item)).toMatchObject({ id: item_id, type: 'widget' })
    expect(JSON.stringify(updated_item)).toContain('Action press')
    const { item_id: _, ...without } = params
    expect(await json('threads.sync_custom_action', without)).toEqual({ updated_item: null })
    const message = { ...params, item_id: (await itemsOf(id))[0]?.id }
    expect(await refusal('threads.sync_custom_action', message)).toBe(400)
  })
})

describe('refusals', () => {
  const action = { type: 'press' }
  const form = { status: 'answered', answers: {} }
  it.each<[string, Json]>([
    ['threads.add_user_message', { input: input('hi') }],
    ['threads.add_client_tool_output', { result: 1 }],
    ['threads.add_structured_input', { item_id: 'si_1', input: form }],
    ['threads.retry_after_item', { item_id: 'msg_1' }],
    ['threads.custom_action', { action }],
    ['threads.sync_custom_action', { action }],
    ['threads.get_by_id', {}],
    ['items.list', {}],
    ['items.feedback', { item_ids: [], kind: 'positive' }],
    ['threads.update', { title: 'New' }],
    ['threads.delete', {}],
  ])('%s of an unknown thread is 404 before any stream', async (type, params) => {
    expect(await refusal(type, { thread_id: 'thr_00000000', ...params })).toBe(404)
  })

  it('threads.create with an unknown attachment is 404 and makes no thread', async () => {
    expect(await refusal('threads.create', { input: input('hi', ['atc_0']) })).toBe(404)
    expect(await json('threads.list')).toMatchObject({ data: [] })
  })

  it.each(REQUEST_TYPES.filter((type) => type !== 'threads.list'))(
    '%s without params is 400',
    async (type) => {
      expect(await refusal(type, {})).toBe(400)
    },
  )

  it('an unknown type, other JSON, no JSON, another method and another path are refused', async () => {
    expect(await refusal('threads.share', {})).toBe(400)
    for (const body of [
      '[]',
      '{',
      '',
      '{"type":"threads.list","type":"threads.list","params":{}}',
    ]) {
      const response = await fetch(running.url, { method: 'POST', body })
      expect(response.status, body).toBe(400)
    }
    const get = await fetch(running.url)
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    expect((await fetch(`${running.origin}/other`, { method: 'POST' })).status).toBe(404)
  })
})

// It lists every user's threads to whoever asks, and a page may make a domain of its own resolve to this machine.
it('answers only to names of this machine, but to pages of every origin', async () => {
  const { port } = new URL(running.url)
  for (const [host, status] of [
    [`localhost:${port}`, 200],
    [`evil.example:${port}`, 403],
  ] as const) {
    const headers = { host, origin: 'https://app.acme.example' }
    const sent = request(running.url, { method: 'POST', headers })
    sent.end('{"type":"threads.list","params":{}}')
    const [answer] = await once(sent, 'response')
    answer.resume()
    expect([host, answer.statusCode]).toEqual([host, status])
  }
})
