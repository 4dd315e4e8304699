import { describe, expect, it, vi } from 'vitest'
import { ZodError } from 'zod'
import { idsOf } from '../../../src/chatkit/protocol/ids.ts'
import {
  parseRequest,
  plainName,
  REQUEST_TYPES,
  STREAMING,
} from '../../../src/chatkit/protocol/request.ts'

const FILES = { attachments: ['atc_1', 'atc_2'] }
const INPUT = {
  content: [{ type: 'input_text', text: 'hello' }],
  ...FILES,
  quoted_text: null,
  inference_options: { model: null, tool_choice: null },
}
const ACTION = { type: 'press', payload: { amount: 3 } }

const IN_THREAD = { thread_id: 'thr_1' }
const answered = (q: object) => ({ input: { status: 'answered', answers: { q } } })
const THREAD = { threads: ['thr_1'] }
const ON_WIDGET = { item_id: 'wdg_1', action: ACTION }

/** Every request with all its params, and the ids in them. */
const REQUESTS: readonly [string, Record<string, unknown>, Record<string, string[]>][] = [
  ['threads.create', { input: INPUT }, FILES],
  ['threads.add_user_message', { ...IN_THREAD, input: INPUT }, { ...THREAD, ...FILES }],
  ['threads.add_client_tool_output', { ...IN_THREAD, result: { ok: true } }, THREAD],
  [
    'threads.add_structured_input',
    { ...IN_THREAD, item_id: 'si_1', ...answered({ values: ['x'] }) },
    { ...THREAD, items: ['si_1'] },
  ],
  ['threads.retry_after_item', { ...IN_THREAD, item_id: 'msg_1' }, { ...THREAD, items: ['msg_1'] }],
  ['threads.custom_action', { ...IN_THREAD, ...ON_WIDGET }, { ...THREAD, items: ['wdg_1'] }],
  ['threads.sync_custom_action', { ...IN_THREAD, ...ON_WIDGET }, { ...THREAD, items: ['wdg_1'] }],
  ['threads.get_by_id', IN_THREAD, THREAD],
  ['threads.list', { limit: 5, order: 'desc', after: null }, {}],
  ['items.list', { ...IN_THREAD, limit: 5, order: 'asc', after: 'msg_1' }, THREAD],
  [
    'items.feedback',
    { ...IN_THREAD, item_ids: ['msg_1', 'msg_2'], kind: 'positive' },
    { ...THREAD, items: ['msg_1', 'msg_2'] },
  ],
  ['threads.update', { ...IN_THREAD, title: 'New' }, THREAD],
  ['threads.delete', IN_THREAD, THREAD],
  ['attachments.create', { name: 'a.png', size: 3, mime_type: 'image/png' }, {}],
  ['attachments.delete', { attachment_id: 'atc_1' }, { attachments: ['atc_1'] }],
  ['input.transcribe', { audio_base64: 'aGk=', mime_type: 'audio/webm' }, {}],
]
/** The params with ids that a known type requires. */
const ID_PARAMS = ['thread_id', 'item_id', 'item_ids', 'attachment_id']
const OPTIONAL = new Set(['threads.custom_action item_id', 'threads.sync_custom_action item_id'])
const NO_MENTION = { threads: [], attachments: [] }
const NO_IDS = { ...NO_MENTION, items: [], mentioned: NO_MENTION }
const ids = (type: string, params: unknown, rest: object = {}) =>
  idsOf(parseRequest({ type, params, ...rest }))

function issuesOf(body: object): unknown {
  try {
    return parseRequest(body)
  } catch (error) {
    return error instanceof ZodError ? error.issues : error
  }
}

