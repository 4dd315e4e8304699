import { beforeEach, describe, expect, test } from 'vitest'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { SESSION } from '../../support/chatkit/examples.ts'
import { FULL_ITEMS, fullThread } from '../../support/chatkit/seeds.ts'
import { forAllTests } from '../../support/started.ts'
import { cliJson, quickCli } from './run-cli.ts'

// The reference's command lines, run against the embedded ChatKit API.

const KEY = 'sk-My-API-Key'

const api = forAllTests(() => startChatKitApi({ port: 0 }))
beforeEach(() => api.api.clearRequests())

/** A line of the reference without the word `openai`, with `--api-key` as in the reference. */
function openai(...words: string[]): Promise<unknown> {
  const line = [...words.slice(0, 2), '--api-key', KEY, ...words.slice(2)]
  return cliJson(line, { OPENAI_BASE_URL: api.url })
}

/** The names of all fields, nested ones with dots. */
function fieldNames(value: object, prefix = ''): string[] {
  return Object.entries(value).flatMap(([name, inner]) =>
    name !== 'state_variables' && inner !== null && typeof inner === 'object'
      ? fieldNames(inner, `${prefix}${name}.`)
      : [prefix + name],
  )
}

function create(...more: string[]) {
  return openai('beta:chatkit:sessions', 'create', '--user', 'x', ...more)
}

describe('sessions', () => {
  test('create sends every field of the reference, and prints what the API answered', async () => {
    const session = await create('--workflow', '{id: id}')
    expect(session).toEqual(api.api.sessions().at(-1))
    expect(session).toEqual({
      id: expect.stringMatching(/^cksess_/),
      chatkit_configuration: {
        automatic_thread_titling: { enabled: true },
        file_upload: { enabled: false, max_file_size: 512, max_files: 10 },
        history: { enabled: true, recent_threads: null },
      },
      client_secret: expect.stringMatching(/^ek_/),
      expires_at: expect.any(Number),
      max_requests_per_1_minute: 10,
      object: 'chatkit.session',
      rate_limits: { max_requests_per_1_minute: 10 },
      status: 'active',
      user: 'x',
      workflow: { id: 'id', state_variables: null, tracing: { enabled: true }, version: null },
    })
    const names = fieldNames(session as object).toSorted()
    expect(names).toEqual(fieldNames(SESSION).toSorted())
  })

  test('create sends every flag as the reference spells it, in YAML and in JSON', async () => {
    const workflow = {
      id: 'wf_1',
      version: '3',
      state_variables: { plan: 'pro', seats: 3, trial: false },
      tracing: { enabled: false },
    }
    const chatkit_configuration = {
      automatic_thread_titling: { enabled: false },
      file_upload: { enabled: true, max_file_size: 1, max_files: 2 },
      history: { enabled: true, recent_threads: 5 },
    }
    const expires_after = { anchor: 'created_at', seconds: 60 }
    const rate_limits = { max_requests_per_1_minute: 7 }
    const relaxed = [
      [
        '--workflow',
        "{id: wf_1, version: '3', state_variables: {plan: pro, seats: 3, trial: false}, tracing: {enabled: false}}",
      ],
      [
        '--chatkit-configuration',
        '{automatic_thread_titling: {enabled: false}, file_upload: {enabled: true, max_file_size: 1, max_files: 2}, history: {enabled: true, recent_threads: 5}}',
      ],
      ['--expires-after', '{anchor: created_at, seconds: 60}'],
      ['--rate-limits', '{max_requests_per_1_minute: 7}'],
    ]
    const json = [
      ['--workflow', JSON.stringify(workflow)],
      ['--chatkit-configuration', JSON.stringify(chatkit_configuration)],
      ['--expires-after', JSON.stringify(expires_after)],
      ['--rate-limits', JSON.stringify(rate_limits)],
    ]
    for (const flags of [relaxed, json]) {
      expect(await create(...flags.flat())).toMatchObject({
        workflow,
        chatkit_configuration,
        rate_limits,
        max_requests_per_1_minute: 7,
      })
      const { body, headers } = api.api.requests().at(-1) ?? {}
      expect(body).toEqual({
        user: 'x',
        workflow,
        chatkit_configuration,
        expires_after,
        rate_limits,
      })
      expect(headers).toMatchObject({ 'openai-beta': 'chatkit_beta=v1' })
    }
  })
})

