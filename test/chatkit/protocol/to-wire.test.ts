import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  isKnownItem,
  type ServerItem,
  serverAttachment,
  serverItem,
  serverItemPage,
  serverThread,
  serverThreadPage,
} from '../../../src/chatkit/protocol/thread.ts'
import { toUnixSeconds, toWireItem, toWireThread } from '../../../src/chatkit/protocol/to-wire.ts'
import { knownThreadItem } from '../../../src/chatkit/wire/item.ts'
import { thread } from '../../../src/chatkit/wire/thread.ts'

const PICTURE = 'A generated picture.'
const GENERATED = { type: 'generated_image' }
const PENDING = { status: 'pending', inputs: [] }

const AT = '2026-01-02T03:04:05Z'
const SECONDS = 1767323045
const base = { id: 'itm_1', thread_id: 'thr_1', created_at: AT }
const envelope = {
  id: 'itm_1',
  object: 'chatkit.thread_item',
  created_at: SECONDS,
  thread_id: 'thr_1',
}

const TASK = { ...envelope, type: 'chatkit.task' }

/** Through the server's schema, the converter and the reference's schema. */
function converted(item: unknown) {
  return knownThreadItem.parse(toWireItem(serverItem.parse(item)))
}

describe('times', () => {
  it.each<[string | number, number]>([
    [AT, SECONDS],
    ['2026-01-02T03:04:05.987654Z', SECONDS],
    ['2026-01-02T03:04:05.987654', SECONDS],
    ['2026-01-02T03:04:05', SECONDS],
    ['2026-01-02T05:04:05+02:00', SECONDS],
    ['2026-01-01T22:04:05-05:00', SECONDS],
    [SECONDS, SECONDS],
    [SECONDS + 0.9, SECONDS],
    [SECONDS * 1000 + 999, SECONDS],
    [0, 0],
  ])('%s is %i', (time, seconds) => {
    expect(
      toWireThread(serverThread.parse({ id: 'thr_1', created_at: time }), 'u').created_at,
    ).toBe(seconds)
    expect(toUnixSeconds(time)).toBe(seconds)
  })

  it.each([
    '2026-01-02 03:04:05',
    '2026-01-02 03:04:05.987 UTC',
    '2026-01-01 22:04:05 -0500',
    '2026-01-02 03:04:05.987654+00',
    '2026-01-01 22:04:05-05',
    '2026-01-02T05:04:05+0200',
    'Fri, 02 Jan 2026 03:04:05 GMT',
    '1767323045',
    '1767323045.75',
    '1767323045987',
  ])('%s, as a database, Ruby or Flask writes it, is read', (time) => {
    const read = serverThread.parse({ id: 'thr_1', created_at: time })
    expect(toWireThread(read, 'u').created_at).toBe(SECONDS)
  })

  it('a date as in HTTP is in no other unit because it is early, and must be one', () => {
    const timeOf = (created_at: string) => serverThread.safeParse({ id: 'thr_1', created_at }).data
    const early = timeOf('Thu, 01 Jan 1970 00:00:05 GMT')
    expect(early && toWireThread(early, 'u').created_at).toBe(5)
    expect(timeOf('Fri, 99 Foo 2026 03:04:05 GMT')).toBeUndefined()
  })

  describe('in another time zone', () => {
    afterEach(() => {
      vi.unstubAllEnvs()
    })

    it('a time without a zone is read as UTC', () => {
      vi.stubEnv('TZ', 'America/New_York')
      expect(new Date(SECONDS * 1000).getTimezoneOffset()).toBe(300)
      expect(toUnixSeconds('2026-01-02T03:04:05')).toBe(SECONDS)
    })
  })

  it.each([
    'yesterday',
    '',
    '2026-01-02',
    '2026-01-02 ',
    ' 03:04:05',
    '2026-01-02 03:04:05 CET',
    '2026-13-02T03:04:05Z',
    '20260102',
    '17673230450000',
    -1,
    null,
    true,
  ])('%j is none', (time) => {
    expect(serverThread.safeParse({ id: 'thr_1', created_at: time }).success).toBe(false)
  })
})

