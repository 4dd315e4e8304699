import { expect } from 'vitest'
import type { RunningChatKitServer } from '../../src/embedded/chatkit-server/server.ts'
import { asAt } from '../gateway/scene.ts'
import { ADMINS } from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig, sidOf } from '../support/chatkit/self-hosted.ts'
import { framesOf, input } from '../support/chatkit/server-client.ts'
import { startMember } from '../support/fleet.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'

export type Instance = Awaited<ReturnType<typeof startInstance>>

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

interface CancelScene {
  /** Where the session is minted and cancelled. */
  readonly here: Instance
  /** Where the stream runs. */
  readonly there: Instance
  readonly server: RunningChatKitServer['server']
}

/** A cancel ends the running stream within a second, at the server too, and the secret is refused everywhere. */
export async function expectCancelEnds({ here, there, server }: CancelScene): Promise<void> {
  const secret = await here.mint('carol')
  const response = await asAt(there.gateway, { secret })([
    'threads.create',
    { input: input('count to 100000') },
  ])
  const frames = framesOf(response)
  await frames.next()
  const started = performance.now()
  expect(await here.cancel(secret)).toMatchObject({ status: 'cancelled' })
  let last = ''
  for await (const frame of frames) last = frame
  expect(performance.now() - started).toBeLessThan(1000)
  expect(JSON.parse(last)).toMatchObject({ type: 'error' })
  await expect.poll(() => server.requests().at(-1)?.outcome).toBe('client_gone')
  for (const { gateway } of [here, there]) {
    const answer = await answerOf(await asAt(gateway, { secret })(['threads.list']))
    expectProblem(answer, 401, 'invalid_token')
  }
}
