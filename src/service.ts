import { randomBytes } from 'node:crypto'
import type { Hono } from 'hono'
import { Agent, Pool } from 'undici'
import { createApp, type SelfHostedDeps } from './app.ts'
import { type Authenticator, createAuthenticate } from './authenticate/authenticate.ts'
import { type Adapters, createAdapters } from './chatkit/adapters.ts'
import type { ChatKit } from './chatkit/port.ts'
import { createSelfHostedAdapters } from './chatkit/self-hosted-adapters.ts'
import { openSigningKeys, type SigningKeys } from './chatkit/signing-keys.ts'
import type { Environment, StoreLocation } from './config/env.ts'
import type { Settings } from './config/settings.ts'
import { createGateway } from './gateway/gateway.ts'
import { gatewayWorkflows } from './gateway/gateway-workflows.ts'
import type { AppEnv } from './http/app-env.ts'
import { createAuthentication } from './http/authentication.ts'
import { createMetrics, type Metrics } from './http/metrics.ts'
import { originsOf } from './http/origins.ts'
import { type Clock, unixSeconds } from './lib/clock.ts'
import { createUserHash } from './lib/hash.ts'
import type { Log } from './lib/log.ts'
import { mapSubject } from './map/map-user.ts'
import { type Audit, createAudit } from './mint/audit.ts'
import { type Canceller, createCanceller } from './mint/cancel.ts'
import { createHousekeeping } from './mint/housekeeping.ts'
import { createMint } from './mint/mint.ts'
import { createRevoke } from './mint/revoke.ts'
import { createMemoryRegistry } from './registry/memory.ts'
import type { Registry } from './registry/port.ts'
import { createRedisRegistry } from './registry/redis.ts'
import { createSqliteRegistry } from './registry/sqlite.ts'

/** What a service is built from. */
export interface ServiceOptions {
  readonly environment: Environment
  readonly settings: Settings
  readonly log: Log
  /** `Date.now` unless a test owns the clock. */
  readonly now?: Clock
  /** Instead of the one that the environment names; closed with the service. */
  readonly registry?: Registry
}

/** A service that is ready to listen. */
export interface Service {
  readonly app: Hono<AppEnv>
  /** `GET /metrics`, for a listener of its own. */
  readonly metrics: Hono
  /** From now on `/readyz` says 503 and answers close their connections; work goes on. */
  drain(): void
  /** Waits for what runs in the background, and lets go of store and connections. */
  close(): Promise<void>
}

/** Connections to the ChatKit API: more calls than these wait for one. */
const UPSTREAM_CONNECTIONS = 256
const CANCEL_CONNECTIONS = 64

/**
 * The composition root: the only place, with `commands/`, that names adapters.
 *
 * @param options - settings, secrets, log
 * @throws `StoreUnusableError` when the store's file cannot be used; `UnusableSettingError` when an issuer's key set
 * or secret in the config cannot be used
 */
export async function createService(options: ServiceOptions): Promise<Service> {
  const clock = { now: options.now ?? Date.now, log: options.log }
  const parts = await createParts(options, clock)
  const { registry, authenticator, adapters } = parts
  const hashUser = createUserHash(await keyForLogs(registry, options.log))
  const audit = createAudit({ registry, hashUser, ...clock })
  const canceller = createCanceller({ registry, chatkit: adapters.of, ...clock })
  const { retention } = options.settings
  const housekeeping = createHousekeeping({ registry, canceller, retention, ...clock })
  const metrics = metricsOf(parts, clock.now)
  const state = { draining: false }
  const app = appOf(options, parts, { ...clock, hashUser, audit, canceller, metrics, state })
  housekeeping.start()
  void authenticator.warm()
  return {
    app,
    metrics: metrics.app,
    drain() {
      state.draining = true
    },
    async close() {
      await housekeeping.stop()
      await canceller.settled()
      await audit.flush()
      await registry.close()
      await parts.disconnect()
    },
  }
}

/** What the steps lean on: store, identity providers, ChatKit API. */
interface Parts {
  readonly registry: Registry
  readonly authenticator: Authenticator
  readonly adapters: Adapters
  readonly selfHosted: SelfHostedParts | undefined
  disconnect(): Promise<void>
}

interface SelfHostedParts {
  readonly issuer: string
  readonly keys: SigningKeys
  /** Connections to the servers. */
  readonly dispatcher: Agent
}

interface ClockAndLog {
  readonly now: Clock
  readonly log: Log
}

