import { describe, expect, it } from 'vitest'
import { knownThreadItem, threadItem } from '../../../src/chatkit/wire/item.ts'
import {
  chatSession,
  createSessionParams,
  endedSession,
} from '../../../src/chatkit/wire/session.ts'
import {
  thread,
  threadDeleted,
  threadItemPage,
  threadPage,
} from '../../../src/chatkit/wire/thread.ts'
import { apiError, listQuery, threadListQuery } from '../../../src/chatkit/wire/wire.ts'
import { accepts, SESSION } from '../../support/chatkit/examples.ts'
import { FULL_ITEMS } from '../../support/chatkit/seeds.ts'

/** Examples of the ChatKit API reference, unchanged. */
const THREAD = {
  id: 'cthr_def456',
  created_at: 1712345600,
  object: 'chatkit.thread',
  status: { type: 'active' },
  title: 'Demo feedback',
  user: 'user_456',
}
const ITEM_PAGE = {
  data: [
    {
      id: 'id',
      attachments: [
        {
          id: 'id',
          mime_type: 'mime_type',
          name: 'name',
          preview_url: 'https://example.com',
          type: 'image',
        },
      ],
      content: [{ text: 'text', type: 'input_text' }],
      created_at: 0,
      inference_options: { model: 'model', tool_choice: { id: 'id' } },
      object: 'chatkit.thread_item',
      thread_id: 'thread_id',
      type: 'chatkit.user_message',
    },
  ],
  first_id: 'first_id',
  has_more: true,
  last_id: 'last_id',
  object: 'list',
}
const THREAD_PAGE = { ...ITEM_PAGE, data: [THREAD] }
const DELETED = { id: 'id', deleted: true, object: 'chatkit.thread.deleted' }

const ENVELOPE = { id: 'cthi_1', object: 'chatkit.thread_item', created_at: 1, thread_id: 'cthr_1' }

it('of too many state variables only their number is said, not each that is bad', () => {
  const names = Array.from({ length: 1000 }, (_, at) => [`name${at}`, []])
  const workflow = { id: 'support', state_variables: Object.fromEntries(names) }
  const { error } = createSessionParams.safeParse({ user: 'alice', workflow })
  expect(error?.issues).toMatchObject([
    { code: 'too_big', path: ['workflow', 'state_variables'], maximum: 64 },
  ])
})

describe("the reference's examples", () => {
  it.each([
    ['chat_session', chatSession, SESSION],
    ['thread', thread, THREAD],
    ['list of threads', threadPage, THREAD_PAGE],
    ['list of items', threadItemPage, ITEM_PAGE],
    ['deleted thread', threadDeleted, DELETED],
  ])('%s passes unchanged', (_, schema, example) => {
    expect(schema.parse(example)).toEqual(example)
  })

  it('ended session passes, and its client secret becomes a Secret that is never printed', () => {
    const session = endedSession.parse(SESSION)
    expect({ ...session, client_secret: session.client_secret?.reveal() }).toEqual(SESSION)
    expect(JSON.stringify(session)).toContain('"client_secret":"[redacted]"')
  })
})