describe('the 16 requests', () => {
  it('are these and no others', () => {
    expect(REQUESTS.map(([type]) => type).toSorted()).toEqual(REQUEST_TYPES.toSorted())
    expect(REQUEST_TYPES).toHaveLength(16)
  })

  it.each(REQUESTS)(
    '%s is read with all its params, and with fields not known here',
    (type, params) => {
      const body = { type, params: { ...params, later: { a: 1 } }, metadata: { m: 1 }, extra: true }
      expect(parseRequest(body)).toEqual({ known: true, request: body })
      expect(parseRequest({ type, params })).toMatchObject({ known: true })
    },
  )

  it.each(
    REQUESTS.flatMap(([type, params]) =>
      Object.keys(params)
        .filter((name) => ID_PARAMS.includes(name) && !OPTIONAL.has(`${type} ${name}`))
        .map((name) => [type, name, params] as const),
    ),
  )('%s is refused without %s, or with another type of it', (type, name, params) => {
    for (const value of [undefined, null, 7, '', {}, ['thr_1', 7], 'x'.repeat(513)]) {
      const body = { type, params: { ...params, [name]: value } }
      expect(() => parseRequest(body), JSON.stringify(value)).toThrow(ZodError)
    }
  })

  it.each([[7], ['atc_1'], [['atc_1', 7]], [[{ id: 'atc_1' }]], [['']]])(
    'attachments that are not a list of ids are refused: %j',
    (attachments) => {
      const input = { ...INPUT, attachments: attachments === 'atc_1' ? 'atc_1' : attachments }
      expect(() => parseRequest({ type: 'threads.create', params: { input } })).toThrow(ZodError)
    },
  )

  const many = Array.from({ length: 1000 }, (_, at) => at)
  const manyFields = (value: unknown) => Object.fromEntries(many.map((at) => [`f${at}`, value]))
  const answeredWith = (answers: object) => ({
    ...{ ...IN_THREAD, item_id: 'si_1' },
    input: { status: 'submitted', answers },
  })
  it.each<[string, string, Record<string, unknown>]>([
    ['parts', 'threads.create', { input: { ...INPUT, content: many } }],
    [
      'parts without type',
      'threads.create',
      { input: { ...INPUT, content: many.map(() => ({})) } },
    ],
    ['attachments', 'threads.create', { input: { ...INPUT, attachments: many } }],
    ['items', 'items.feedback', { ...IN_THREAD, item_ids: many }],
    ['answers', 'threads.add_structured_input', answeredWith(manyFields(1))],
    ['values', 'threads.add_structured_input', answeredWith({ a: { values: many } })],
  ])(
    'one of a thousand bad %s is named, because each would cost as much as to read ten',
    (_name, type, params) => {
      expect(issuesOf({ type, params })).toHaveLength(1)
    },
  )

  it('of a thousand second spellings one is named', () => {
    const spellings = Object.fromEntries(many.map((at) => [`ty${'_'.repeat(at + 1)}pe`, 1]))
    expect(issuesOf({ type: 'threads.list', params: {}, ...spellings })).toHaveLength(1)
  })

  it.each([5, {}, ['a'], true])('a part whose text is none is refused: %j', (text) => {
    const input = { ...INPUT, content: [{ type: 'input_text', text }] }
    expect(() => parseRequest({ type: 'threads.create', params: { input } })).toThrow(ZodError)
  })

  it.each([
    [null],
    [[]],
    ['threads.list'],
    [{}],
    [{ type: 7, params: {} }],
    [{ type: '', params: {} }],
    [{ type: 'threads.list' }],
    [{ type: 'threads.list', params: null }],
    [{ type: 'threads.list', params: [] }],
    [{ type: 'threads.list', params: {}, metadata: 'mine' }],
    [{ type: 'threads.list', params: { order: 'sideways' } }],
    [{ type: 'items.list', params: { ...IN_THREAD, limit: -1 } }],
  ])('%j is no request', (body) => {
    expect(() => parseRequest(body)).toThrow(ZodError)
  })

  it.each(['Type', 'TYPE', 'Params', 'params_', 'par-ams', 'param\u017f', 'Metadata'])(
    'a body with a second spelling of a field is refused: %s',
    (name) => {
      const body = { type: 'threads.list', params: {}, [name]: { thread_id: 'thr_2' } }
      expect(() => parseRequest(body)).toThrow(ZodError)
    },
  )

  it.each([
    ['threads.custom_action', { thread_id: 'thr_1', action: { type: 'press' } }],
    ['threads.sync_custom_action', { ...IN_THREAD, item_id: null, action: { type: 'press' } }],
    ['threads.add_client_tool_output', { thread_id: 'thr_1' }],
    ['threads.create', { input: {} }],
    ['items.feedback', { thread_id: 'thr_1', item_ids: [], kind: null }],
    ['threads.create', { input: { content: null, attachments: null } }],
    ['threads.add_user_message', { ...IN_THREAD, input: { content: null, quoted_text: null } }],
    [
      'threads.add_structured_input',
      { ...IN_THREAD, item_id: 'si_1', ...answered({ values: null }) },
    ],
    [
      'threads.add_structured_input',
      { ...IN_THREAD, item_id: 'si_1', ...answered({ skipped: null }) },
    ],
  ])('%s passes with nothing but what it needs: %j', (type, params) => {
    expect(parseRequest({ type, params })).toMatchObject({ known: true })
    expect(ids(type, params)).toMatchObject({ attachments: [] })
  })

  it('an unknown type is recognised as such, and its params stay unchanged', () => {
    const body = { type: 'threads.share', params: { thread_id: 'thr_1' } }
    expect(parseRequest(body)).toEqual({ known: false, request: body })
    expect(parseRequest({ type: 'ping' })).toEqual({ known: false, request: { type: 'ping' } })
    expect(parseRequest({ type: 'toString' })).toMatchObject({ known: false })
    expect(() => parseRequest({ type: 'threads.share', params: [] })).toThrow(ZodError)
  })

  it('six of them are answered by a stream', () => {
    expect(REQUEST_TYPES.filter((type) => STREAMING.has(type))).toEqual([
      'threads.create',
      'threads.add_user_message',
      'threads.add_client_tool_output',
      'threads.add_structured_input',
      'threads.retry_after_item',
      'threads.custom_action',
    ])
    expect(STREAMING.has('threads.share')).toBe(false)
  })
})

