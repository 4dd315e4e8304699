// The composition root: builds every part from settings and environment, and joins them to a service.

import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { createAdminister } from './administer/administer.ts'
import { createReceipts } from './administer/receipt.ts'
import { createUserData } from './administer/user-data.ts'
import { createApp, type SelfHostedParts } from './app.ts'
import { type Authenticator, createAuthenticator } from './authenticate/authenticate.ts'
import type { Environment } from './config/env.ts'
import type { ApiKeySettings, Settings } from './config/settings.ts'
import type { CreateConsole } from './console/console.ts'
import { createCallerOf } from './http/authentication.ts'
import { createFailedAuth, type FailedAuth } from './http/failed-auth.ts'
import { originsOf } from './http/origins.ts'
import type { AnswerSeen } from './http/request-frame.ts'
import { createMintLimiter } from './http/server/mint-pacing.ts'
import { startShedding } from './http/server/shedding.ts'
import { createFigures, type Figures } from './http/telemetry/figures.ts'
import { tellOfForeign } from './http/telemetry/foreign.ts'
import { createMetrics, type Metrics } from './http/telemetry/metrics.ts'
import { type HashUser, startUserHash } from './http/telemetry/user-hash.ts'
import { type Clock, unixSeconds } from './lib/clock.ts'
import type { Log } from './lib/log.ts'
import { mayUse } from './map/map-backend.ts'
import { createUserOf } from './map/map-user.ts'
import { createMint } from './mint/mint.ts'
import { createCheckStanding } from './mint/standing.ts'
import { type Canceller, createCanceller } from './outbox/cancel.ts'
import { createHousekeeping } from './outbox/housekeeping.ts'
import { type Audit, createAudit } from './registry/audit.ts'
import { openRegistry } from './registry/open-registry.ts'
import type { Registry } from './registry/port.ts'
import { createRevoke } from './revoke/revoke.ts'
import { ownersMoves, type ThreadSource, threadSources } from './threads/sources.ts'
import { createThreads } from './threads/threads.ts'
import { createUpstreams, type Upstreams } from './upstreams.ts'

/** The parts from which a service is built. */
export interface ServiceOptions {
  readonly environment: Environment
  readonly settings: Settings
  readonly log: Log
  /** `Date.now` unless a test owns the clock. */
  readonly now?: Clock
  /** Instead of the one that the environment names; closed with the service. */
  readonly registry?: Registry
  /** Called with each answer, besides the metrics. */
  readonly onAnswer?: ((answer: AnswerSeen) => void) | undefined
}

const CUT_OFF =
  'work was still under way: cancels go on from the outbox; an erase without an outcome in the audit must be repeated'

/** A service that is ready to listen. */
export type Service = Awaited<ReturnType<typeof createService>>

/**
 * Builds the parts in the order in which they need each other.
 *
 * @throws `StoreUnusableError` when the store's file cannot be used; `UnusableSettingError` when an issuer's key set
 * or secret in the config cannot be used
 */
export async function createService(options: ServiceOptions) {
  const clock = { now: options.now ?? Date.now, log: options.log }
  const parts = await createParts(options, clock)
  const { registry, authenticator } = parts
  const ended = new AbortController()
  const hashUser = await startUserHash({ registry, log: options.log, ended: ended.signal })
  const audit = createAudit({ registry, hashUser, ...clock })
  const failedAuth = createFailedAuth({ settings: options.settings, registry, audit, ...clock })
  const canceller = createCanceller({ registry, chatkit: parts.cancelsOf, ...clock })
  const { retention } = options.settings
  const housekeeping = createHousekeeping({ registry, canceller, retention, ...clock })
  const mintLimiter = createMintLimiter()
  const metrics = metricsOf(parts, clock.now, mintLimiter.underWay)
  const own = { instance: audit.instance, snapshot: metrics.snapshot }
  const figures = createFigures({ ...own, registry, breakers: parts.breakers, now: clock.now })
  const draining = new AbortController()
  const createConsole =
    options.settings.console && (await import('./console/console.ts')).createConsole
  const context = {
    ...clock,
    hashUser,
    audit,
    failedAuth,
    canceller,
    metrics,
    figures,
    draining: draining.signal,
    createConsole,
  }
  const app = await appOf(options, parts, context)
  const shedding = startShedding({
    mintLimiter,
    storeWaitedMs: registry.waitedMs,
    origins: originsOf(options.settings, options.environment.publicUrl),
    log: options.log,
    draining: draining.signal,
    onRefused: metrics.mintsRefused,
  })
  housekeeping.start()
  figures.start()
  void authenticator.warm()
  return {
    app,
    /** `GET /metrics`, for a listener of its own. */
    metrics: metrics.app,
    /** Refuses mints while there is more to do than this process can. */
    shedding,
    /** Called with the number of connections that were closed because too many were open. */
    onTurnedAway: metrics.turnedAway,
    /** From now on `/readyz` says 503 and answers close their connections; work goes on. */
    drain: (): void => draining.abort(),
    /** Waits at most this long for erases and background work, then closes store and connections. The outbox keeps its cancels. */
    async close(withinMs = 60_000): Promise<void> {
      ended.abort()
      shedding.stop()
      const background = housekeeping.stop().then(canceller.settled)
      const late = wait(withinMs, 'late', { ref: false })
      if ((await Promise.race([background, late])) === 'late') options.log.error(CUT_OFF)
      await audit.flush()
      await figures.stop()
      await registry.close()
      await parts.disconnect()
    },
  }
}

