import type { Administer } from '../administer/administer.ts'
import type { AdminSettings, ConsoleSettings, RateLimit } from '../config/settings.ts'
import type { Figures } from '../http/telemetry/figures.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Secret } from '../lib/secret.ts'
import type { Audit } from '../registry/audit.ts'
import type { Registry } from '../registry/port.ts'

/** What the console joins. */
export interface ConsoleOptions {
  readonly settings: ConsoleConfig
  /** As clients see the service; https, or http on loopback. */
  readonly publicUrl: string
  /** The secret in an environment variable, or in the file that its `_FILE` twin names. */
  readonly secret: (name: string) => (() => Secret) | undefined
  readonly figures: Figures
  readonly administer: Administer
  /** For sign-ins. */
  readonly registry: Pick<
    Registry,
    'keptKey' | 'consume' | 'remembers' | 'rememberOnce' | 'readStanding'
  >
  readonly audit: Audit
  readonly log: Log
  readonly now: Clock
}

/** The part of the config file that the console looks at. */
export interface ConsoleConfig {
  readonly console: ConsoleSettings
  readonly admins: AdminSettings
  readonly workflows: readonly { readonly name: string }[]
  readonly limits: { readonly failedAuthPerIp: RateLimit }
  readonly trustedProxies: readonly string[]
  readonly clientIpHeader: string | undefined
}