describe('the ids in a request', () => {
  it.each(REQUESTS)('%s: where the protocol has them', (type, params, expected) => {
    expect(ids(type, params)).toEqual({ ...NO_IDS, ...expected })
  })

  it.each(REQUESTS)('%s: where the protocol has none, at any depth', (type, params) => {
    const hidden = { deep: [{ thread_id: 'thr_9', attachment_ids: ['atc_9'] }] }
    const { threads, attachments } = ids(type, { ...params, later: hidden })
    expect(threads).toContain('thr_9')
    expect(attachments).toContain('atc_9')
  })

  it.each([
    [{ thread_id: 'thr_9' }],
    [{ Thread_ID: 'thr_9' }],
    [{ threadId: 'thr_9' }],
    [{ 'thread-id': 'thr_9' }],
    [{ thread_ids: ['thr_9'] }],
    [{ thread_id: ['thr_9'] }],
    [{ thread_id: [['thr_9']] }],
    [{ thread_id: { id: 'thr_9' } }],
    [{ thread: { id: 'thr_9', title: 'x' } }],
    [{ thread: { ID: 'thr_9' } }],
    [{ threads: [{ id: 'thr_9' }] }],
  ])('a thread is found as %j, in known and unknown types', (params) => {
    expect(ids('threads.list', params).threads).toEqual(['thr_9'])
    expect(ids('threads.share', params).threads).toEqual(['thr_9'])
  })

  it('a second spelling of a present param is found, too', () => {
    const params = { thread_id: 'thr_1', Thread_Id: 'thr_9', input: INPUT }
    expect(ids('threads.add_user_message', params).threads).toEqual(['thr_1', 'thr_9'])
    const twice = { input: INPUT, Input: { attachments: ['atc_9'] } }
    expect(ids('threads.create', twice).attachments).toEqual(['atc_1', 'atc_2', 'atc_9'])
  })

  it.each([
    ['thread\u017f', 'the long s, which case folding takes for s'],
    ['thread_\u0131d', 'the dotless i, whose upper case is I'],
    ['THREAD_\u0130D', 'the dotted I, whose lower case begins with i'],
    ['\uff54hread_id', 'a letter of full width'],
    ['thre\u200bad_id', 'a space of no width'],
    ['thread.id', 'a dot'],
  ])('a thread is found under %j: %s', (name) => {
    expect(ids('threads.list', { [name]: 'thr_9' }).threads).toEqual(['thr_9'])
  })

  it('refuses more different names than can be normalised in a moment, and takes one that comes again', () => {
    const data = (count: number, name: (at: number) => string) =>
      Array.from({ length: count }, (_, at) => ({ [name(at)]: 'x' }))
    const act = (rows: object[]) =>
      ids('threads.add_client_tool_output', { ...IN_THREAD, result: rows })
    expect(act(data(20_000, () => 'pr\u00e9nom')).threads).toEqual(['thr_1'])
    expect(act(data(9000, (at) => `mot pr\u00e9f\u00e9r\u00e9 ${at}`)).threads).toEqual(['thr_1'])
    const long = data(2000, (at) => '\u00e9'.repeat(200) + at)
    expect(() => act(long)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
  })

  it('an attachment is found in a part of a message', () => {
    const content = [{ type: 'input_file', attachment_id: 'atc_9' }]
    expect(ids('threads.create', { input: { ...INPUT, content } }).attachments).toContain('atc_9')
  })

  it('numbers count as ids, and ids outside params are found', () => {
    expect(ids('ping', { thread_id: 42 }).threads).toEqual(['42'])
    expect(ids('threads.list', {}, { thread_id: 'thr_9' }).threads).toEqual(['thr_9'])
    expect(ids('ping', { thread_id: null, attachment_id: false })).toEqual(NO_IDS)
  })

  const mention = { thread_id: 'thr_9', more: [{ attachments: ['atc_9'] }] }
  const tag = { type: 'input_tag', id: 'e_1', text: '@e', data: mention }
  it.each<[string, Record<string, unknown>]>([
    ['threads.custom_action', { thread_id: 'thr_1', action: { type: 'x', payload: mention } }],
    ['threads.sync_custom_action', { thread_id: 'thr_1', action: { type: 'x', payload: mention } }],
    ['threads.add_client_tool_output', { thread_id: 'thr_1', result: mention }],
    ['threads.add_client_tool_output', { thread_id: 'thr_1', result: [mention] }],
    ['threads.add_structured_input', { ...IN_THREAD, item_id: 'si_1', ...answered(mention) }],
    ['threads.add_user_message', { thread_id: 'thr_1', input: { content: [tag] } }],
    ['threads.add_user_message', { thread_id: 'thr_1', input: { metadata: mention } }],
  ])("%s: in the application's own data they are only mentioned", (type, params) => {
    expect(ids(type, params)).toMatchObject({
      threads: ['thr_1'],
      attachments: [],
      mentioned: { threads: ['thr_9'], attachments: ['atc_9'] },
    })
  })

  it('ids in metadata and the cursor of threads.list count as mentioned only', () => {
    const rest = { metadata: { thread_id: 'thr_9' } }
    const mentioned = { threads: [], mentioned: { threads: ['thr_9'] } }
    expect(ids('threads.list', {}, rest)).toMatchObject(mentioned)
    expect(ids('ping', {}, rest)).toMatchObject(mentioned)
    expect(ids('threads.list', { after: 'thr_9' })).toMatchObject(mentioned)
  })

  it('a tool result with the id of a named thread does not turn that id into a mention', () => {
    const params = { thread_id: 'thr_9', result: 'thr_9' }
    expect(ids('threads.add_client_tool_output', params)).toMatchObject({
      threads: ['thr_9'],
      mentioned: { threads: [] },
    })
  })

  it('action, result and data hold free data only where the protocol has them', () => {
    expect(ids('threads.list', { action: mention, result: mention }).threads).toEqual(['thr_9'])
    expect(ids('threads.share', { action: mention }).threads).toEqual(['thr_9'])
  })
})

describe('names of fields', () => {
  it('lose no letter or digit that normalisation finds in any character', () => {
    const differing: string[] = []
    for (let code = 0; code <= 0x10ffff; code++) {
      const char = String.fromCodePoint(code)
      const folded = char.normalize('NFKD').toUpperCase().toLowerCase()
      if (plainName(char) !== folded.replace(/[^a-z0-9]/g, '')) differing.push(char)
    }
    expect(differing).toEqual([])
  })

  it.each([
    ['a character that becomes eighteen', '\ufdfa'],
    ['accents that must be put in order', '\u0301\u0323'],
  ])('are not normalised where nothing of them can be left: %s', (_name, char) => {
    const normalise = vi.spyOn(String.prototype, 'normalize')
    const name = plainName(`${char.repeat(100)}thread${char}_id`)
    const normalised = normalise.mock.contexts.map(String)
    normalise.mockRestore()
    expect(name).toBe('threadid')
    expect(normalised).toEqual(['thread_id'])
  })
})
