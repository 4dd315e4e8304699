// Starts the service with the developer's own config, and the servers that stand in for identity provider and OpenAI.

import type { Variables } from '../../config/env.ts'
import { startChatKitApi } from '../../embedded/chatkit-api/api.ts'
import { consoleClient, WEB_APP } from '../../embedded/sign-in/clients.ts'
import { startSignIn } from '../../embedded/sign-in/sign-in.ts'
import { silentServers } from '../../http/server/silent-servers.ts'
import { createLog } from '../../lib/log.ts'
import { newRandomKey } from '../../lib/secret.ts'
import { createService } from '../../service.ts'
import { createDemoLog } from '../demo/log.ts'
import { startOnLoopback } from '../loopback-service.ts'
import type { RunningCommand } from '../run-until-signal.ts'
import { onUsualPort, USUAL_PORTS } from '../usual-port.ts'
import { type DevSetup, readDevSetup } from './environment.ts'
import { introduction } from './introduction.ts'
import type { DevOptions } from './options.ts'
import { peopleFor, whyNoSession } from './people.ts'
import { devSettings, isEmbedded, withOwnKeys, withSecrets } from './stand-ins.ts'

/** A running `npm run dev`, with the addresses of its servers for tests. */
export interface RunningDev extends RunningCommand {
  readonly urls: { readonly service: string; readonly signIn: string }
}

/** Life, in seconds, of the token in the introduction and of those of the sign-in. */
const TOKEN_SECONDS = 12 * 3600

const OWN_TOKENS =
  'npm run dev takes only tokens of its own sign-in (npx chatkit-mint token create); npm start takes those of your issuers'

/** Tokens of the real provider look right but cannot be verified here. The gateway takes client secrets, no tokens. */
const adviseOn = (code: string, route: string): string | undefined =>
  code === 'invalid_token' && !route.startsWith('/chatkit/') ? OWN_TOKENS : undefined

/** The variables that the command reads, and the stream that it writes to. */
interface World {
  /** The process's own when absent. */
  readonly variables?: Variables
  readonly output: NodeJS.WritableStream
}

/**
 * Starts everything on loopback ports, the usual ones where they are free.
 *
 * @throws `SetupError`, `EnvironmentError`, `StoreUnusableError`, or node's own error of a listener
 */
export async function startDev(
  { config, account }: DevOptions,
  { variables, output }: World = { output: process.stdout },
): Promise<RunningDev> {
  const setup = readDevSetup(config, variables)
  const issuers = await withOwnKeys(setup.settings.issuers)
  const consoleSecret = newRandomKey()
  const accounts = { ...peopleFor(setup.settings), ...account }
  const clients = [WEB_APP, consoleClient(consoleSecret, setup.publicUrl)]
  const signInOptions = { accounts, clients, issuers: issuers.made, tokenSeconds: TOKEN_SECONDS }
  const signIn = await onUsualPort(USUAL_PORTS.signIn, (free) =>
    startSignIn({ port: free, ...signInOptions }),
  )
  const api = await chatkitApiFor(setup)
  const { has } = setup
  const places = { signIn: signIn.issuer, chatkitUrl: api?.url, issuers, has }
  const settings = devSettings(setup.settings, places)
  const { console: login } = setup.settings
  const secrets = new Map([
    ...issuers.secrets,
    ...(login ? [[login.clientSecretEnv, consoleSecret] as const] : []),
  ])
  const environment = withSecrets(setup.environment, secrets)
  const short = createDemoLog(output, adviseOn)
  const log = createLog({ level: environment.logLevel, destination: short })
  const make = async (url: string) => {
    const publicUrl = setup.publicUrl ?? url
    const own = { ...environment, publicUrl }
    const service = await createService({ environment: own, settings, log })
    return { service, app: service.app }
  }
  const service = await startOnLoopback(environment.port, make, log)
  const urls = { service: service.url, signIn: signIn.issuer, chatkit: api?.origin }
  const { token, claims, remark } = await signIn.makeToken({
    sub: 'alice',
    expires_in: TOKEN_SECONDS,
  })
  const silent = await silentServers(settings.workflows, environment.proxies.proxyFor)
  return {
    urls,
    introduction: introduction({
      setup,
      settings,
      urls,
      token,
      remark,
      accounts,
      refusal: whyNoSession(settings, claims),
      silent: new Set(silent.map(({ server }) => server)),
    }),
    showRequests: short.showRequests,
    async close() {
      await service.close()
      await Promise.all([signIn.close(), api?.close()])
    },
  }
}

/** Starts the embedded ChatKit API if a workflow needs it. */
async function chatkitApiFor({ settings, has }: DevSetup) {
  if (!settings.workflows.some((workflow) => isEmbedded(workflow, has))) return undefined
  return await onUsualPort(USUAL_PORTS.chatkit, (free) => startChatKitApi({ port: free }))
}
