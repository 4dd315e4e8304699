import { expect } from 'vitest'
import { ADMINS } from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig, sidOf } from '../support/chatkit/self-hosted.ts'
import { startMember } from '../support/fleet.ts'

/**
 * @param server - URL of the ChatKit server
 * @param env - besides `PUBLIC_URL` and the issuer's secret
 */
export async function startInstance(server: string, env: Readonly<Record<string, string>> = {}) {
  const workflow = '    rate_limits: { max_requests_per_1_minute: 1000 }\n'
  const process = await startMember({
    // Nothing listens there: no call may need it.
    upstream: { url: 'http://127.0.0.1:9/v1' },
    config: selfHostedConfig({ server, workflow, more: ADMINS }),
    env: { PUBLIC_URL, ...env },
  })
  return {
    process,
    close: process.close,
    /** The gateway of `helpdesk`. */
    gateway: `${process.url}/chatkit/helpdesk`,
    /** Mints for a user and gives the client secret. */
    async mint(user: string) {
      const { secret, body } = await process.mint(user)
      return secret ?? expect.unreachable(JSON.stringify(body))
    },
    /** Cancels the session of a secret, as an admin, and gives the answer's body. */
    cancel: async (secret: string) =>
      (await process.admin(`POST /sessions/${sidOf(secret)}/cancel`)).body,
  }
}
