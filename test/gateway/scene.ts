import { Hono } from 'hono'
import type { ChatKit } from '../../src/chatkit/port.ts'
import { createSelfHosted } from '../../src/chatkit/self-hosted/adapter.ts'
import { makeSigningKeys, readSigningKeys } from '../../src/chatkit/signing/signing-keys.ts'
import type { SelfHostedWorkflow, Settings } from '../../src/config/settings.ts'
import { createGateway } from '../../src/gateway/gateway.ts'
import { addRoute } from '../../src/http/add-route.ts'
import type { AppEnv } from '../../src/http/context.ts'
import { answerError, requestFrame } from '../../src/http/request-frame.ts'
import { listen } from '../../src/http/server/server.ts'
import { connectToAny } from '../../src/lib/connections.ts'
import type { WorkflowName } from '../../src/lib/ids.ts'
import { hashSecret } from '../../src/lib/secret.ts'
import { createMemoryBudget } from '../../src/lib/shares/memory-budget.ts'
import type { Registry } from '../../src/registry/port.ts'
import type { SessionState } from '../../src/registry/records.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import {
  type AskOptions,
  ask,
  eventsOf,
  input,
  type Json,
} from '../support/chatkit/server-client.ts'
import { plain, userId, workflowName } from '../support/ids.ts'
import { recordingLog } from '../support/issuer-settings.ts'
import { holdToDescription } from '../support/network/described-answers.ts'

export const ISSUER = 'https://mint.acme.example'
export const WORKFLOW = workflowName('helpdesk')

const SELF_HOSTED: Omit<SelfHostedWorkflow, 'server'> = {
  kind: 'self-hosted',
  name: WORKFLOW,
  threadsAt: WORKFLOW,
  answersTo: [],
  adoptThreads: false,
  uploadUrl: undefined,
  forwardHeaders: [],
  exposeHeaders: [],
  when: undefined,
  stateVariables: new Map(),
  input: new Map(),
  expiresAfterSeconds: undefined,
  maxRequestsPerMinute: 100_000,
}

const MEBIBYTE = 1024 * 1024

/** The defaults of the config file. */
const USUAL: Settings['gateway'] = {
  maxBodyBytes: 10 * MEBIBYTE,
  maxFrameBytes: 32 * MEBIBYTE,
  maxAnswerBytes: 64 * MEBIBYTE,
  memoryBytes: 256 * MEBIBYTE,
  userMemoryBytes: 64 * MEBIBYTE,
  bodyMs: 120_000,
  idleMs: 300_000,
  answerMs: 60_000,
  streamMs: 3_600_000,
  streamsPerUser: 10,
  allowUnknownTypes: false,
}

export interface SceneOptions {
  readonly workflow?: Partial<SelfHostedWorkflow>
  /** Replaces the sample server. */
  readonly server?: string
  readonly gateway?: Partial<Settings['gateway']>
  readonly heartbeatMs?: number
  /** Aborted when the process begins to stop. */
  readonly draining?: AbortSignal
  /** Milliseconds from then until streams end; 0 when absent. */
  readonly drainMs?: number
  /** Requests of a user per minute. */
  readonly maxReads?: number
  readonly registry?: Registry
  /** Milliseconds between two words of the assistant; 0 when absent. */
  readonly wordMs?: number
}

export interface SessionParts {
  readonly seconds?: number
  readonly workflow?: WorkflowName
  readonly state?: SessionState
}

