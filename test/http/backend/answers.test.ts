import type OpenAI from 'openai'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ServerItem } from '../../../src/chatkit/protocol/thread.ts'
import { officialClient } from '../../support/chatkit/sdk.ts'
import { BARE_ITEMS, FULL_ITEMS, fullThread } from '../../support/chatkit/seeds.ts'
import { startThreadScene } from '../../support/chatkit/thread-scene.ts'
import { forAllTests } from '../../support/started.ts'
import { faultsOf } from './reference.ts'
import { BILLING, errorOf, ONE_KEY, OPTIONS, startBackend } from './scene.ts'

const scene = forAllTests(() => startThreadScene({ workflows: ['support', 'desk'], more: ONE_KEY }))
let sessions: OpenAI['beta']['chatkit']['sessions']
let threads: OpenAI['beta']['chatkit']['threads']
beforeEach(() => {
  const { chatkit } = officialClient(`${scene.running.url}/v1`, BILLING).beta
  sessions = chatkit.sessions
  threads = chatkit.threads
  scene.tamper = undefined
})

const STATE = { plan: 'pro', seats: 4, trial: false }

describe('a session has the fields of the reference, all of them and no other', () => {
  test.each(['support', 'desk'])('of %s: created with no option and with every one', async (id) => {
    const plain = await sessions.create({ user: 'alice', workflow: { id } })
    expect(faultsOf('chat_session', plain)).toEqual([])
    const workflow = { id, version: '3', state_variables: STATE, tracing: { enabled: true } }
    const full = await sessions.create({ user: 'alice', workflow, ...OPTIONS })
    expect(faultsOf('chat_session', full)).toEqual([])
    expect(full).toMatchObject({
      workflow,
      chatkit_configuration: OPTIONS.chatkit_configuration,
      max_requests_per_1_minute: 30,
      rate_limits: { max_requests_per_1_minute: 30 },
    })
    const cancelled = { ...full, status: 'cancelled', client_secret: '' }
    expect(await sessions.cancel(full.id)).toEqual(cancelled)
    expect(await sessions.cancel(full.id)).toEqual(cancelled)
    expect(faultsOf('chat_session', cancelled)).toEqual([])
  })

  test.each(['support', 'desk'])('of %s: an end user’s, cancelled twice', async (workflow) => {
    const body = JSON.stringify({ workflow })
    const minted = await scene.running.mint(undefined, { method: 'POST', body, headers: JSON_TYPE })
    expect(minted.status).toBe(200)
    const list = await scene.registry.listSessions({ limit: 1, order: 'desc', now: 0 })
    const id = list?.data[0]?.id ?? ''
    for (const _time of [1, 2]) {
      const cancelled = await sessions.cancel(id)
      expect(faultsOf('chat_session', cancelled)).toEqual([])
      expect(cancelled).toMatchObject({ status: 'cancelled', client_secret: '' })
    }
  })

  test('created with null for every option: as with none', async () => {
    const none = { version: null, state_variables: null, tracing: { enabled: null } }
    const features = { automatic_thread_titling: null, file_upload: { max_files: null } }
    const body = {
      ...{ user: 'alice', expires_after: null, rate_limits: { max_requests_per_1_minute: null } },
      workflow: { id: 'support', ...none },
      chatkit_configuration: { ...features, history: { enabled: null, recent_threads: null } },
    }
    const made = await sessions.create(body as never)
    expect(faultsOf('chat_session', made)).toEqual([])
    const plain = await sessions.create({ user: 'alice', workflow: { id: 'support' } })
    const { id, client_secret, expires_at } = plain
    expect({ ...made, id, client_secret, expires_at }).toEqual(plain)
  })

  test('expired: it keeps that status', async () => {
    let ahead = 0
    const late = await startBackend({ now: () => Date.now() + ahead })
    const { sessions } = late.client().beta.chatkit
    const made = []
    for (const id of ['support', 'helpdesk']) {
      made.push(await sessions.create({ user: 'alice', workflow: { id, state_variables: STATE } }))
    }
    ahead = 700_000
    for (const session of made) {
      const expired = await sessions.cancel(session.id)
      expect(faultsOf('chat_session', expired)).toEqual([])
      expect(expired).toEqual({ ...session, status: 'expired', client_secret: '' })
    }
    await late.close()
  })
})

const JSON_TYPE = { 'content-type': 'application/json' }

