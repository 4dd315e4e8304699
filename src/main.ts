// The process: reads environment and config, builds the service, listens, and drains at a signal.
// Two imports come first: the check, for whoever starts this file without the npm scripts, and the classes that Hono keeps.

import './check-node.js'
import './http/server/global-fetch.ts'
import { flushCompileCache } from 'node:module'
import { setTimeout } from 'node:timers/promises'
import v8 from 'node:v8'
import { describeStart } from './config/describe-start.ts'
import { type Environment, npmScript } from './config/env.ts'
import { environmentNotes, readByProxies } from './config/environment-notes.ts'
import { takeNoArguments } from './config/no-arguments.ts'
import { settingsNotes } from './config/settings-notes.ts'
import { readSetup, type Setup, SetupError } from './config/setup.ts'
import { mostConnections } from './http/server/connection-cap.ts'
import { type Listening, listen, listenProblem } from './http/server/server.ts'
import { warnOfSilentServers } from './http/server/silent-servers.ts'
import type { Tracing } from './http/telemetry/tracing.ts'
import { UnusableSettingError } from './lib/errors.ts'
import { createLogOutput } from './lib/log/output.ts'
import { createLog, type Log } from './lib/log.ts'
import { scrub } from './lib/secret.ts'
import { StoreUnusableError } from './registry/port.ts'
import { createService, type Service } from './service.ts'

/** Exit codes of sysexits.h. */
const EX_UNAVAILABLE = 69
const EX_SOFTWARE = 70
const EX_IOERR = 74
const EX_CONFIG = 78

/** Sockets of the public listener: each accepts one client a turn of the event loop, which takes 10 ms under load. */
const SOCKETS = 64

/** Load balancers get this long to see `/readyz` fail before the listener closes. */
const NOTICE_MS = 2000
/** In-flight requests get this long after it. */
const GRACE_MS = 15_000
/** What runs in the background gets this long after the signal: the process must end within 20 s. */
const END_MS = 19_000
/** npm passes on a signal that Ctrl-C or a supervisor sent to all processes: within this time it is not a second signal. */
const COPY_WITHIN_MS = npmScript === undefined ? 0 : 500

async function main(): Promise<void> {
  takeNoArguments(
    'npm start; it takes no arguments: CONFIG_FILE names the config, src/docs/environment.md has all variables',
  )
  // Node opens its inspector, with all secrets, to whoever may send SIGUSR1, unless there is a listener.
  process.on('SIGUSR1', () => {})
  let running: Running | undefined
  onSignal(() => running)
  const setup = await readSetupOrExit()
  const { logLevel: level, logFormat } = setup.environment
  const format = logFormat ?? (process.stdout.isTTY ? 'text' : 'json')
  const destination = createLogOutput()
  const log = createLog({ level, format, destination })
  process.on('exit', destination.flushSync)
  onCrash(log)
  setup.environment.onLostFile((line) => log.warn(line))
  if (setup.envFile) {
    const { given: variables, overridden } = setup.envFile
    log.info({ variables, ...(overridden.length > 0 && { overridden }) }, 'read .env')
  }
  log.info(describeStart(setup), 'starting')
  warnOfHosted(setup, log)
  for (const line of settingsNotes(setup.settings)) log.warn(`config: ${line}`)
  for (const line of readByProxies(setup.environment, setup.settings)) log.warn(`proxy: ${line}`)
  for (const line of environmentNotes(setup.environment)) log.warn(line)
  warnOfSmallMemory(setup, log)
  const tracing = await tracingOf(setup, log)
  const service = await buildOrExit(setup, log, tracing)
  // Keeps V8 from allocating a request's objects in its old generation, where they keep everything they point
  // to alive until the next full collection: a mint would cost a third more. Set only when everything is
  // loaded, because the compiled code of Node's own modules is valid for V8's usual flags only.
  v8.setFlagsFromString('--no-allocation-site-pretenuring')
  const listening = await listenOrExit(service, setup, log)
  await listenForMetrics(service, setup.environment, log)
  running = { service, listening, tracing, log }
  log.info({ url: listening.url }, 'listening')
  void warnOfSilentServers(setup.settings.workflows, setup.environment.proxies.proxyFor, log)
  await keepCompiled()
}

/** For the next start, also when this process is killed; when nobody waits for the first answers. */
async function keepCompiled(): Promise<void> {
  await setTimeout(1000, undefined, { ref: false })
  flushCompileCache()
}

async function readSetupOrExit(): Promise<Setup> {
  try {
    return readSetup()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    const { signingKeyProblems } = await import('./chatkit/signing/signing-keys.ts')
    const more = signingKeyProblems(error.signingKeys?.())
    return exit(EX_CONFIG, [...error.problems, ...more].join('\n'))
  }
}