describe('threads and items', () => {
  it.each([
    { type: 'active' },
    { type: 'locked', reason: null },
    { type: 'locked', reason: 'abuse' },
    { type: 'closed', reason: null },
    { type: 'archived', until: 5 },
  ])('takes the status %j', (status) => {
    expect(thread.parse({ ...THREAD, status, title: null }).status).toEqual(status)
  })

  it('reads a missing reason of a known status as null, and refuses a reason that is not text', () => {
    const read = thread.parse({ ...THREAD, status: { type: 'locked' } })
    expect(read.status).toEqual({ type: 'locked', reason: null })
    expect(accepts(thread, { ...THREAD, status: { type: 'locked', reason: 5 } })).toBe(false)
  })

  it.each(FULL_ITEMS.map((item) => [item.type, item] as const))('takes %s', (_, item) => {
    const whole = { ...item, ...ENVELOPE, added_later: 1 }
    expect(knownThreadItem.parse(whole)).toEqual(whole)
    expect(threadItem.parse(whole)).toEqual(whole)
  })

  it.each(FULL_ITEMS.flatMap((item) => Object.keys(item).map((key) => [item, key] as const)))(
    'reads %o without %s by the default of the reference, and refuses it where there is none',
    (item, key) => {
      const lacking = { ...item, ...ENVELOPE, [key]: undefined }
      if (!(key in DEFAULTS)) return expect(accepts(knownThreadItem, lacking)).toBe(false)
      expect(knownThreadItem.parse(lacking)).toEqual({ ...lacking, [key]: DEFAULTS[key] })
      expect(accepts(knownThreadItem, { ...lacking, [key]: 5 })).toBe(false)
    },
  )
  const DEFAULTS: Readonly<Record<string, unknown>> = {
    attachments: [],
    inference_options: null,
    output: null,
    heading: null,
    summary: null,
  }

  it('passes a kind that is not in the reference, given an id', () => {
    const item = { id: 'cthi_9', type: 'chatkit.hologram', beams: [1, 2] }
    expect(threadItem.parse(item)).toEqual(item)
    expect(accepts(threadItem, { type: 'chatkit.hologram' })).toBe(false)
    expect(accepts(threadItem, { id: '', type: 'chatkit.hologram' })).toBe(false)
  })

  it('does not pass a malformed known kind off as an unknown one', () => {
    expect(accepts(threadItem, { ...ENVELOPE, type: 'chatkit.widget' })).toBe(false)
    expect(accepts(threadItem, { ...ENVELOPE, type: 'chatkit.widget', widget: {} })).toBe(false)
  })

  it.each([
    { type: 'chatkit.task', task_type: 'search', heading: null, summary: null },
    {
      type: 'chatkit.user_message',
      attachments: [],
      content: [{ type: 'input_audio', seconds: 3 }],
      inference_options: null,
    },
    {
      type: 'chatkit.assistant_message',
      content: [{ type: 'output_text', text: '', annotations: [{ type: 'entity', id: 'e' }] }],
    },
  ])('passes values that the API may add inside known kinds: %j', (item) => {
    const whole = { ...ENVELOPE, ...item }
    expect(threadItem.parse(whole)).toEqual(whole)
  })

  it('refuses a malformed annotation of a known kind', () => {
    const content = [{ type: 'output_text', text: '', annotations: [{ type: 'url', source: {} }] }]
    const item = { ...ENVELOPE, type: 'chatkit.assistant_message', content }
    expect(accepts(threadItem, item)).toBe(false)
  })

  it.each([{ data: {} }, { first_id: 5 }, { has_more: 'no' }, { object: 'page' }, { data: [{}] }])(
    'refuses a page with %j',
    (wrong) => {
      expect(accepts(threadPage, { ...THREAD_PAGE, ...wrong })).toBe(false)
      expect(accepts(threadItemPage, { ...ITEM_PAGE, ...wrong })).toBe(false)
    },
  )

  it('accepts an empty page', () => {
    const empty = { object: 'list', data: [], first_id: null, last_id: null, has_more: false }
    expect(threadPage.parse(empty)).toEqual(empty)
  })
})

describe('queries and errors', () => {
  it.each([{}, { limit: 0 }, { limit: 100, order: 'asc', after: 'a', before: 'b' }])(
    'takes the query %j',
    (query) => {
      expect(listQuery.parse(query)).toEqual(query)
    },
  )

  it.each([
    { limit: -1 },
    { limit: 101 },
    { limit: 1.5 },
    { order: 'up' },
    { after: '' },
    { x: 1 },
  ])('refuses the query %j', (query) => {
    expect(accepts(listQuery, query)).toBe(false)
  })

  it('filters threads, not items, by user', () => {
    expect(accepts(threadListQuery, { user: 'u'.repeat(512) })).toBe(true)
    expect(accepts(threadListQuery, { user: 'u'.repeat(513) })).toBe(false)
    expect(accepts(threadListQuery, { user: '' })).toBe(false)
    expect(accepts(listQuery, { user: 'u' })).toBe(false)
  })

  it('reads error bodies with and without their optional fields', () => {
    const full = { error: { message: 'm', type: 't', param: null, code: 'c' } }
    expect(apiError.parse(full)).toEqual(full)
    expect(accepts(apiError, { error: { message: 'm' } })).toBe(true)
    expect(accepts(apiError, { error: 'm' })).toBe(false)
  })
})
