import { createHash } from 'node:crypto'
import { ADMIN_CONFIG, adminToken, type RevokeSeen } from './admin-calls.ts'
import type { WatchedUpstream } from './chatkit/watched-upstream.ts'
import { tokenFor } from './running-service.ts'
import { type ServiceProcess, startServiceProcess } from './service-process.ts'

/** An answer as far as these tests look at it. */
export interface Answer {
  readonly status: number
  /** Set for a refusal. */
  readonly code: string | undefined
  /** Set for a mint. */
  readonly secret: string | undefined
  readonly body: unknown
  /** From the first byte sent to the last one read. */
  readonly milliseconds: number
}

/** The service as a process among others. */
export interface Member extends ServiceProcess {
  mint(user: string): Promise<Answer>
  /** The same by a backend with an API key. */
  create(user: string): Promise<Answer>
  /** By a backend with an API key. */
  cancel(session: string): Promise<Answer>
  revoke(user: string, blockSeconds: number): Promise<Answer & { readonly body: RevokeSeen }>
  /** A call under `/v1/admin` without a body. */
  admin(line: string): Promise<Answer>
  /** SIGKILL; resolves when it is gone. */
  crash(): Promise<void>
}

const BACKEND_KEY = 'sk-mint-fleet-0123456789abcdef'
const DIGEST = createHash('sha256').update(BACKEND_KEY).digest('hex')
const CONFIG = `${ADMIN_CONFIG}\napi_keys: [ { id: fleet, sha256: 'sha256:${DIGEST}' } ]\n`

/** Starts the service with an admin and a backend, on a store that may be shared. */
export async function startMember(
  storeUrl: string,
  upstream: Pick<WatchedUpstream, 'url'>,
  env: Readonly<Record<string, string>> = {},
): Promise<Member> {
  const service = await startServiceProcess({
    config: CONFIG,
    env: {
      STORE_URL: storeUrl,
      OPENAI_API_KEY: 'sk-test-fleet-0123456789abcdef',
      OPENAI_BASE_URL: upstream.url,
      TEST_SHARED_SECRET: 'a shared secret of at least thirty-two bytes',
      ...env,
    },
  })
  const { url } = service
  const asBackend = (path: string, json?: unknown) =>
    call(`${url}/v1/chatkit${path}`, { method: 'POST', token: BACKEND_KEY, json })
  return {
    ...service,
    mint: (user) => call(`${url}/v1/sessions`, { method: 'POST', token: tokenFor(user) }),
    create: (user) => asBackend('/sessions', { user, workflow: { id: 'support' } }),
    cancel: (session) => asBackend(`/sessions/${session}/cancel`),
    async revoke(user, seconds) {
      const path = `/v1/admin/users/${encodeURIComponent(user)}/revoke`
      const json = { block_seconds: seconds }
      const answer = await call(url + path, { method: 'POST', token: adminToken(), json })
      return { ...answer, body: answer.body as RevokeSeen }
    },
    admin(line) {
      const [method = '', path = ''] = line.split(' ')
      return call(`${url}/v1/admin${path}`, { method, token: adminToken() })
    },
    async crash() {
      service.child.kill('SIGKILL')
      await service.exited
    },
  }
}

interface Call {
  readonly method: string
  readonly token: string
  readonly json?: unknown
}

async function call(url: string, { method, token, json }: Call): Promise<Answer> {
  const begun = performance.now()
  const headers = new Headers({ authorization: `Bearer ${token}` })
  if (json !== undefined) headers.set('content-type', 'application/json')
  const body = json === undefined ? null : JSON.stringify(json)
  const response = await fetch(url, { method, headers, body })
  const answer = JSON.parse((await response.text()) || 'null')
  return {
    status: response.status,
    code: answer?.code ?? answer?.error?.code,
    secret: answer?.client_secret,
    body: answer,
    milliseconds: performance.now() - begun,
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