/** Loaded only when asked for: OpenTelemetry takes longer to start than all the rest. */
async function tracingOf({ environment }: Setup, log: Log): Promise<Tracing | undefined> {
  const { wanted, serviceName } = environment.tracing
  if (!wanted) return undefined
  const { startTracing } = await import('./http/telemetry/tracing.ts')
  return startTracing(serviceName, log)
}

async function buildOrExit(setup: Setup, log: Log, tracing: Tracing | undefined): Promise<Service> {
  try {
    return await createService({ ...setup, log, onAnswer: tracing?.seen })
  } catch (error) {
    if (error instanceof StoreUnusableError) return exit(EX_IOERR, `STORE_URL: ${error.message}`)
    if (error instanceof UnusableSettingError) return exit(EX_CONFIG, error.message)
    throw error
  }
}

async function listenOrExit(service: Service, setup: Setup, log: Log): Promise<Listening> {
  const { environment: env, settings } = setup
  const { app, shedding, onTurnedAway } = service
  // A stream of a self-hosted workflow holds a connection to its server besides.
  const selfHosted = settings.workflows.some(({ kind }) => kind === 'self-hosted')
  const maxConnections = mostConnections(selfHosted ? 2 : 1)
  const slowestBodyMs = selfHosted ? settings.gateway.bodyMs : undefined
  const address = { host: env.host, port: env.port }
  try {
    return await listen({
      ...address,
      sockets: SOCKETS,
      app,
      shedding,
      bounds: { maxConnections, slowestBodyMs },
      onTurnedAway,
      log,
    })
  } catch (error) {
    await service.close()
    return exit(EX_UNAVAILABLE, listenProblem(address, error))
  }
}

/** Without a port for metrics the service runs all the same, and the log says why there are none. */
async function listenForMetrics(service: Service, env: Environment, log: Log): Promise<void> {
  if (env.metricsPort === 0) return
  const address = { host: env.metricsHost, port: env.metricsPort }
  try {
    const { url } = await listen({ app: service.metrics, ...address, log })
    log.info({ url: `${url}/metrics` }, 'metrics')
  } catch (error) {
    log.error(address, `no metrics: ${listenProblem(address, error, 'METRICS_')}`)
  }
}

/** OpenAI does not document its answer to a `wf_…` id after this day, so the log warns before it. */
function warnOfHosted({ settings }: Setup, log: Log): void {
  const hosted = settings.workflows.filter(({ kind }) => kind === 'hosted')
  if (hosted.length === 0) return
  log.warn(
    { workflows: hosted.map(({ name }) => name) },
    'OpenAI runs hosted workflows until 2026-11-30: move to `server:`, see src/docs/move-to-self-hosted.md',
  )
}

/** A body, event or answer that is longer than a user's share of the memory can never be read whole. */
function warnOfSmallMemory({ settings: { gateway } }: Setup, log: Log): void {
  const share = gateway.userMemoryBytes
  const larger = (['maxBodyBytes', 'maxFrameBytes', 'maxAnswerBytes'] as const).filter(
    (bound) => gateway[bound] > share,
  )
  if (larger.length === 0) return
  log.warn(
    { share_mb: share / 1024 / 1024, larger },
    'a quarter of gateway.memory_mb, which is what one user may hold, is less than another bound of the gateway',
  )
}

/** The parts that a signal ends. */
interface Running {
  readonly service: Service
  readonly listening: Listening
  readonly tracing: Tracing | undefined
  readonly log: Log
}

/**
 * The first signal drains: `/readyz` says 503 at once, work goes on, then the listener closes and
 * what is in flight is answered. The second ends the process as it stands. During the start nothing is in flight.
 *
 * @param whatRuns - undefined during the start; as process 1 of a container, Node ignores signals without a listener
 */
function onSignal(whatRuns: () => Running | undefined): void {
  let since: number | undefined
  const onStop = (signal: NodeJS.Signals) => {
    const running = whatRuns()
    if (running === undefined) process.exit(0)
    if (since === undefined) {
      since = performance.now()
      running.log.info({ signal }, 'draining')
      void drain(running)
    } else if (performance.now() - since >= COPY_WITHIN_MS) process.exit(1)
  }
  // SIGHUP: the terminal was closed. Node ends at it even if `nohup` had it ignored.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onStop)
}

async function drain({ service, listening, tracing, log }: Running): Promise<void> {
  const end = performance.now() + END_MS
  service.drain()
  await setTimeout(NOTICE_MS)
  await listening.stop(GRACE_MS)
  await Promise.all([service.close(end - performance.now()), tracing?.stop()])
  log.info('stopped')
  process.exit(0)
}

/** A process in an unknown state must not decide anything: it says why and ends. */
function onCrash(log: Log): void {
  const crash = (error: unknown) => {
    log.fatal({ err: error }, 'crash')
    process.exit(EX_SOFTWARE)
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
}

/** The message comes after the lines that the log still holds: what is read last is what to do. */
function exit(code: number, message: string): never {
  process.once('exit', () => process.stderr.write(`${scrub(message)}\n`))
  process.exit(code)
}

await main()
