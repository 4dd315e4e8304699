import { once } from 'node:events'
import { createServer } from 'node:net'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { consoleClient, WEB_APP } from '../../src/embedded/sign-in/clients.ts'
import { startSignIn } from '../../src/embedded/sign-in/sign-in.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { createFaultyRegistry, type FaultyRegistry } from '../support/registry/faulty-registry.ts'
import { HIGH_LIMITS, type RunningOptions, startService } from '../support/running-service.ts'
import { type Browser, createBrowser, type Seen } from '../support/sign-in/browser.ts'
import { signInAs } from '../support/sign-in/sign-in-as.ts'

const CLIENT_SECRET = 'a-client-secret-planted-for-the-console'

export interface SceneOptions extends Pick<RunningOptions, 'env' | 'now'> {
  readonly registry?: FaultyRegistry
  /** Lines of the config's top level. */
  readonly more?: string
  readonly accounts?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly sessionMinutes?: number
  readonly idleMinutes?: number
  /** `PUBLIC_URL`; the address where it listens when absent. */
  readonly publicUrl?: string
  /** The issuer; the embedded sign-in when absent. */
  readonly issuer?: string
  /** Failures allowed to one address in a minute. */
  readonly failedAuth?: number
  /** Maps claims to the ChatKit user. */
  readonly userRule?: string
}

export type ConsoleScene = Awaited<ReturnType<typeof startConsoleScene>>

/** A service with a console, and the sign-in that its admins use. */
export async function startConsoleScene(options: SceneOptions = {}) {
  const {
    accounts,
    publicUrl,
    issuer,
    env,
    now,
    registry = createFaultyRegistry(createSqliteRegistry({ path: ':memory:' })),
  } = options
  const clients = [WEB_APP, consoleClient(CLIENT_SECRET, publicUrl)]
  const signIn = await startSignIn({ port: 0, clients, ...(accounts && { accounts }) })
  const running = await onFreePort((port) => {
    const PUBLIC_URL = publicUrl ?? `http://localhost:${port}`
    return startService({
      registry,
      ...(now && { now }),
      port,
      env: { PUBLIC_URL, CONSOLE_CLIENT_SECRET: CLIENT_SECRET, ...env },
      config: configOf({ ...options, issuer: issuer ?? signIn.issuer }),
    })
  })
  const url = running.url.replace('127.0.0.1', 'localhost')
  return {
    running,
    signIn,
    /** `http://localhost:PORT/admin` */
    console: `${url}/admin`,
    clientSecret: CLIENT_SECRET,
    registry,
    /** The audit entries of one action, newest first. */
    async audit(action: string) {
      return (await registry.listAudit({ limit: 100, action }))?.data ?? []
    },
    /** Signs in at the provider's page, after `begin`. */
    async signedIn(account = 'ada') {
      const browser = createBrowser()
      await signInWith(browser, `${url}/admin`, account)
      return browser
    },
    /** Mints as one of the provider's users. */
    async mint(account: string): Promise<string> {
      const { accessToken } = await signInAs(signIn, account)
      const answer = await running.mint(accessToken)
      const body = await answer.text()
      if (!answer.ok) throw new Error(`not minted: ${body}`)
      return JSON.parse(body).client_secret
    },
    async close() {
      await running.close()
      await signIn.close()
    },
  }
}

/** Asks for a page, and chooses an account where the provider asks for one. */
export async function signInWith(browser: Browser, url: string, account: string): Promise<Seen> {
  const page = await browser.go(url)
  if (!page.url.includes('/sign-in/')) return page
  return await browser.submit('/sign-in/', { account })
}

/** YAML of a service with a console. */
export function configOf(options: SceneOptions): string {
  const { issuer, userRule = 'claims.sub', failedAuth, more = '' } = options
  const { sessionMinutes = 60, idleMinutes = 30 } = options
  const limits =
    failedAuth === undefined
      ? HIGH_LIMITS
      : HIGH_LIMITS.replace(/(failed_auth_per_ip: {) max: \d+/, `$1 max: ${failedAuth}`)
  return `
issuers:
  - issuer: ${issuer}
    audience: [chat-api]
    algorithms: [ES256]
    token_types: [at+jwt]
user: '${userRule}'
workflows:
  support: { id: wf_support }
  general: { id: wf_general }
admins: { when: '"chatkit-admin" in claims.roles' }
console:
  issuer: ${issuer}
  client_id: console
  client_secret_env: CONSOLE_CLIENT_SECRET
  session_minutes: ${sessionMinutes}
  idle_minutes: ${idleMinutes}
${limits}
${more}
`
}

/**
 * Starts a server whose address must be known before it listens. If another process takes the free port in
 * between, another port is tried.
 */
export async function onFreePort<T>(start: (port: number) => Promise<T>, tries = 5): Promise<T> {
  const server = createServer()
  const { port } = await listenOnLoopback(server)
  server.close()
  await once(server, 'close')
  try {
    return await start(port)
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    if (!taken || tries <= 1) throw error
    return onFreePort(start, tries - 1)
  }
}
