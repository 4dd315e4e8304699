import type { ChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import type { Clock } from '../../src/lib/clock.ts'
import type { Registry } from '../../src/registry/port.ts'
import type { Service } from '../../src/service.ts'
import { createSecretSigner } from './tokens.ts'

/** The API key that the service under test holds; tests look for it where it must not be. */
export const API_KEY = 'sk-test-planted-key-0123456789abcdef'
export const ISSUER = 'https://issuer.test'
const AUDIENCE = 'chat-api'
export const APP_ORIGIN = 'https://app.acme.example'
export const SHARED_SECRET = 'a shared secret of at least thirty-two bytes'

/** Signs what the default config accepts. */
export const signer = createSecretSigner('HS256', SHARED_SECRET)

/** Claims that the default config accepts, changed by `claims`; a token leaves out one that is undefined. */
export function claimsOf(claims: Readonly<Record<string, unknown>> = {}, now = Date.now()) {
  const iat = Math.floor(now / 1000)
  return { iss: ISSUER, aud: AUDIENCE, sub: 'alice', iat, exp: iat + 3600, ...claims }
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
  /** Stops listening; resolves when requests in flight are answered, or are cut after `graceMs`. */
  stop(graceMs: number): Promise<void>
  /** The routes, without the server. */
  readonly app: Service['app']
  /**
   * Waits at most so many milliseconds for background work, 60,000 when absent. Throws when an answer was not as the API
   * description has it.
   */
  close(withinMs?: number): Promise<void>
}

/** Ends after its test when a test or a `beforeEach` starts it. */
export async function startService(options: RunningOptions = {}): Promise<Running> {
  // Half a second of modules, which a test of the service as a process does without.
  const { startInThisProcess } = await import('./service-in-process.ts')
  return startInThisProcess(options)
}
