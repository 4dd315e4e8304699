import { Hono } from 'hono'
import { Agent } from 'undici'
import { createAdminister } from '../../src/administer/administer.ts'
import { readEnvironment } from '../../src/config/env.ts'
import { loadConfig } from '../../src/config/file/load-config.ts'
import { createConsole } from '../../src/console/console.ts'
import { consoleClient } from '../../src/embedded/sign-in/clients.ts'
import { type SignInServer, startSignIn } from '../../src/embedded/sign-in/sign-in.ts'
import { addRoute } from '../../src/http/add-route.ts'
import type { AppEnv } from '../../src/http/context.ts'
import { createFailedAuth } from '../../src/http/failed-auth.ts'
import { originsOf } from '../../src/http/origins.ts'
import { answerError, requestFrame } from '../../src/http/request-frame.ts'
import { listen } from '../../src/http/server/server.ts'
import { createFigures, type UpstreamLane } from '../../src/http/telemetry/figures.ts'
import { createLog } from '../../src/lib/log.ts'
import { createMemoryBudget } from '../../src/lib/shares/memory-budget.ts'
import { createUserOf } from '../../src/map/map-user.ts'
import { createCanceller } from '../../src/outbox/cancel.ts'
import { createAudit } from '../../src/registry/audit.ts'
import type { InstanceMinute } from '../../src/registry/interval-figures.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { createRevoke } from '../../src/revoke/revoke.ts'
import { createFakeUserData } from './fake-user-data.ts'
import { configOf, onFreePort } from './scene.ts'

/** The console alone, over a registry in memory and a user's data that the test makes up. */
export async function startDataScene() {
  const signIn = await startSignIn({ port: 0, clients: [consoleClient('a-console-secret')] })
  return onFreePort((port) => startOn(port, signIn))
}

async function startOn(port: number, signIn: SignInServer) {
  const publicUrl = `http://localhost:${port}`
  const environment = readEnvironment({ CONSOLE_CLIENT_SECRET: 'a-console-secret' })
  const { settings } = loadConfig(configOf({ issuer: signIn.issuer }), { file: 'test.yaml' })
  const { admins, console: login } = settings
  if (admins === undefined || login === undefined) throw new Error('no console in the config')
  const registry = createSqliteRegistry({ path: ':memory:' })
  const userData = createFakeUserData()
  const log = createLog({ level: 'silent' })
  const common = { registry, now: Date.now, log }
  const audit = createAudit({ ...common, hashUser: (user) => user })
  const canceller = createCanceller({
    ...common,
    chatkit: () => {
      throw new Error('nothing is cancelled upstream here')
    },
  })
  const failedAuth = createFailedAuth({ settings, registry, audit, now: Date.now })
  const counted = { ...NOTHING }
  const lanes: UpstreamLane[] = []
  const adminConsole = createConsole({
    now: Date.now,
    log,
    administer: createAdminister({
      ...common,
      audit,
      revoke: createRevoke({ ...common, canceller }),
      threads: userData.threads,
      userData,
      receipts: undefined,
      issuers: settings.issuers,
    }),
    config: { ...settings, admins, console: login, publicUrl },
    signIn: {
      ...{ secret: environment.secret, registry, audit, failedAuth },
      userOf: createUserOf({ issuers: settings.issuers, hashUser: (user) => user }),
      dispatcher: new Agent(),
    },
    figures: createFigures({
      registry,
      snapshot: async () => ({ ...counted }),
      instance: audit.instance,
      breakers: () => lanes,
      now: Date.now,
    }),
  })
  const origins = originsOf(settings, publicUrl)
  const app = new Hono<AppEnv>()
  app.onError((error, c) => adminConsole.explain(error, c) ?? answerError(error, c))
  const draining = new AbortController().signal
  const memory = createMemoryBudget(settings.gateway)
  app.use(requestFrame({ origins, log, draining, memory }))
  for (const [path, methods] of Object.entries(adminConsole.routes)) {
    addRoute(app, origins, { path, methods })
  }
  const listening = await listen({ app, host: '127.0.0.1', port, log })
  return {
    console: `${publicUrl}/admin`,
    registry,
    userData,
    /** The counts of this console's instance since its start. */
    counted,
    lanes,
    /** Writes the counts of another instance for a minute that ended this many minutes ago. */
    addMinute(ended: number, of: Partial<InstanceMinute>) {
      const running = Math.floor(Date.now() / 60_000) * 60
      const at = running - (ended + 1) * 60
      return registry.addFigures({ instance: 'ins_other', at, ...NOTHING, ...of })
    },
    async close() {
      await listening.stop(50)
      await registry.close()
      await signIn.close()
    },
  }
}

const NOTHING = {
  mints: 0,
  refusals: {} as Readonly<Record<string, number>>,
  upstream: [],
  activeSessions: undefined as number | undefined,
}

export type DataScene = Awaited<ReturnType<typeof startDataScene>>
