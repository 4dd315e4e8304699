import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { ADMIN_CONFIG, adminToken, type RevokeSeen } from './admin-calls.ts'
import type { WatchedUpstream } from './chatkit/watched-upstream.ts'
import { type Clients, createClients, type Seen } from './network/clients.ts'
import { SHARED_SECRET, tokenFor } from './running-service.ts'
import { type ProcessOptions, type ServiceProcess, startServiceProcess } from './service-process.ts'

interface MemberOptions extends Partial<ProcessOptions> {
  readonly upstream: { readonly url: string }
  /** `STORE_URL`; memory when absent. */
  readonly store?: string
}

/** The service as a process, and calls of it. */
export interface Member extends ServiceProcess {
  readonly clients: Clients
  mint(user: string, json?: unknown): Promise<Seen>
  mintAs(token: string): Promise<Seen>
  /** The same by a backend with an API key. */
  create(user: string): Promise<Seen>
  /** By a backend with an API key. */
  cancel(session: string): Promise<Seen>
  revoke(user: string, blockSeconds: number): Promise<Seen & { readonly body: RevokeSeen }>
  /** A call under `/v1/admin` without a body. */
  admin(line: string): Promise<Seen>
  /** Status of a `GET` without a token. */
  statusOf(path: string): Promise<number>
  /** SIGKILL; resolves when it is gone. */
  crash(): Promise<void>
}

const BACKEND_KEY = 'sk-mint-fleet-0123456789abcdef'
const DIGEST = createHash('sha256').update(BACKEND_KEY).digest('hex')
const CONFIG = `${ADMIN_CONFIG}\napi_keys: [ { id: fleet, sha256: 'sha256:${DIGEST}' } ]\n`

/** Starts the service as it runs in production; its config has an admin and a backend when none is given. */
export async function startMember(options: MemberOptions): Promise<Member> {
  const { config = CONFIG, upstream, store = 'memory:', nodeArguments = [], env } = options
  const service = await startServiceProcess({
    config,
    nodeArguments,
    env: {
      STORE_URL: store,
      OPENAI_API_KEY: 'sk-test-fleet-0123456789abcdef',
      OPENAI_BASE_URL: upstream.url,
      TEST_SHARED_SECRET: SHARED_SECRET,
      ...env,
    },
  })
  const clients = createClients(service.url)
  const post = (path: string, token: string, json?: unknown) =>
    clients.call(path, { method: 'POST', token, json })
  const mintAs = (token: string, json?: unknown) => post('/v1/sessions', token, json)
  return {
    ...service,
    clients,
    mintAs,
    mint: (user, json) => mintAs(tokenFor(user), json),
    create: (user) =>
      post('/v1/chatkit/sessions', BACKEND_KEY, { user, workflow: { id: 'support' } }),
    cancel: (session) => post(`/v1/chatkit/sessions/${session}/cancel`, BACKEND_KEY),
    async revoke(user, seconds) {
      const path = `/v1/admin/users/${encodeURIComponent(user)}/revoke`
      const seen = await post(path, adminToken(), { block_seconds: seconds })
      return { ...seen, body: seen.body as RevokeSeen }
    },
    admin(line) {
      const [method = '', path = ''] = line.split(' ')
      return clients.call(`/v1/admin${path}`, { method, token: adminToken() })
    },
    statusOf: async (path) => (await clients.call(path)).status,
    async crash() {
      service.child.kill('SIGKILL')
      await service.exited
    },
    async close() {
      await clients.close()
      await service.close()
    },
  }
}

/** Each secret that left belongs to a session of its user, which the registry has. */
export async function expectOnTheBooks(
  member: Member,
  { api }: Pick<WatchedUpstream, 'api'>,
  secrets: Iterable<readonly [secret: string, user: string]>,
): Promise<void> {
  const bySecret = new Map(api.sessions().map((one) => [one.client_secret, one.id]))
  for (const [secret, user] of secrets) {
    const id = bySecret.get(secret)
    const read = await member.admin(`GET /sessions/${id}`)
    expect(read).toMatchObject({ status: 200, body: { id, user } })
  }
}

/** Calls that make or end sessions, as the upstream has seen them. */
export function createsSeen({ api }: Pick<WatchedUpstream, 'api'>): number {
  return api.requests().filter(({ path }) => path === '/v1/chatkit/sessions').length
}

/** The sessions of a user that still work. */
export function workingSessions(
  { api }: Pick<WatchedUpstream, 'api'>,
  user: string,
): readonly string[] {
  const own = api.sessions().filter((session) => session.user === user)
  return own.filter(({ status }) => status === 'active').map(({ id }) => id)
}
