import { type Environment, readEnvironment } from '../../src/config/env.ts'
import { loadConfig } from '../../src/config/file/load-config.ts'
import type { Settings } from '../../src/config/settings.ts'
import { startChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { listen } from '../../src/http/server/server.ts'
import { createLog } from '../../src/lib/log.ts'
import { createService } from '../../src/service.ts'
import { holdToDescription } from './network/described-answers.ts'
import {
  API_KEY,
  DEFAULT_CONFIG,
  type Running,
  type RunningOptions,
  SHARED_SECRET,
  tokenFor,
} from './running-service.ts'
import { endAfterTest } from './started.ts'

/** Does the same as `startService` of running-service.ts, in this process. */
export async function startInThisProcess(options: RunningOptions): Promise<Running> {
  const api = await startChatKitApi({ port: 0, ...(options.now && { now: options.now }) })
  const environment = readEnvironment({
    OPENAI_API_KEY: API_KEY,
    OPENAI_BASE_URL: api.url,
    STORE_URL: 'memory:',
    TEST_SHARED_SECRET: SHARED_SECRET,
    ...options.env,
  })
  const settings = settingsOf(options, environment)
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const log = createLog({ level: 'debug', destination })
  const service = await createService({
    environment,
    settings,
    log,
    ...(options.now && { now: options.now }),
    ...(options.registry && { registry: options.registry }),
  })
  const description = holdToDescription()
  const listening = await listen({
    app: service.app,
    shedding: service.shedding,
    onTurnedAway: service.onTurnedAway,
    host: '127.0.0.1',
    port: options.port ?? 0,
    log,
  })
  description.listenTo(listening.url)
  let closed: Promise<void> | undefined
  async function end(withinMs?: number): Promise<void> {
    await listening.stop(100)
    await service.close(withinMs)
    await api.close()
    description.finish()
  }
  const close = (withinMs?: number) => (closed ??= end(withinMs))
  endAfterTest(() => close())
  return {
    url: listening.url,
    upstream: api.api,
    get log() {
      return lines.map((line) => JSON.parse(line))
    },
    logText: () => lines.join(''),
    mint: (token = tokenFor(), init = {}) =>
      fetch(`${listening.url}/v1/sessions`, {
        method: 'POST',
        ...init,
        headers: { authorization: `Bearer ${token}`, ...init.headers },
      }),
    drain: service.drain,
    stop: listening.stop,
    app: service.app,
    close,
  }
}

/** By config and variables: most services of a file have the same ones. */
const known = new Map<string, Settings>()

function settingsOf({ config = DEFAULT_CONFIG, env }: RunningOptions, environment: Environment) {
  const key = JSON.stringify([config, env])
  const settings =
    known.get(key) ??
    loadConfig(config, { file: 'test.yaml', secrets: (name) => environment.secret(name)?.() })
      .settings
  known.set(key, settings)
  return settings
}