async function createParts(options: ServiceOptions, clock: ClockAndLog): Promise<Parts> {
  const { environment, settings } = options
  const registry = options.registry ?? openRegistry(environment.store, clock.log)
  const identityProviders = new Agent({ connections: 4 })
  const { origin } = new URL(environment.openaiBaseUrl)
  // HTTP/1.1 only: over HTTP/2 one connection that dies takes every call on it along.
  const openai = new Pool(origin, { connections: UPSTREAM_CONNECTIONS, allowH2: false })
  const cancels = new Pool(origin, { connections: CANCEL_CONNECTIONS, allowH2: false })
  const authenticator = createAuthenticate({
    issuers: settings.issuers,
    dispatcher: identityProviders,
    secrets: (name) => environment.secret(name)?.(),
    ...clock,
  })
  const selfHosted = await selfHostedParts(options, registry)
  const adapters = createAdapters({
    workflows: settings.workflows.filter(({ server }) => server === undefined),
    selfHosted: selfHostedAdapters(selfHosted, { ...clock, registry, settings }),
    secret: environment.secret,
    baseUrl: environment.openaiBaseUrl,
    organization: environment.openaiOrgId,
    project: environment.openaiProjectId,
    dispatcher: openai,
    cancelDispatcher: cancels,
  })
  const disconnect = async () => {
    const all = [openai, cancels, identityProviders, selfHosted?.dispatcher]
    await Promise.all(all.map((pool) => pool?.destroy()))
  }
  return { registry, authenticator, adapters, selfHosted, disconnect }
}

async function selfHostedParts(
  { environment, settings }: ServiceOptions,
  registry: Registry,
): Promise<SelfHostedParts | undefined> {
  const { publicUrl: issuer, signingKeys } = environment
  if (issuer === undefined || !settings.workflows.some(({ server }) => server)) return undefined
  // Unbounded connections: each open stream holds one.
  const dispatcher = new Agent({ allowH2: false })
  const keep = (made: Uint8Array) => registry.keptKey('signing-keys', () => made)
  return { issuer, dispatcher, keys: await openSigningKeys(signingKeys?.(), keep) }
}

function selfHostedAdapters(
  parts: SelfHostedParts | undefined,
  { settings, ...rest }: { settings: Settings; registry: Registry; now: Clock },
): ReadonlyMap<string, ChatKit> {
  if (parts === undefined) return new Map()
  return createSelfHostedAdapters({ ...parts, ...rest, workflows: settings.workflows })
}

function openRegistry(store: StoreLocation, log: Log): Registry {
  switch (store.kind) {
    case 'memory':
      return createMemoryRegistry()
    case 'sqlite':
      return createSqliteRegistry({ path: store.path })
    case 'redis':
      return createRedisRegistry({ url: store.url, cluster: store.cluster, log })
  }
}

interface AppContext extends ClockAndLog {
  readonly hashUser: (user: string) => string
  readonly audit: Audit
  readonly canceller: Canceller
  readonly metrics: Metrics
  readonly state: { readonly draining: boolean }
}

function appOf({ environment, settings }: ServiceOptions, parts: Parts, context: AppContext) {
  const { registry, authenticator, adapters } = parts
  const { canceller, metrics, state, ...rest } = context
  const { now } = context
  const cap = settings.limits.liveSessionsPerUser
  const origins = originsOf(settings, environment.publicUrl)
  return createApp({
    ...rest,
    settings,
    registry,
    origins,
    publicUrl: environment.publicUrl,
    selfHosted: selfHostedDeps(settings, parts, rest),
    onAnswer: metrics.seen,
    authentication: createAuthentication({ authenticator, registry, origins, settings, now }),
    verifyLogoutToken: authenticator.verifyLogoutToken,
    mint: createMint({ registry, chatkit: adapters.of, canceller, cap, now }),
    revoke: createRevoke({ registry, canceller, now }),
    userOfSubject: (issuer, subject) => mapSubject(settings.issuers, issuer, subject),
    draining: () => state.draining,
    keysUsable: () => authenticator.ready(),
    checkStore: () => registry.check(),
  })
}

function selfHostedDeps(
  settings: Settings,
  { registry, selfHosted }: Parts,
  context: Pick<AppContext, 'now' | 'log' | 'hashUser'>,
): SelfHostedDeps | undefined {
  if (selfHosted === undefined) return undefined
  const gateway = createGateway({
    ...selfHosted,
    ...settings.gateway,
    ...context,
    registry,
    workflows: gatewayWorkflows(settings),
  })
  return { ...selfHosted, gateway }
}

function metricsOf({ registry, authenticator, adapters }: Parts, now: Clock): Metrics {
  return createMetrics({
    figures: () => registry.figures(unixSeconds(now)),
    keyAges: () =>
      new Map([...authenticator.keyStates()].map(([issuer, key]) => [issuer, key.ageSeconds])),
    breakers: adapters.breakers,
  })
}

/** A store that is down at start does not keep the service down; its users read differently then. */
async function keyForLogs(registry: Registry, log: Log): Promise<Uint8Array> {
  try {
    return await registry.keptKey('log-users', () => randomBytes(32))
  } catch (error) {
    log.warn({ err: error }, 'the store does not answer: users in the log are hashed for this run')
    return randomBytes(32)
  }
}
