import { Agent } from 'undici'
import { expect, test } from 'vitest'
import { createAdapters } from '../../src/chatkit/adapters.ts'
import type { ChatKit } from '../../src/chatkit/port.ts'
import { startChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { Secret } from '../../src/lib/secret.ts'
import { plain, sessionId, workflowName } from '../support/ids.ts'
import { forEachTest } from '../support/started.ts'

const agent = new Agent()
const api = forEachTest(() => startChatKitApi({ port: 0 }))

interface Workflow {
  readonly name: string
  readonly apiKeyEnv: string
  readonly baseUrl?: string
}

/** Calls of `dispatcherFor`: lane and base URL. */
const pools: string[] = []

function adaptersOf(
  workflows: readonly Workflow[],
  selfHosted: ReadonlyMap<string, ChatKit> = new Map(),
  secret = (name: string): (() => Secret) | undefined =>
    () =>
      new Secret(`sk-${name}`),
) {
  pools.length = 0
  const adapters = createAdapters({
    workflows: workflows.map(({ name, apiKeyEnv, baseUrl }) => {
      return { name: workflowName(name), apiKeyEnv, baseUrl: baseUrl?.replace('{api}', api.url) }
    }),
    selfHosted,
    secret,
    openaiBaseUrl: api.url,
    organization: undefined,
    project: undefined,
    dispatcherFor: (lane, baseUrl) => {
      pools.push(`${lane} ${baseUrl}`)
      return agent
    },
  })
  return plain(adapters)
}

const TWO_KEYS = [
  { name: 'one', apiKeyEnv: 'FIRST' },
  { name: 'two', apiKeyEnv: 'SECOND' },
  { name: 'three', apiKeyEnv: 'FIRST' },
]

test('workflows with the same key share an adapter, and its breakers; others do not', async () => {
  const adapters = adaptersOf(TWO_KEYS)
  expect(adapters.chatkitOf('one')).toBe(adapters.chatkitOf('three'))
  expect(adapters.chatkitOf('one')).not.toBe(adapters.chatkitOf('two'))
  expect(adapters.breakers().map(({ key, breaker }) => `${key} ${breaker}`)).toEqual([
    'FIRST mint',
    'FIRST threads',
    'FIRST cancel',
    'SECOND mint',
    'SECOND threads',
    'SECOND cancel',
  ])
})

test.each(['two', 'gone'])(
  'a session is cancelled with whichever key knows it, since workflow "%s" may have changed',
  async (workflow) => {
    const adapters = adaptersOf(TWO_KEYS)
    const made = await adapters
      .chatkitOf('two')
      .createSession({ user: 'alice', workflow: { id: 'wf_1' } })
    api.api.setFaults({ status: 404, times: 1 })
    expect(await adapters.cancelsOf({ workflow }).cancelSession(made.id)).toMatchObject({
      status: 'cancelled',
    })
    const cancels = api.api.requests().filter(({ path }) => path.endsWith('/cancel'))
    expect(cancels).toHaveLength(2)
  },
)

test.each(['three', 'gone'])(
  'a key that fails does not keep the key that knows a session of workflow "%s" from cancelling it',
  async (workflow) => {
    const workflows = [{ name: 'bad', apiKeyEnv: 'BAD' }, ...TWO_KEYS]
    const adapters = adaptersOf(workflows, new Map(), (name) => () => {
      return new Secret(name === 'BAD' ? 'revoked' : `sk-${name}`)
    })
    const made = await adapters
      .chatkitOf('two')
      .createSession({ user: 'alice', workflow: { id: 'wf_1' } })
    const { cancelSession } = adapters.cancelsOf({ workflow })
    const failed = { code: 'upstream_auth_failed' }
    await expect(cancelSession(sessionId('cksess_never'))).rejects.toMatchObject(failed)
    if (workflow === 'three') api.api.setFaults({ status: 404, times: 1 })
    expect(await cancelSession(made.id)).toMatchObject({ status: 'cancelled' })
  },
)

test('a session of a workflow that left the config counts as gone only when no key knows it', async () => {
  const adapters = adaptersOf(TWO_KEYS)
  expect(
    await adapters.cancelsOf({ workflow: 'gone' }).cancelSession(sessionId('cksess_never')),
  ).toBeNull()
  expect(api.api.requests()).toHaveLength(2)
})

test.each([
  ['a key that knows it', TWO_KEYS],
  ['the usual key, when no workflow is hosted any more', []],
])(
  'a hosted session is cancelled at OpenAI with %s, after its workflow has become self-hosted',
  async (_name, hosted) => {
    const before = adaptersOf([{ name: 'desk', apiKeyEnv: 'FIRST' }])
    const workflow = { id: 'wf_1' }
    const made = await before.chatkitOf('desk').createSession({ user: 'alice', workflow })
    const after = adaptersOf(hosted, new Map([['desk', before.chatkitOf('desk')]]))
    const ended = await after.cancelsOf({ workflow: 'desk' }).cancelSession(made.id)
    expect(ended).toMatchObject({ status: 'cancelled' })
  },
)

test('a hosted session is not confirmed as cancelled while no key is set', async () => {
  const adapters = adaptersOf([], new Map(), () => undefined)
  const cancel = adapters.cancelsOf({ workflow: 'desk' }).cancelSession(sessionId('cksess_1'))
  await expect(cancel).rejects.toThrow('OPENAI_API_KEY is not set')
})

test('a self-hosted session is cancelled without OpenAI, whatever has become of its workflow', async () => {
  const adapters = adaptersOf(TWO_KEYS)
  for (const workflow of ['one', 'gone']) {
    const session = { workflow, state: {} }
    expect(await adapters.cancelsOf(session).cancelSession(sessionId('cksess_1'))).toBeNull()
  }
  expect(api.api.requests()).toEqual([])
})

test('a workflow that left the config mints nothing', async () => {
  const adapters = adaptersOf(TWO_KEYS)
  expect(() => adapters.chatkitOf('gone')).toThrow('workflow_unavailable')
  expect(api.api.requests()).toEqual([])
})

test('a workflow with another base URL than the usual one has its own adapter, connections and breakers', async () => {
  const own = { apiKeyEnv: 'KEY', baseUrl: 'https://eu.api.test/v1' }
  const adapters = adaptersOf([
    { name: 'one', apiKeyEnv: 'KEY' },
    { name: 'two', ...own },
    { name: 'three', ...own },
    { name: 'four', apiKeyEnv: 'KEY', baseUrl: '{api}' },
  ])
  expect(adapters.chatkitOf('two')).toBe(adapters.chatkitOf('three'))
  expect(adapters.chatkitOf('one')).toBe(adapters.chatkitOf('four'))
  expect(adapters.chatkitOf('one')).not.toBe(adapters.chatkitOf('two'))
  expect(new Set(adapters.breakers().map(({ key }) => key))).toEqual(
    new Set(['KEY', 'KEY at https://eu.api.test/v1']),
  )
  expect(pools).toEqual(
    [api.url, 'https://eu.api.test/v1'].flatMap((baseUrl) =>
      ['mint', 'threads', 'cancel'].map((lane) => `${lane} ${baseUrl}`),
    ),
  )
})