describe('threads have the fields of the reference, all of them and no other', () => {
  test('hosted ones, in each status, and their items of every kind', async () => {
    const { support } = scene.projects
    const ids = [
      support.seedThread(fullThread('alice')).id,
      support.seedThread({ user: 'bob', status: { type: 'locked', reason: 'abuse' } }).id,
      support.seedThread({ user: 'bob', status: 'closed', title: 'done' }).id,
      support.seedThread({ user: 'bob', items: BARE_ITEMS.map(([type]) => ({ type })) as never })
        .id,
    ]
    for (const id of ids) {
      expect(faultsOf('chatkit_thread', await threads.retrieve(id))).toEqual([])
      expect(faultsOf('chatkit_thread_item_list', await wire(threads.listItems(id)))).toEqual([])
    }
    const full = await threads.listItems(ids[0] ?? '', { order: 'asc' })
    expect(full.data).toMatchObject(FULL_ITEMS)
    for (const limit of [0, 1, 100]) {
      expect(faultsOf('threads', await wire(threads.list({ limit })))).toEqual([])
    }
    for (const id of ids) {
      expect(faultsOf('thread_delete_response', await threads.delete(id))).toEqual([])
    }
  })

  test('those of a self-hosted server, and its items of every kind', async () => {
    const id = await scene.seed('desk', { user: 'alice', items: 0 })
    const { store } = scene.servers.desk
    const thread = store.thread(id)
    const place = { thread_id: id, created_at: '2026-01-02T03:04:05' }
    for (const [at, item] of SERVER_ITEMS.entries()) {
      store.save(thread, { ...item, ...place, id: `item_${at}` } as ServerItem)
    }
    expect(faultsOf('chatkit_thread', await threads.retrieve(id))).toEqual([])
    expect(faultsOf('threads', await wire(threads.list()))).toEqual([])
    const page = await wire(threads.listItems(id, { order: 'asc', limit: 100 }))
    expect(faultsOf('chatkit_thread_item_list', page)).toEqual([])
    expect((page as { data: unknown[] }).data).toHaveLength(SERVER_ITEMS.length - HIDDEN)
    expect(faultsOf('thread_delete_response', await threads.delete(id))).toEqual([])
  })
})

/** Items as ChatKit servers have them: with everything, and with as little as they may. */
const SERVER_ITEMS: readonly (Readonly<Record<string, unknown>> & { readonly type: string })[] = [
  {
    type: 'user_message',
    content: [
      { type: 'input_text', text: 'why?' },
      { type: 'input_tag', id: 'tag', text: '@order', data: {}, interactive: true },
    ],
    quoted_text: 'as you said',
    attachments: [
      { id: 'a', type: 'image', name: 'a.png', mime_type: 'image/png', preview_url: null },
      { id: 'b', type: 'file', name: 'b.txt', mime_type: 'text/plain', metadata: {} },
    ],
    inference_options: { tool_choice: { id: 'search', mode: 'must' } },
  },
  { type: 'user_message', inference_options: {} },
  {
    type: 'assistant_message',
    content: [
      {
        type: 'output_text',
        text: 'because',
        annotations: [
          { type: 'annotation', index: 1, source: { type: 'file', filename: 'b.txt', title: 'B' } },
          { type: 'annotation', source: { type: 'url', url: 'https://docs.example/', title: 'D' } },
        ],
      },
    ],
  },
  { type: 'assistant_message', content: [{ text: 'only text' }] },
  { type: 'widget', widget: { type: 'Card', children: [] }, copy_text: 'card' },
  { type: 'client_tool_call', call_id: 'c', name: 'open', arguments: { page: 1 } },
  { type: 'client_tool_call', status: 'completed', call_id: 'c', name: 'open', output: { ok: 1 } },
  { type: 'task', task: { type: 'web_search', title_query: 'looking', queries: ['a'] } },
  { type: 'task', task: {} },
  { type: 'workflow', workflow: { type: 'reasoning', tasks: [{ type: 'thought', content: 'x' }] } },
  { type: 'structured_input', inputs: [{ id: 'a', type: 'freeform', question: 'What?' }] },
  { type: 'generated_image', image: { url: 'https://pictures.example/a.png' } },
  { type: 'a_kind_of_tomorrow', more: 1 },
  { type: 'end_of_turn' },
  { type: 'hidden_context_item', content: 'for the model' },
]
const HIDDEN = 2

/** The answer as it was sent, without what the client adds. */
async function wire(call: { asResponse(): Promise<Response> }): Promise<unknown> {
  return (await call.asResponse()).json()
}

type Answer = Record<string, unknown>

