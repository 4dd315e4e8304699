// Starts everything that the demo consists of.

import { randomBytes } from 'node:crypto'
import { readEnvironment, readPort } from '../../config/env.ts'
import { loadConfig } from '../../config/file/load-config.ts'
import { startChatKitApi } from '../../embedded/chatkit-api/server.ts'
import { startChatKitServer } from '../../embedded/chatkit-server/server.ts'
import { consoleClient, DEMO_PAGE, WEB_APP } from '../../embedded/sign-in/clients.ts'
import { startSignIn } from '../../embedded/sign-in/sign-in.ts'
import { signInAs } from '../../embedded/sign-in/sign-in-as.ts'
import { type ListenOptions, listen } from '../../http/server/server.ts'
import { createLog } from '../../lib/log.ts'
import { createService } from '../../service.ts'
import { freePort, onUsualPort } from '../usual-port.ts'
import { demoConfig } from './config.ts'
import { introduction } from './introduction.ts'
import { createDemoLog } from './log.ts'
import { withDemoPage } from './page.ts'

/** A demo that runs and has minted its first session. */
export interface Demo {
  /** Text for the one who started it. */
  readonly introduction: string
  /** From now on, one short line for each request that the service answers. */
  showRequests(): void
  close(): Promise<void>
}

const SERVICE_PORT = 8787
const SIGN_IN_PORT = 8788
const CHATKIT_PORT = 8789
const SERVER_PORT = 8790
const HOST = '127.0.0.1'
/** The tokens stand in lines to paste, and whoever pastes them may have had lunch first. */
const TOKEN_SECONDS = 12 * 3600
/** Ctrl-C does not wait longer than this for what is in flight. */
const GRACE_MS = 500

/**
 * Starts everything on free loopback ports, the usual ones where possible, signs everybody in and
 * mints a session for alice.
 *
 * @throws `EnvironmentError` when PORT is none; `Error` when something does not start or alice gets no
 * session
 */
export async function startDemo(): Promise<Demo> {
  const port = readPort(SERVICE_PORT)
  const tokenSeconds = TOKEN_SECONDS
  const consoleSecret = randomBytes(32).toString('base64url')
  const signIn = await onUsualPort(SIGN_IN_PORT, (free) =>
    startSignIn({
      port: free,
      tokenSeconds,
      clients: [WEB_APP, DEMO_PAGE, consoleClient(consoleSecret)],
    }),
  )
  const api = await onUsualPort(CHATKIT_PORT, (free) => startChatKitApi({ port: free }))
  const server = await onUsualPort(SERVER_PORT, (free) => startChatKitServer({ port: free }))
  const [alice = '', bob = '', ada = ''] = await Promise.all(
    ['alice', 'bob', 'ada'].map(async (name) => (await signInAs(signIn, name)).accessToken),
  )
  const log = createDemoLog(process.stdout)
  const { issuer } = signIn
  const config = demoConfig(issuer, server.url)
  const service = await startService(port, {
    config,
    chatkitUrl: api.url,
    consoleSecret,
    log: createLog({ level: 'info', destination: log }),
    around(app, url) {
      const sent = () => api.api.requests()
      return withDemoPage(app, { url, issuer, config, log, sent, adminToken: ada })
    },
  })
  const answer = await mint(service.url, alice)
  return {
    introduction: introduction({
      urls: {
        service: service.url,
        signIn: signIn.issuer,
        chatkit: api.origin,
        server: server.origin,
      },
      tokens: { alice, bob, ada },
      answer,
    }),
    showRequests: log.showRequests,
    async close() {
      await service.close()
      await Promise.all([signIn.close(), api.close(), server.close()])
    },
  }
}

interface ServiceOptions {
  /** YAML. */
  readonly config: string
  readonly chatkitUrl: string
  readonly consoleSecret: string
  readonly log: ReturnType<typeof createLog>
  /** Puts more beside the service's own routes. */
  around(app: ListenOptions['app'], url: string): ListenOptions['app']
}

interface RunningService {
  readonly url: string
  close(): Promise<void>
}

/** The real service, from an environment and a config file like anyone's. */
async function startService(usualPort: number, options: ServiceOptions): Promise<RunningService> {
  const { config, chatkitUrl, consoleSecret, log } = options
  // Client secrets of self-hosted workflows name the service's own address.
  const port = await freePort(usualPort)
  const url = `http://localhost:${port}`
  const environment = readEnvironment({
    OPENAI_API_KEY: `sk-demo-${randomBytes(16).toString('base64url')}`,
    OPENAI_BASE_URL: chatkitUrl,
    STORE_URL: 'memory:',
    METRICS_PORT: '0',
    PUBLIC_URL: url,
    CONSOLE_CLIENT_SECRET: consoleSecret,
  })
  const { settings } = loadConfig(config, {
    file: 'demo.yaml',
    secrets: (name) => environment.secret(name)?.(),
  })
  const service = await createService({ environment, settings, log })
  const app = options.around(service.app, url)
  const listening = await listen({ app, host: HOST, port, log }).catch(() => undefined)
  if (listening === undefined) {
    // Somebody took the port that was free a moment ago.
    await service.close()
    return startService(0, options)
  }
  return {
    url,
    async close() {
      service.drain()
      await listening.stop(GRACE_MS)
      await service.close()
    },
  }
}

/** The check that all of it works: what a page of the app would do. */
async function mint(url: string, token: string): Promise<string> {
  const response = await fetch(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  })
  const answer = await response.text()
  if (response.ok) return answer
  throw new Error(`the service refused to mint a session: ${answer}`)
}
