import { ADMINS, adminToken } from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig, sidOf } from '../support/chatkit/self-hosted.ts'
import { tokenFor } from '../support/running-service.ts'
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts'

/** The service as a process, with `helpdesk` on a ChatKit server, and calls of it. */
export interface Instance {
  readonly process: ServiceProcess
  /** The gateway of `helpdesk`. */
  readonly gateway: string
  /** Mints for a user and gives the client secret. */
  mint(user: string): Promise<string>
  /** Cancels the session of a secret, as an admin, and gives the answer's body. */
  cancel(secret: string): Promise<unknown>
}

/**
 * @param server - URL of the ChatKit server
 * @param env - besides `PUBLIC_URL` and the issuer's secret
 */
export async function startInstance(
  server: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Instance> {
  const workflow = '    rate_limits: { max_requests_per_1_minute: 1000 }\n'
  const process = await startServiceProcess({
    config: selfHostedConfig({ server, workflow, more: ADMINS }),
    env: {
      OPENAI_API_KEY: 'sk-self-hosted-0123456789abcdef',
      // Nothing listens there: no call may need it.
      OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
      TEST_SHARED_SECRET: 'a shared secret of at least thirty-two bytes',
      PUBLIC_URL,
      ...env,
    },
  })
  const post = async (path: string, token: string) => {
    const headers = { authorization: `Bearer ${token}` }
    const response = await fetch(process.url + path, { method: 'POST', headers })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`)
    return JSON.parse(text)
  }
  return {
    process,
    gateway: `${process.url}/chatkit/helpdesk`,
    mint: async (user) => (await post('/v1/sessions', tokenFor(user))).client_secret,
    cancel: (secret) => post(`/v1/admin/sessions/${sidOf(secret)}/cancel`, adminToken()),
  }
}