describe('a field that OpenAI leaves out, sends as null or adds does not reach the backend as a hole', () => {
  /** An answer with one field changed; a field given as undefined is left out. */
  const tampered = (field: string, value: unknown): void => {
    scene.tamper = async (_request, answer) => {
      const body = (await (await answer()).json()) as Answer
      const path = field.split('.')
      const last = path.pop() ?? ''
      const parent = path.reduce<Answer | undefined>((inner, part) => inner?.[part] as Answer, body)
      if (parent !== undefined) parent[last] = value
      return Response.json(body)
    }
  }
  const HOLES = [
    ['left out', undefined],
    ['null', null],
    ['of another type', ['?']],
  ] as const
  const SESSION_FIELDS = [
    'object',
    'max_requests_per_1_minute',
    'rate_limits',
    'rate_limits.max_requests_per_1_minute',
    'workflow',
    'workflow.id',
    'workflow.version',
    'workflow.state_variables',
    'workflow.tracing',
    'workflow.tracing.enabled',
    'chatkit_configuration',
    'chatkit_configuration.automatic_thread_titling',
    'chatkit_configuration.automatic_thread_titling.enabled',
    'chatkit_configuration.file_upload',
    'chatkit_configuration.file_upload.max_file_size',
    'chatkit_configuration.history.recent_threads',
  ]

  test.each(HOLES)('a field of a session that is %s', async (_name, value) => {
    for (const field of SESSION_FIELDS) {
      tampered(field, value)
      const workflow = { id: 'support', version: '3', state_variables: STATE }
      const made = await sessions.create({ user: 'alice', workflow, ...OPTIONS })
      expect(faultsOf('chat_session', made), field).toEqual([])
      expect([made.workflow.id, made.rate_limits], field).toEqual(['support', OPTIONS.rate_limits])
      expect(made.max_requests_per_1_minute, field).toBe(30)
    }
  })

  test('the fields of a session that OpenAI sends count, beside one that it leaves out', async () => {
    scene.tamper = async (_request, answer) => {
      const { chatkit_configuration: _, ...told } = (await (await answer()).json()) as Answer
      const workflow = { ...(told['workflow'] as Answer), version: '7' }
      return Response.json({ ...told, workflow, rate_limits: { max_requests_per_1_minute: 5 } })
    }
    const made = await sessions.create({ user: 'alice', workflow: { id: 'support' } })
    expect(faultsOf('chat_session', made)).toEqual([])
    expect(made).toMatchObject({ workflow: { version: '7' }, max_requests_per_1_minute: 5 })
  })

  test.each(['id', 'client_secret', 'expires_at', 'user', 'status'])(
    'a session without %s is 502, and none is handed out',
    async (field) => {
      tampered(field, undefined)
      const error = await errorOf(sessions.create({ user: 'alice', workflow: { id: 'support' } }))
      expect([error.status, error.code]).toEqual([502, 'upstream_invalid_response'])
    },
  )

  test('fields that it adds pass, and hide none', async () => {
    tampered('colour', 'red')
    const made = await sessions.create({ user: 'alice', workflow: { id: 'support' } })
    expect(faultsOf('chat_session', made)).toEqual(['chat_session.colour: unknown'])
    const { id } = scene.projects.support.seedThread({ user: 'alice' })
    tampered('colour', 'red')
    expect(faultsOf('chatkit_thread', await threads.retrieve(id))).toEqual([
      'chatkit_thread.colour: unknown',
    ])
  })

  test.each(HOLES.slice(0, 2))(
    'a field of a thread or an item that is %s',
    async (_name, value) => {
      const { id } = scene.projects.support.seedThread(fullThread('alice'))
      for (const field of ['title', 'status', 'object']) {
        tampered(field, value)
        expect(faultsOf('chatkit_thread', await threads.retrieve(id)), field).toEqual([])
      }
      for (const field of ['object', 'first_id', 'last_id']) {
        tampered(field, value)
        expect(faultsOf('threads', await wire(threads.list({ user: 'alice' }))), field).toEqual([])
      }
      for (const field of ITEM_FIELDS) {
        tampered(field, value)
        const page = await wire(threads.listItems(id, { order: 'asc' }))
        expect(faultsOf('chatkit_thread_item_list', page), field).toEqual([])
        expect((page as { data: unknown[] }).data, field).toHaveLength(FULL_ITEMS.length)
      }
    },
  )
  /** The fields for which the reference has a default. The others cannot be made up. */
  const ITEM_FIELDS = [
    'object',
    'data.0.object',
    'data.0.inference_options',
    'data.0.inference_options.model',
    'data.0.inference_options.tool_choice',
    'data.0.attachments',
    'data.0.attachments.0.preview_url',
    'data.1.content.0.annotations',
    'data.3.output',
    'data.4.heading',
    'data.4.summary',
    'data.5.tasks.0.heading',
    'data.5.tasks.0.summary',
  ]
})