describe('threads', () => {
  test.each([
    ['active' as const, { type: 'active' }],
    ['locked' as const, { type: 'locked', reason: null }],
    [
      { type: 'closed' as const, reason: 'done' },
      { type: 'closed', reason: 'done' },
    ],
  ])('retrieve prints the status %j', async (status, shown) => {
    const { id, created_at } = api.api.seedThread({ user: 'x', status })
    expect(await openai('beta:chatkit:threads', 'retrieve', '--thread-id', id)).toEqual({
      id,
      object: 'chatkit.thread',
      created_at,
      status: shown,
      title: null,
      user: 'x',
    })
  })

  test('list-items prints all six kinds, with every field', async () => {
    const { id } = api.api.seedThread(fullThread('x'))
    const words = ['beta:chatkit:threads', 'list-items', '--thread-id', id, '--order', 'asc']
    const page = (await openai(...words)) as { data: { id: string }[] }
    expect(page).toEqual({
      object: 'list',
      data: FULL_ITEMS.map((item) => ({
        ...item,
        id: expect.stringMatching(/^cthi_/),
        object: 'chatkit.thread_item',
        created_at: expect.any(Number),
        thread_id: id,
      })),
      first_id: page.data.at(0)?.id,
      last_id: page.data.at(-1)?.id,
      has_more: false,
    })
    const second = page.data[1]?.id ?? ''
    const after = (await openai(...words, '--after', second, '--limit', '1')) as typeof page
    expect(after).toMatchObject({ data: [{ id: page.data[2]?.id }], has_more: true })
    const before = (await openai(...words, '--before', second)) as typeof page
    expect(before.data.map((one) => one.id)).toEqual([page.data[0]?.id])
  })
})

describe('for people', () => {
  const env = { OPENAI_API_KEY: KEY, FORCE_COLOR: '3' }

  test('a table names the next page, and its titles cannot change the terminal', async () => {
    const title = 'red\u001b[2J\u009b31m\u202egnp.exe'
    const { id } = api.api.seedThread({ user: 'table', title, created_at: 1_700_000_000 })
    api.api.seedThread({ user: 'table', created_at: 1 })
    const words = ['threads', 'list', '--user', 'table', '--limit', '1', '--base-url', api.url]
    const { code, out, err } = await quickCli(words, env)
    expect(code).toBe(0)
    expect(out).toContain(`│ ${id} │ 2023-11-14T22:13:20Z │ active │ table │ `)
    expect(out).toContain('red\\u{1b}[2J\\u{9b}31m\\u{202e}gnp.exe')
    expect(err).toBe(`there are more: --after ${id}\n`)
    const json = await quickCli([...words, '--json'], env)
    expect(json.out).not.toMatch(/[\u007f-\u009f\u202e]/)
    expect(JSON.parse(json.out).data[0].title).toBe(title)
  })

  test('one object has every field on a line, with readable times', async () => {
    const thread = api.api.seedThread({ user: 'x', title: 'T', created_at: 1_700_000_000 })
    const words = ['threads', 'retrieve', '--thread-id', thread.id, '--base-url', api.url]
    const { out } = await quickCli(words, env)
    expect(out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['id', thread.id],
      ['object', 'chatkit.thread'],
      ['created_at', '1700000000 (2023-11-14T22:13:20Z)'],
      ['status.type', 'active'],
      ['title', 'T'],
      ['user', 'x'],
      [''],
    ])
  })

  test('items have a line for each kind, with its text', async () => {
    const { id } = api.api.seedThread(fullThread('x'))
    const words = ['threads', 'list-items', '--thread-id', id, '--base-url', api.url]
    const { out } = await quickCli(words, env)
    for (const text of [
      /user_message +│ as you said · why\?/,
      /assistant_message +│ because/,
      /widget +│ \{"type":"Card"\}/,
      /client_tool_call +│ open_page · \{"page":1\} · \{"ok":true\}/,
      /task +│ Looking · in the docs/,
      /task_group +│ One · first/,
    ]) {
      expect(out).toMatch(text)
    }
  })
})