describe('threads', () => {
  const SPAM = { type: 'locked', reason: 'spam' }
  const CLOSED = { type: 'closed', reason: null }

  it('get the user, whom the server does not know, and null for absent fields', () => {
    const wire = toWireThread(serverThread.parse({ id: 'thr_1', created_at: AT }), 'alice')
    expect(thread.parse(wire)).toEqual({
      id: 'thr_1',
      object: 'chatkit.thread',
      created_at: SECONDS,
      status: { type: 'active' },
      title: null,
      user: 'alice',
    })
  })

  it('leave out items, metadata and whatever else the server has', () => {
    const full = { id: 'thr_1', created_at: AT, title: 'T', metadata: { secret: 1 }, extra: 2 }
    const items = { data: [{ ...base, type: 'widget', widget: {} }], has_more: false }
    const wire = toWireThread(serverThread.parse({ ...full, items }), 'alice')
    const names = ['created_at', 'id', 'object', 'status', 'title', 'user']
    expect(Object.keys(wire).toSorted()).toEqual(names)
    expect(wire.title).toBe('T')
  })

  it.each([
    [{ type: 'active', reason: 'ignored' }, { type: 'active' }],
    [{ type: 'locked' }, { type: 'locked', reason: null }],
    [SPAM, SPAM],
    [CLOSED, CLOSED],
    [null, { type: 'active' }],
  ])('status %j is %j', (status, expected) => {
    const wire = toWireThread(serverThread.parse({ id: 'thr_1', created_at: AT, status }), 'u')
    expect(thread.parse(wire).status).toEqual(expected)
  })
})

