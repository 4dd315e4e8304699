import { createAdaptorServer } from '@hono/node-server'
import { type ChatKitApi, createChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import type { ThreadSeed } from '../../../src/embedded/chatkit-api/seed.ts'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'
import type { Registry } from '../../../src/registry/port.ts'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { ADMINS } from '../admin-calls.ts'
import { userId } from '../ids.ts'
import { answerOf } from '../problem-answer.ts'
import type { RawAnswer } from '../raw-http.ts'
import {
  API_KEY,
  DEFAULT_CONFIG,
  type Running,
  startService,
  tokenFor,
} from '../running-service.ts'
import { type SampleServer, startSampleServer } from './sample-server.ts'
import { PUBLIC_URL } from './self-hosted.ts'

/** Two projects at OpenAI, each behind its own key, one of them behind two; two servers of one's own. */
const WORKFLOWS = {
  support: 'id: wf_support',
  sales: '{ id: wf_sales, api_key_env: SALES_KEY }',
  twin: '{ id: wf_twin, api_key_env: TWIN_KEY }',
  desk: 'server: DESK_URL',
  shop: 'server: SHOP_URL',
} as const
export type WorkflowName = keyof typeof WORKFLOWS

const KEYS = { SALES_KEY: 'sk-sales-0123456789abcdef', TWIN_KEY: 'sk-twin-0123456789abcdef' }

/** Kinds of source with which each test runs. */
export const MIXES: readonly (readonly [string, readonly WorkflowName[]])[] = [
  ['one key', ['support']],
  ['two keys', ['support', 'sales']],
  ['one server', ['desk']],
  ['key and server', ['support', 'desk']],
]

export interface SceneOptions {
  readonly workflows?: readonly WorkflowName[]
  /** Lines of the config at its top level. */
  readonly more?: string
  readonly config?: (yaml: string) => string
}

/** Changes the answers of an upstream of hosted threads. */
export type Tamper = (request: Request, answer: () => Promise<Response>) => Promise<Response>

/** The service over HTTP in front of several upstreams that a test can fill. */
export interface ThreadScene {
  readonly running: Running
  readonly registry: Registry
  readonly projects: Readonly<Record<'support' | 'sales', ChatKitApi>>
  readonly servers: Readonly<Record<'desk' | 'shop', SampleServer>>
  /** The ChatKit API lists everyone's threads, even if those of one user are asked for. */
  careless: boolean
  /** Changes what the ChatKit API answers. */
  tamper: Tamper | undefined
  /** Puts a thread where the threads of this workflow are. */
  seed(workflow: WorkflowName, thread: SeededThread): Promise<string>
  /** `GET /v1/threads`, for example, as alice unless another user is given. */
  call(line: string, parts?: CallAs): Promise<RawAnswer>
  /** Requests for threads that reached any upstream, and forgets them. */
  asked(): number
  close(): Promise<void>
}

export interface SeededThread {
  readonly user: string
  /** Unix seconds. */
  readonly at?: number
  readonly items?: number
}

export interface CallAs {
  readonly user?: string
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
}

export async function startThreadScene(options: SceneOptions = {}): Promise<ThreadScene> {
  let seconds = Math.floor(Date.now() / 1000)
  let asked = 0
  const now = () => seconds * 1000
  const registry = createSqliteRegistry({ path: ':memory:' })
  const projects = { support: createChatKitApi({ now }), sales: createChatKitApi({ now }) }
  const servers = { desk: await startSampleServer({ now }), shop: await startSampleServer({ now }) }
  const count = () => {
    asked++
  }
  for (const server of Object.values(servers)) server.onRequest = count
  const hostedApi = createAdaptorServer({
    fetch: (request: Request) => {
      if (request.url.includes('/chatkit/threads')) count()
      const key = request.headers.get('authorization')
      const project = key === `Bearer ${KEYS.SALES_KEY}` ? projects.sales : projects.support
      const answer = async () => project.app.fetch(scene.careless ? withoutUser(request) : request)
      return scene.tamper === undefined ? answer() : scene.tamper(request, answer)
    },
  })
  const hosted = await listenOnLoopback(hostedApi)
  const running = await startService({
    config: configOf(options, servers),
    registry,
    env: { ...KEYS, OPENAI_API_KEY: API_KEY, OPENAI_BASE_URL: `${hosted.origin}/v1`, PUBLIC_URL },
  })

  const scene: ThreadScene = {
    running,
    registry,
    projects,
    servers,
    careless: false,
    tamper: undefined,
    async seed(workflow, { user, at, items = 1 }) {
      const before = seconds
      seconds = at ?? seconds
      const texts = Array.from({ length: items }, (_, number) => `${user} says ${number}`)
      try {
        if (workflow === 'desk' || workflow === 'shop') {
          const { id } = servers[workflow].seed({ texts })
          await registry.claimOwnership({
            source: servers[workflow].url,
            kind: 'thread',
            id,
            user: userId(user),
            createdAt: seconds,
          })
          return id
        }
        const project = projects[workflow === 'sales' ? 'sales' : 'support']
        return project.seedThread({ user, items: itemsOf(texts) }).id
      } finally {
        seconds = before
      }
    },
    async call(line, { user = 'alice', token = tokenFor(user), headers } = {}) {
      const [method = '', path = ''] = line.split(' ')
      const init = { method, headers: { authorization: `Bearer ${token}`, ...headers } }
      return answerOf(await fetch(running.url + path, init))
    },
    asked() {
      const before = asked
      asked = 0
      return before
    },
    async close() {
      await running.close()
      await Promise.all([hosted, servers.desk, servers.shop].map((server) => server.close()))
    },
  }
  return scene
}

function withoutUser(request: Request): Request {
  const url = new URL(request.url)
  url.searchParams.delete('user')
  return new Request(url, request)
}

function itemsOf(texts: readonly string[]): NonNullable<ThreadSeed['items']> {
  return texts.map((text) => ({
    type: 'chatkit.assistant_message',
    content: [{ type: 'output_text', text, annotations: [] }],
  }))
}

function configOf(
  { workflows = ['support', 'sales', 'twin', 'desk', 'shop'], more = '', config }: SceneOptions,
  { desk, shop }: ThreadScene['servers'],
): string {
  const lines = workflows.map((name) => `  ${name}: ${flow(WORKFLOWS[name])}\n`).join('')
  const yaml = DEFAULT_CONFIG.replace('  support:\n    id: wf_support\n', lines)
    .replace('DESK_URL', desk.url)
    .replace('SHOP_URL', shop.url)
  const whole = `${yaml}\n${ADMINS}\n${more}\n`
  return config === undefined ? whole : config(whole)
}

function flow(parts: string): string {
  return parts.startsWith('{') ? parts : `{ ${parts} }`
}
