// Starts everything that the demo consists of.

import { readEnvironment, readPort } from '../../config/env.ts'
import { loadConfig } from '../../config/file/load-config.ts'
import { startChatKitApi } from '../../embedded/chatkit-api/api.ts'
import { startChatKitServer } from '../../embedded/chatkit-server/server.ts'
import { consoleClient, DEMO_PAGE, WEB_APP } from '../../embedded/sign-in/clients.ts'
import { startSignIn } from '../../embedded/sign-in/sign-in.ts'
import { createLog, type Log } from '../../lib/log.ts'
import { newRandomKey } from '../../lib/secret.ts'
import { createService, type Service } from '../../service.ts'
import { startOnLoopback } from '../loopback-service.ts'
import type { RunningCommand } from '../run-until-signal.ts'
import { onUsualPort, USUAL_PORTS } from '../usual-port.ts'
import { demoConfig } from './config.ts'
import { introduction } from './introduction.ts'
import { createDemoLog } from './log.ts'
import { withDemoPage } from './page.ts'

/** Life of the tokens in the lines to paste, in seconds: half a day, because they may be pasted much later. */
const TOKEN_SECONDS = 12 * 3600

/**
 * Starts everything on free loopback ports, the usual ones where possible, makes a token for each
 * person, and mints a session for alice.
 *
 * @throws `EnvironmentError` when PORT is no port; `Error` when something does not start or alice gets no
 * session
 */
export async function startDemo(): Promise<RunningCommand> {
  const port = readPort(USUAL_PORTS.service)
  const consoleSecret = newRandomKey()
  const signIn = await onUsualPort(USUAL_PORTS.signIn, (free) =>
    startSignIn({
      port: free,
      tokenSeconds: TOKEN_SECONDS,
      clients: [WEB_APP, DEMO_PAGE, consoleClient(consoleSecret)],
    }),
  )
  const api = await onUsualPort(USUAL_PORTS.chatkit, (free) => startChatKitApi({ port: free }))
  const server = await onUsualPort(USUAL_PORTS.server, (free) => startChatKitServer(free))
  const tokenOf = async (sub: string) =>
    (await signIn.makeToken({ sub, expires_in: TOKEN_SECONDS })).token
  const tokens = {
    alice: await tokenOf('alice'),
    bob: await tokenOf('bob'),
    ada: await tokenOf('ada'),
  }
  const short = createDemoLog(process.stdout)
  const log = createLog({ level: 'info', destination: short })
  const { issuer } = signIn
  const config = demoConfig(issuer, server.url)
  const sent = () => api.api.requests()
  const page = { issuer, config, log: short, sent, adminToken: tokens.ada }
  const make = async (url: string) => {
    const made = await makeService(url, { config, chatkitUrl: api.url, consoleSecret, log })
    return { service: made, app: withDemoPage(made.app, { url, ...page }) }
  }
  const service = await startOnLoopback(port, make, log)
  const answer = await mint(service.url, tokens.alice)
  return {
    introduction: introduction({
      port,
      urls: {
        service: service.url,
        signIn: signIn.issuer,
        server: server.origin,
        chatkit: api.origin,
      },
      tokens,
      answer,
    }),
    showRequests: short.showRequests,
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
  readonly log: Log
}

/** The real service, made from an environment and a config file as in production. */
async function makeService(url: string, options: ServiceOptions): Promise<Service> {
  const { config, chatkitUrl, consoleSecret, log } = options
  const environment = readEnvironment({
    OPENAI_API_KEY: `sk-demo-${newRandomKey()}`,
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
  return await createService({ environment, settings, log })
}

/** Checks that everything works, by a mint as a page of an app makes it. */
async function mint(url: string, token: string): Promise<string> {
  const response = await fetch(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  })
  const answer = await response.text()
  if (response.ok) return answer
  throw new Error(`the service refused to mint a session: ${answer}`)
}