describe('items', () => {
  it('a message of the user', () => {
    const item = {
      ...base,
      type: 'user_message',
      content: [
        { type: 'input_text', text: 'see' },
        { type: 'input_tag', id: 'e_1', text: '@report', data: { secret: 1 } },
        { type: 'quoted_text', text: 'and before', more: 1 },
      ],
      attachments: [
        {
          id: 'atc_1',
          type: 'file',
          name: 'a.txt',
          mime_type: 'text/plain',
          upload_url: 'http://x',
        },
        { id: 'atc_2', type: 'image', name: 'b', mime_type: 'image/png', preview_url: 'http://p' },
      ],
      quoted_text: 'as you said',
      inference_options: { model: 'm', tool_choice: { id: 't', more: 1 } },
    }
    expect(converted(item)).toEqual({
      ...envelope,
      type: 'chatkit.user_message',
      content: [
        { type: 'quoted_text', text: 'as you said' },
        { type: 'input_text', text: 'see' },
        { type: 'input_text', text: '@report' },
        { type: 'quoted_text', text: 'and before' },
      ],
      attachments: [
        { id: 'atc_1', type: 'file', name: 'a.txt', mime_type: 'text/plain', preview_url: null },
        { id: 'atc_2', type: 'image', name: 'b', mime_type: 'image/png', preview_url: 'http://p' },
      ],
      inference_options: { model: 'm', tool_choice: { id: 't' } },
    })
  })

  it.each([
    [undefined, null],
    [null, null],
    [{}, null],
    [{ model: null, tool_choice: null }, null],
    [{ model: 'm' }, { model: 'm', tool_choice: null }],
    [{ tool_choice: { id: 't' } }, { model: null, tool_choice: { id: 't' } }],
  ])('inference options %j are %j', (inference_options, expected) => {
    const item = { ...base, type: 'user_message', inference_options }
    expect(converted(item)).toEqual({
      ...envelope,
      type: 'chatkit.user_message',
      content: [],
      attachments: [],
      inference_options: expected,
    })
  })

  it('a message of the assistant, with what it refers to', () => {
    const source = { title: 'T', group: 'g' }
    const entity = { type: 'annotation', source: { ...source, type: 'entity', id: 'e_1' } }
    const item = {
      ...base,
      type: 'assistant_message',
      content: [
        {
          type: 'output_text',
          text: 'Look',
          annotations: [
            { type: 'annotation', index: 4, source: { ...source, type: 'url', url: 'http://u' } },
            { type: 'annotation', source: { ...source, type: 'file', filename: 'f.pdf' } },
            { type: 'file', source: { type: 'file', filename: 'g.pdf' } },
            entity,
          ],
        },
        { text: 'bare' },
      ],
    }
    expect(converted(item)).toEqual({
      ...envelope,
      type: 'chatkit.assistant_message',
      content: [
        {
          type: 'output_text',
          text: 'Look',
          annotations: [
            { type: 'url', source: { type: 'url', url: 'http://u' } },
            { type: 'file', source: { type: 'file', filename: 'f.pdf' } },
            { type: 'file', source: { type: 'file', filename: 'g.pdf' } },
            entity,
          ],
        },
        { type: 'output_text', text: 'bare', annotations: [] },
      ],
    })
  })

  it('a widget, as JSON text', () => {
    const widget = { type: 'Card', children: [{ type: 'Text', value: 'ü' }] }
    const wire = converted({ ...base, type: 'widget', widget, copy_text: 'c' })
    expect(wire).toEqual({ ...envelope, type: 'chatkit.widget', widget: JSON.stringify(widget) })
  })

  const DONE = { status: 'completed' }
  it.each<[object, string, string, string | null]>([
    [{ status: 'pending' }, 'in_progress', '{}', null],
    [{}, 'in_progress', '{}', null],
    [{ arguments: null, output: null }, 'in_progress', '{}', null],
    [{ ...DONE, arguments: { a: 1 }, output: { b: [2] } }, 'completed', '{"a":1}', '{"b":[2]}'],
    [{ ...DONE, arguments: '{"a":1}', output: 'text' }, 'completed', '{"a":1}', '"text"'],
    [{ ...DONE, arguments: {}, output: false }, 'completed', '{}', 'false'],
  ])('a client tool call %j is %s, with %s and %s', (parts, status, given, output) => {
    const call = { call_id: 'c', name: 'n' }
    const wire = converted({ ...base, type: 'client_tool_call', ...call, ...parts })
    const type = 'chatkit.client_tool_call'
    expect(wire).toEqual({ ...envelope, type, ...call, status, arguments: given, output })
  })

  it.each<[object, string, string | null, string | null]>([
    [{ type: 'custom', title: 'T', content: 'C' }, 'custom', 'T', 'C'],
    [{ type: 'thought', content: 'C' }, 'thought', null, 'C'],
    [{ type: 'web_search', title_query: 'Q', queries: ['Q'] }, 'custom', 'Q', null],
    [{ type: 'image' }, 'custom', null, null],
    [{}, 'custom', null, null],
  ])('a task %j, alone and in a workflow', (task, type, heading, summary) => {
    const alone = { ...TASK, task_type: type, heading, summary }
    expect(converted({ ...base, type: 'task', task })).toEqual(alone)
    const workflow = { type: 'reasoning', tasks: [task], summary: { duration: 3 }, expanded: true }
    expect(converted({ ...base, type: 'workflow', workflow })).toEqual({
      ...envelope,
      type: 'chatkit.task_group',
      tasks: [{ type, heading, summary }],
    })
  })

  it.each<[object, string | null]>([
    [{ ...GENERATED, image: { id: 'i', url: 'https://a.example/i' } }, 'https://a.example/i'],
    [{ ...GENERATED, image: { id: 'i', url: 'data:image/png;base64,AAAA' } }, PICTURE],
    [{ ...GENERATED, image: null }, PICTURE],
    [GENERATED, PICTURE],
    [{ type: 'structured_input', ...PENDING }, '{"status":"pending","inputs":[]}'],
    [{ type: 'chatkit.widget', widget: 3 }, '{"widget":3}'],
    [{ type: 'task_group' }, null],
  ])('a kind that the reference does not have: %j', (parts, summary) => {
    const item = { ...base, ...parts }
    const heading = 'type' in parts ? parts.type : undefined
    expect(converted(item)).toEqual({ ...TASK, task_type: 'custom', heading, summary })
  })

  it.each(['hidden_context_item', 'hidden_context', 'sdk_hidden_context', 'end_of_turn'])(
    '%s is shown to nobody',
    (type) => {
      expect(toWireItem(serverItem.parse({ ...base, type, content: 'secret' }))).toBeUndefined()
    },
  )
})

