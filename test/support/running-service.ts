import { Writable } from 'node:stream'
import { readEnvironment } from '../../src/config/env.ts'
import { loadConfig } from '../../src/config/file/load-config.ts'
import type { ChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { startChatKitApi } from '../../src/embedded/chatkit-api/server.ts'
import { listen } from '../../src/http/server/server.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createService, type Service } from '../../src/service.ts'
import { holdToDescription } from './described-answers.ts'
import { createSecretSigner } from './tokens.ts'

/** The API key that the service under test holds; tests look for it where it must not be. */
export const API_KEY = 'sk-test-planted-key-0123456789abcdef'
export const ISSUER = 'https://issuer.test'
const AUDIENCE = 'chat-api'
export const APP_ORIGIN = 'https://app.acme.example'
export const SHARED_SECRET = 'a shared secret of at least thirty-two bytes'

/** Signs what the default config accepts. */
export const signer = createSecretSigner('HS256', SHARED_SECRET)

/** Claims that the default config accepts, changed by `claims`; undefined leaves one out. */
export function claimsOf(claims: Readonly<Record<string, unknown>> = {}, now = Date.now()) {
  const seconds = Math.floor(now / 1000)
  const all = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', iat: seconds, exp: seconds + 3600 }
  return Object.fromEntries(
    Object.entries({ ...all, ...claims }).filter(([, value]) => value !== undefined),
  )
}

/** A token of `sub`, alice unless said otherwise. */
export function tokenFor(sub = 'alice', claims: Readonly<Record<string, unknown>> = {}): string {
  return signer.token(claimsOf({ sub, ...claims }))
}

/** Part of a config: limits that no test reaches by accident. */
export const HIGH_LIMITS = `limits:
  mints_per_user: { max: 100000, seconds: 60 }
  reads_per_user: { max: 100000, seconds: 60 }
  live_sessions_per_user: { max: 100000 }
  failed_auth_per_ip: { max: 100000, seconds: 60 }`

export const DEFAULT_CONFIG = `
issuers:
  - issuer: ${ISSUER}
    audience: [${AUDIENCE}]
    algorithms: [HS256]
    secret_env: TEST_SHARED_SECRET
user: claims.sub
workflows:
  support:
    id: wf_support
cors: { origins: ['${APP_ORIGIN}'] }
${HIGH_LIMITS}
`

export interface RunningOptions {
  /** YAML. */
  readonly config?: string
  readonly env?: Readonly<Record<string, string>>
  readonly now?: Clock
  /** Instead of the one that `STORE_URL` names. */
  readonly registry?: Registry
  /** A free one when absent. */
  readonly port?: number
}

/** The real service on a free loopback port, with an embedded ChatKit API of its own. */
export interface Running {
  readonly url: string
  /** The embedded ChatKit API that the service calls. */
  readonly upstream: ChatKitApi
  /** Lines of the log so far, parsed. */
  readonly log: Record<string, unknown>[]
  /** Everything that was logged, as text. */
  logText(): string
  /** `POST /v1/sessions` as `token`; anything of it can be changed. */
  mint(token?: string, init?: RequestInit): Promise<Response>
  drain(): void
  /** Stops listening; resolves when what is in flight is answered, or cut after `graceMs`. */
  stop(graceMs: number): Promise<void>
  /** The routes, without the server. */
  readonly app: Service['app']
  /** Throws when an answer was not as the API description has it. */
  close(): Promise<void>
}

export async function startService(options: RunningOptions = {}): Promise<Running> {
  const api = await startChatKitApi({ port: 0, ...(options.now && { now: options.now }) })
  const environment = readEnvironment({
    OPENAI_API_KEY: API_KEY,
    OPENAI_BASE_URL: api.url,
    STORE_URL: 'memory:',
    TEST_SHARED_SECRET: SHARED_SECRET,
    ...options.env,
  })
  const { settings } = loadConfig(options.config ?? DEFAULT_CONFIG, {
    file: 'test.yaml',
    secrets: (name) => environment.secret(name)?.(),
  })
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
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
    async close() {
      await listening.stop(100)
      await service.close()
      await api.close()
      description.finish()
    },
  }
}
