import { expect } from 'vitest'
import { ADMINS } from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig, sidOf } from '../support/chatkit/self-hosted.ts'
import { type Member, startMember } from '../support/fleet.ts'

/** The service as a process, with `helpdesk` on a ChatKit server, and calls of it. */
export interface Instance {
  readonly process: Member
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
  const process = await startMember({
    // Nothing listens there: no call may need it.
    upstream: { url: 'http://127.0.0.1:9/v1' },
    config: selfHostedConfig({ server, workflow, more: ADMINS }),
    env: { PUBLIC_URL, ...env },
  })
  return {
    process,
    gateway: `${process.url}/chatkit/helpdesk`,
    async mint(user) {
      const { secret, body } = await process.mint(user)
      return secret ?? expect.unreachable(JSON.stringify(body))
    },
    cancel: async (secret) => (await process.admin(`POST /sessions/${sidOf(secret)}/cancel`)).body,
  }
}
