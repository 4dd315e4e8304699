import { Agent } from 'undici'
import { afterEach, expect, test } from 'vitest'
import { createAdapters } from '../../src/chatkit/adapters.ts'
import { type RunningChatKitApi, startChatKitApi } from '../../src/embedded/chatkit-api/server.ts'
import { Secret } from '../../src/lib/secret.ts'
import { plain, sessionId, workflowName } from '../support/ids.ts'

const agent = new Agent()
let api: RunningChatKitApi
afterEach(() => api.close())

interface Workflow {
  readonly name: string
  readonly apiKeyEnv: string
  readonly baseUrl?: string
}

/** Calls of `dispatcherFor`: lane and base URL. */
const pools: string[] = []

async function adaptersOf(workflows: readonly Workflow[]) {
  api = await startChatKitApi({ port: 0 })
  pools.length = 0
  const adapters = createAdapters({
    workflows: workflows.map(({ name, apiKeyEnv, baseUrl }) => {
      return { name: workflowName(name), apiKeyEnv, baseUrl: baseUrl?.replace('{api}', api.url) }
    }),
    selfHosted: new Map(),
    secret: (name) => () => new Secret(`sk-${name}`),
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
  const adapters = await adaptersOf(TWO_KEYS)
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

test('a session of a workflow that left the config is cancelled with whichever key knows it', async () => {
  const adapters = await adaptersOf(TWO_KEYS)
  const made = await adapters
    .chatkitOf('two')
    .createSession({ user: 'alice', workflow: { id: 'wf_1' } })
  api.api.setFaults({ status: 404, times: 1 })
  expect(await adapters.chatkitOf('gone').cancelSession(made.id)).toMatchObject({
    status: 'cancelled',
  })
  const cancels = api.api.requests().filter(({ path }) => path.endsWith('/cancel'))
  expect(cancels).toHaveLength(2)
})

test('a session of a workflow that left the config counts as gone only when no key knows it', async () => {
  const adapters = await adaptersOf(TWO_KEYS)
  expect(await adapters.chatkitOf('gone').cancelSession(sessionId('cksess_never'))).toBeNull()
  expect(api.api.requests()).toHaveLength(2)
})

test('a workflow that left the config mints nothing', async () => {
  const adapters = await adaptersOf(TWO_KEYS)
  const attempt = adapters.chatkitOf('gone').createSession({ user: 'a', workflow: { id: 'wf' } })
  await expect(attempt).rejects.toMatchObject({ code: 'workflow_unavailable' })
  expect(api.api.requests()).toEqual([])
})

test('a workflow with another base URL than the usual one has its own adapter, connections and breakers', async () => {
  const own = { apiKeyEnv: 'KEY', baseUrl: 'https://eu.api.test/v1' }
  const adapters = await adaptersOf([
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
