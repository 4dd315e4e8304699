import { Worker } from 'node:worker_threads'
import { startFrameServer } from '../bench/load/frame-streams.ts'
import { rawRequest } from '../support/raw-http.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { createSecretSigner } from '../support/tokens.ts'
import type { FloodOrders } from './flood-worker.ts'
import { type FloodUpstream, startFloodUpstream } from './upstream.ts'

/** Ways in which one user could make the service fail for others. */
export const FLOODS = [
  'thread reads, slow',
  'thread reads, failing',
  'mints over the limit',
  'bad tokens',
  'big bodies',
  'slow bodies',
  'streams',
  'exports by an admin',
] as const
export type FloodName = (typeof FLOODS)[number]

/** Results of thirty other users. */
export interface Fared {
  /** Statuses of their mints, in order of arrival. */
  readonly statuses: readonly number[]
  readonly medianMs: number
}

const ISSUER = 'https://issuer.test'
const SHARED_SECRET = 'a shared secret of at least thirty-two bytes'
const signer = createSecretSigner('HS256', SHARED_SECRET)

function tokenFor(sub: string, more: Readonly<Record<string, unknown>> = {}): string {
  const iat = Math.floor(Date.now() / 1000)
  return signer.token({ iss: ISSUER, aud: 'chat-api', sub, iat, exp: iat + 3600, ...more })
}

/** Time that the upstream takes for a mint. A real one takes some 150 ms; a slower one would hide the flood. */
const MINT_MS = 100
const USERS = 30
/** Users who mint at the same time. */
const TOGETHER = 10
/** Until the flood has reached its height. */
const RISE_MS = 300
const MEGABYTE = 1024 * 1024

/** A service with the default limits, and its neighbours. */
export async function startFloodScene() {
  const upstream = await startFloodUpstream(MINT_MS)
  const frames = await startFrameServer()
  const service = await startServiceProcess({
    config: configOf(frames.url),
    env: {
      OPENAI_API_KEY: 'sk-test-floods-0123456789abcdef',
      OPENAI_BASE_URL: upstream.url,
      PUBLIC_URL: 'https://mint.acme.example',
      SHARED_SECRET,
    },
  })
  const port = Number(new URL(service.url).port)
  let round = 0

  async function mint(user: string, body?: object) {
    const began = performance.now()
    const answer = await fetch(`${service.url}/v1/sessions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokenFor(user)}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    })
    const text = await answer.text()
    return { status: answer.status, text, ms: performance.now() - began }
  }

  async function thirtyMints(): Promise<Fared> {
    round++
    const seen: { status: number; ms: number }[] = []
    for (let first = 0; first < USERS; first += TOGETHER) {
      const users = Array.from({ length: TOGETHER }, (_, at) => `user-${round}-${first + at}`)
      seen.push(...(await Promise.all(users.map((user) => mint(user)))))
    }
    const times = seen.map(({ ms }) => ms).sort((a, b) => a - b)
    return { statuses: seen.map(({ status }) => status), medianMs: times[USERS / 2] ?? 0 }
  }

  return {
    /** Mints of thirty users: alone, and then during the flood. */
    async measure(name: FloodName) {
      const alone = await thirtyMints()
      // A user of its own for each flood, whose limits nobody has used.
      const mallory = `mallory-${round}`
      const secret = JSON.parse((await mint(mallory, { workflow: 'helpdesk' })).text).client_secret
      const { reads = 'pages', ...orders } = ORDERS[name]({ user: mallory, secret })
      upstream.reads = reads
      const flood = new Worker(new URL('./flood-worker.ts', import.meta.url), {
        workerData: { pauseMs: 0, port, ...orders } satisfies FloodOrders,
      })
      let met: readonly number[] = []
      flood.on('message', (statuses: readonly number[]) => {
        met = statuses
      })
      try {
        await new Promise((resolve) => setTimeout(resolve, RISE_MS))
        return { alone, flooded: await thirtyMints(), met }
      } finally {
        await flood.terminate()
      }
    },
    async close() {
      await service.close()
      await Promise.all([upstream.close(), frames.close()])
    },
  }
}

const configOf = (chatkitServer: string) => `
issuers:
  - { issuer: '${ISSUER}', audience: [chat-api], algorithms: [HS256], secret_env: SHARED_SECRET }
user: claims.sub
workflows:
  support: { id: wf_support }
  helpdesk: { server: '${chatkitServer}' }
admins: { when: '"chatkit-admin" in claims.roles' }
`

interface Attacker {
  readonly user: string
  /** A client secret for the gateway. */
  readonly secret: string
}

type Orders = Omit<FloodOrders, 'port' | 'pauseMs'> & {
  readonly pauseMs?: number
  readonly reads?: FloodUpstream['reads']
}

const as = (token: string) => `Authorization: Bearer ${token}`
const request = (...parts: Parameters<typeof rawRequest>) => rawRequest(...parts).toString('latin1')
const JSON_TYPE = 'Content-Type: application/json'
const message = (secret: string, text: string) =>
  request('POST /chatkit/helpdesk', {
    headers: [as(secret), JSON_TYPE],
    body: JSON.stringify({
      type: 'threads.create',
      params: {
        input: { content: [{ type: 'input_text', text }], attachments: [], inference_options: {} },
      },
    }),
  })

const ORDERS: Readonly<Record<FloodName, (attacker: Attacker) => Orders>> = {
  'thread reads, slow': ({ user }) => ({
    reads: 'hang',
    requests: [request('GET /v1/threads', { headers: [as(tokenFor(user))] })],
    connections: 520,
    pauseMs: 500,
  }),
  'thread reads, failing': ({ user }) => ({
    reads: 'fail',
    requests: [request('GET /v1/threads', { headers: [as(tokenFor(user))] })],
    connections: 32,
  }),
  'mints over the limit': ({ user }) => ({
    requests: [request('POST /v1/sessions', { headers: [as(tokenFor(user))] })],
    connections: 32,
  }),
  'bad tokens': ({ user }) => ({
    requests: Array.from({ length: 100 }, (_, at) => {
      const forged = tokenFor(`${user}-${at}`).replace(/[^.]+$/, (mac) => mac.toLowerCase())
      return request('POST /v1/sessions', { headers: [as(forged)] })
    }),
    connections: 32,
  }),
  'big bodies': ({ secret }) => ({
    requests: [message(secret, 'x'.repeat(9 * MEGABYTE))],
    connections: 10,
  }),
  'slow bodies': ({ user, secret }) => ({
    requests: [
      message(secret, 'x'.repeat(MEGABYTE)),
      request('POST /v1/sessions', { headers: [as(tokenFor(user)), JSON_TYPE], body: '{}' }),
      request('POST /v1/backchannel-logout', {
        headers: ['Content-Type: application/x-www-form-urlencoded'],
        body: `logout_token=${'x'.repeat(10_000)}`,
      }),
    ],
    connections: 300,
    dripMs: 1000,
  }),
  streams: ({ secret }) => ({ requests: [message(secret, 'hi')], connections: 32 }),
  'exports by an admin': () => ({
    requests: [
      request('GET /v1/admin/users/mallory/export', {
        headers: [as(tokenFor('ada', { roles: ['chatkit-admin'] }))],
      }),
    ],
    connections: 32,
  }),
}