describe('what a server answers is read tolerantly', () => {
  const item: ServerItem = { ...base, type: 'later_kind', x: 1 }

  it('pages, with and without their fields', () => {
    expect(serverThreadPage.parse({})).toEqual({ data: [], has_more: false })
    // An empty list of a server in Go, and of one in Lua.
    for (const data of [null, {}])
      expect(serverThreadPage.parse({ data })).toEqual({ data: [], has_more: false })
    const page = { data: [item], has_more: true, after: 'itm_1', more: 1 }
    expect(serverItemPage.parse(page)).toEqual(page)
    for (const more of [1, 0, null]) {
      const read = serverThreadPage.parse({ data: [], has_more: more })
      expect(read).toEqual({ data: [], has_more: more === 1 })
    }
    expect(serverItemPage.safeParse({ data: { 0: item } }).success).toBe(false)
    expect(serverItemPage.safeParse([]).success).toBe(false)
  })

  it('threads with a page of items, and without', () => {
    const whole = { id: 'thr_1', created_at: AT, items: { data: [item], has_more: false } }
    expect(serverThread.parse(whole)).toEqual(whole)
    expect(serverThread.parse({ id: 'thr_1', created_at: 5, later: 1 })).toHaveProperty('later', 1)
    expect(serverThread.safeParse({ created_at: AT }).success).toBe(false)
  })

  it('threads whose items have another shape', () => {
    for (const items of [[], 'none', { data: [{ type: 5 }] }]) {
      expect(serverThread.safeParse({ id: 'thr_1', created_at: AT, items }).success).toBe(true)
    }
  })

  it('items whose lists are null, as servers in Go write empty ones', () => {
    const message = { ...base, content: null, attachments: null }
    expect(serverItem.parse({ ...message, type: 'user_message' })).toMatchObject({
      content: [],
      attachments: [],
    })
    const content = [{ type: 'output_text', text: 'hi', annotations: null }]
    expect(serverItem.parse({ ...base, type: 'assistant_message', content })).toMatchObject({
      content: [{ annotations: [] }],
    })
    const workflow = { type: 'custom', tasks: null }
    expect(serverItem.parse({ ...base, type: 'workflow', workflow })).toMatchObject({
      workflow: { tasks: [] },
    })
  })

  it.each([
    ['user_message', 'input_text', { attachments: [] }],
    ['assistant_message', 'output_text', { content: [{ annotations: [] }] }],
  ])('a %s whose content is a text instead of a list of parts', (type, part, more) => {
    const read = converted({ ...base, type, content: 'hi' })
    expect(read).toMatchObject({ ...more, content: [{ type: part, text: 'hi' }] })
  })

  it('items with empty objects for empty lists, as servers in Lua write them', () => {
    const content = [{ type: 'output_text', text: 'hi', annotations: {} }]
    for (const item of [
      { type: 'user_message', content: {}, attachments: {} },
      { type: 'assistant_message', content },
      { type: 'workflow', workflow: { tasks: {} } },
    ]) {
      expect(converted({ ...base, ...item })).toMatchObject({ id: base.id })
    }
    const filled = { type: 'user_message', content: { 0: 'hi' } }
    expect(isKnownItem(serverItem.parse({ ...base, ...filled }))).toBe(false)
  })

  it('items with empty lists for empty objects, as servers in PHP write them', () => {
    const upload_descriptor = { url: 'http://u', method: 'PUT', headers: [] }
    const file = { id: 'atc_1', name: 'a', mime_type: 'text/plain', upload_descriptor }
    const message = { ...base, type: 'user_message', attachments: [file] }
    for (const inference_options of [[], { tool_choice: [] }]) {
      const item = { ...message, inference_options }
      expect(serverItem.safeParse(item)).toMatchObject({ success: true })
    }
    const inputs = [{ id: 'q', type: 'freeform', question: 'a', answer: [] }]
    expect(serverItem.parse({ ...base, type: 'structured_input', inputs })).toMatchObject({
      inputs: [{ answer: null }],
    })
    expect(isKnownItem(serverItem.parse({ ...message, inference_options: ['gpt'] }))).toBe(false)
  })

  it.each([
    { type: 'task' },
    { type: 'client_tool_call', name: 'n' },
    { type: 'user_message', attachments: ['atc_1'] },
    { type: 'user_message', inference_options: { tool_choice: {} } },
  ])('an item of another shape than its kind, as one of an unknown kind: %j', (parts) => {
    const { type: heading, ...rest } = parts
    const summary = Object.keys(rest).length === 0 ? null : JSON.stringify(rest)
    expect(converted({ ...base, ...parts })).toEqual({
      ...{ ...TASK, task_type: 'custom', heading, summary },
    })
  })

  it('no item without an id or a time', () => {
    expect(serverItem.safeParse({ type: 'later_kind' }).success).toBe(false)
    expect(serverItem.safeParse({ ...base, created_at: undefined, type: 'task' }).success).toBe(
      false,
    )
  })

  it('attachments, with either way to upload', () => {
    const file = { id: 'atc_1', type: 'file', name: 'a', mime_type: 'text/plain' }
    const upload_descriptor = { url: 'http://u', method: 'PUT', headers: { 'x-a': 'b' } }
    for (const extra of [{}, { upload_url: 'http://u' }, { upload_descriptor }, { later: 1 }]) {
      expect(serverAttachment.parse({ ...file, ...extra })).toEqual({ ...file, ...extra })
    }
    expect(serverAttachment.safeParse({ ...file, id: '' }).success).toBe(false)
  })
})