/** Parts that the steps need: store, identity providers, ChatKit API. */
interface Parts extends Upstreams {
  readonly registry: Registry
  readonly authenticator: Authenticator
}

interface ClockAndLog {
  readonly now: Clock
  readonly log: Log
}

async function createParts(options: ServiceOptions, clock: ClockAndLog): Promise<Parts> {
  const { environment, settings } = options
  const registry =
    options.registry ??
    (await openRegistry(environment.store, clock.log, ownersMoves(settings.workflows)))
  const upstreams = await createUpstreams({ environment, settings, registry, ...clock })
  const authenticator = createAuthenticator({
    issuers: settings.issuers,
    dispatcher: upstreams.identityProviders,
    secrets: (name) => environment.secret(name)?.(),
    ...clock,
  })
  return { ...upstreams, registry, authenticator }
}

interface AppContext extends ClockAndLog {
  readonly createConsole: CreateConsole | undefined
  readonly hashUser: HashUser
  readonly audit: Audit
  readonly failedAuth: FailedAuth
  readonly canceller: Canceller
  readonly metrics: Metrics
  readonly figures: Figures
  readonly draining: AbortSignal
}

async function appOf(options: ServiceOptions, parts: Parts, context: AppContext) {
  const { environment, settings } = options
  const { registry, authenticator, chatkitOf } = parts
  const { authenticate, verifyLogoutToken } = authenticator
  const { canceller, metrics, draining, ...rest } = context
  const { audit, failedAuth, hashUser, now, log } = rest
  const { limits, issuers } = settings
  const { onAnswer } = options
  const origins = originsOf(settings, environment.publicUrl)
  const sources = threadSources(settings.workflows, chatkitOf, tellOfForeign(context))
  const threadsOf = (sources: readonly ThreadSource[]) =>
    createThreads({ sources, registry, randomBytes })
  const threads = threadsOf(sources)
  const revoke = createRevoke({ registry, canceller, now })
  const mint = createMint({ registry, chatkit: chatkitOf, canceller, limits, issuers, now })
  const threadsFor = (key: ApiKeySettings) =>
    threadsOf(sources.filter(({ workflows }) => workflows.some((name) => mayUse(key, name))))
  const calls = { settings, registry, mint, revoke, threadsFor, audit, hashUser, now }
  const userData = createUserData({ registry, audit, sources, canceller, now, log })
  const { publicUrl } = environment
  const signed = { keys: parts.signingKeys, publicUrl, retention: settings.retention }
  const receipts = createReceipts({ registry, audit, ...signed, now })
  const admin = { registry, audit, revoke, threads, userData, receipts, issuers, now }
  return createApp({
    ...rest,
    memory: parts.memory,
    settings,
    registry,
    origins,
    publicUrl,
    docsTryIt: environment.docsTryIt,
    identityProviders: parts.identityProviders,
    secret: environment.secret,
    signingKeys: parts.signingKeys,
    selfHosted: await selfHostedParts(settings, parts, context),
    onAnswer: onAnswer
      ? (answer) => {
          metrics.seen(answer)
          onAnswer(answer)
        }
      : metrics.seen,
    callerOf: createCallerOf({ authenticate, origins, settings, failedAuth }),
    verifyLogoutToken,
    mint,
    backend:
      settings.apiKeys.length > 0
        ? (await import('./http/backend/backend.ts')).createBackend(calls)
        : undefined,
    revoke,
    checkStanding: createCheckStanding({ registry, now }),
    threads,
    administer: createAdminister(admin),
    userOf: createUserOf({ issuers: settings.issuers, hashUser }),
    readiness: { draining, keysUsable: authenticator.ready, checkStore: () => registry.check() },
  })
}

async function selfHostedParts(
  settings: Settings,
  { registry, selfHosted }: Parts,
  { hashUser, failedAuth, draining, now, log }: AppContext,
): Promise<SelfHostedParts | undefined> {
  if (selfHosted === undefined) return undefined
  const { createGateway } = await import('./gateway/gateway.ts')
  const parts = { settings, selfHosted, registry, hashUser, failedAuth, now, log }
  return { ...selfHosted, gateway: createGateway({ ...parts, times: { draining } }) }
}

function metricsOf(
  { registry, authenticator, breakers }: Parts,
  now: Clock,
  mintsUnderWay: () => number,
): Metrics {
  const figures = () => registry.figures(unixSeconds(now))
  return createMetrics({ figures, keyAges: authenticator.keyAges, breakers, mintsUnderWay })
}