/** The gateway over real HTTP in front of a sample server, and sessions in a registry in memory. */
export async function startScene(options: SceneOptions = {}) {
  const sample = await startSampleServer(options)
  const keys = readSigningKeys(makeSigningKeys(), 'test')
  const registry = options.registry ?? createSqliteRegistry({ path: ':memory:' })
  const dispatcher = connectToAny(() => undefined, { allowH2: false })
  const { log, lines } = recordingLog()
  const server = options.server ?? sample.url
  const memory = createMemoryBudget({ ...USUAL, ...options.gateway })
  const { draining = new AbortController().signal } = options
  const gateway = createGateway({
    settings: {
      workflows: [{ ...SELF_HOSTED, server, ...options.workflow }],
      gateway: { ...USUAL, ...options.gateway },
      limits: { readsPerUser: { max: options.maxReads ?? 100_000, seconds: 60 } },
    },
    selfHosted: { publicUrl: ISSUER, keys, dispatcher, memory },
    registry,
    hashUser: (user) => `hash of ${user}`,
    failedAuth: { counted: async (_c, failure) => failure },
    now: () => Date.now(),
    log,
    times: { draining, drainMs: options.drainMs ?? 0, heartbeatMs: options.heartbeatMs },
  })
  const origins = {
    app: new Set<string>(),
    appPatterns: new Map<string, RegExp>(),
    admin: new Set<string>(),
    console: new Set<string>(),
    credentials: false,
  }
  const app = new Hono<AppEnv>()
  app.onError(answerError)
  app.use(requestFrame({ origins, log, draining, memory }))
  addRoute(app, origins, {
    path: '/chatkit/:workflow',
    methods: { POST: [gateway], PUT: [gateway], GET: [gateway] },
  })
  const description = holdToDescription()
  const listening = await listen({ app, host: '127.0.0.1', port: 0, log })
  description.listenTo(listening.url)
  const adapterOf = (name: WorkflowName) => {
    const workflow = { name, server, uploadUrl: undefined, threadsAt: name }
    return createSelfHosted({
      workflow,
      publicUrl: ISSUER,
      keys,
      dispatcher,
      registry,
      now: () => Date.now(),
    })
  }
  const url = `${listening.url}/chatkit/${WORKFLOW}`
  return {
    url,
    origin: listening.url,
    sample,
    keys,
    registry,
    chatkit: plain(adapterOf(WORKFLOW)),
    lines,
    session: (user: string, parts?: SessionParts) =>
      openSession({ adapterOf, registry }, user, parts),
    async close() {
      await listening.stop(0)
      await dispatcher.destroy()
      await sample.close()
      description.finish()
    },
  }
}

export type Scene = Awaited<ReturnType<typeof startScene>>

/** Mints a session as the service does: with a signed client secret, and recorded in the registry. */
async function openSession(
  { adapterOf, registry }: { adapterOf: (workflow: WorkflowName) => ChatKit; registry: Registry },
  user: string,
  { seconds = 600, workflow = WORKFLOW, state }: SessionParts = {},
) {
  const chatkit = adapterOf(workflow)
  const params = {
    user,
    workflow: { id: workflow },
    expires_after: { anchor: 'created_at', seconds },
  }
  const issued = await chatkit.createSession(params as Parameters<typeof chatkit.createSession>[0])
  const now = Math.floor(Date.now() / 1000)
  const { generation } = await registry.readStanding({ user, identity: { issuer: 'i' }, now })
  const outcome = await registry.record({
    session: {
      id: issued.id,
      user: userId(user),
      workflow,
      issuer: 'i',
      subject: user,
      sid: undefined,
      secretHash: hashSecret(issued.client_secret),
      state,
      status: 'active',
      endReason: undefined,
      createdAt: now,
      expiresAt: now + seconds,
    },
    generation,
    cap: { max: 1000, whenFull: 'deny' },
    now,
  })
  if (outcome.kind !== 'recorded') throw new Error(outcome.kind)
  return { id: issued.id, secret: issued.client_secret.reveal(), user }
}

export type Session = Awaited<ReturnType<Scene['session']>>

/** Sends a request to the gateway with a session's client secret. */
export function asAt(url: string, session: Pick<Session, 'secret'>) {
  return (request: readonly [type: string, params?: unknown], options: AskOptions = {}) =>
    ask(url, request, {
      ...options,
      headers: { authorization: `Bearer ${session.secret}`, ...options.headers },
    })
}

/** Creates a thread and returns its id and events. */
export async function createThread(
  asker: ReturnType<typeof asAt>,
  text = 'hello there',
  attachments: readonly string[] = [],
) {
  const response = await asker(['threads.create', { input: input(text, attachments) }])
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  const events = await eventsOf(response)
  const created = events.find(({ type }) => type === 'thread.created')
  if (created === undefined) throw new Error('no thread')
  const { id } = created['thread'] as { id: string }
  return { id, events }
}

/** The items of one type in the events of a stream. */
export function itemIn(events: readonly Json[], type: string): { id: string } {
  const items = events.map((event) => event['item'] as { id: string; type: string } | undefined)
  const found = items.find((item) => item?.type === type)
  if (found === undefined) throw new Error(`no ${type}`)
  return found
}
