import { ADMIN_CONFIG, adminToken, type RevokeSeen } from '../support/admin-calls.ts'
import { tokenFor } from '../support/running-service.ts'
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts'
import { type Clients, createClients, type Seen } from './calls.ts'

export interface DrillOptions {
  /** YAML; one shared secret, and an admin, when absent. */
  readonly config?: string
  /** `OPENAI_BASE_URL`. */
  readonly upstream: string
  /** `STORE_URL`; memory when absent. */
  readonly store?: string
  readonly nodeArguments?: readonly string[]
}

/** The service as a process, and who calls it. */
export interface Drilled extends ServiceProcess {
  readonly clients: Clients
  mint(user: string, json?: unknown): Promise<Seen>
  mintAs(token: string): Promise<Seen>
  revoke(user: string, blockSeconds: number): Promise<Seen & { readonly body: RevokeSeen }>
  session(id: string): Promise<Seen>
  /** Status of a `GET` without a token. */
  statusOf(path: string): Promise<number>
}

/** Starts the service as it runs in production. */
export async function startDrilled(options: DrillOptions): Promise<Drilled> {
  const { config = ADMIN_CONFIG, upstream, store = 'memory:', nodeArguments = [] } = options
  const service = await startServiceProcess({
    config,
    nodeArguments,
    env: {
      STORE_URL: store,
      OPENAI_API_KEY: 'sk-test-drill-0123456789abcdef',
      OPENAI_BASE_URL: upstream,
      TEST_SHARED_SECRET: 'a shared secret of at least thirty-two bytes',
    },
  })
  const clients = createClients(service.url)
  const mintAs = (token: string, json?: unknown) =>
    clients.call('/v1/sessions', { method: 'POST', token, json })
  return {
    ...service,
    clients,
    mintAs,
    mint: (user, json) => mintAs(tokenFor(user), json),
    async revoke(user, seconds) {
      const path = `/v1/admin/users/${encodeURIComponent(user)}/revoke`
      const json = { block_seconds: seconds }
      const seen = await clients.call(path, { method: 'POST', token: adminToken(), json })
      return { ...seen, body: seen.body as RevokeSeen }
    },
    session: (id) => clients.call(`/v1/admin/sessions/${id}`, { token: adminToken() }),
    statusOf: async (path) => (await clients.call(path)).status,
    async end() {
      await clients.close()
      await service.end()
    },
  }
}
