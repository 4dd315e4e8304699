import type { AdminSettings, ConsoleSettings, RateLimit } from '../config/settings.ts'
import type { AdminOptions } from '../http/admin/sessions.ts'
import type { Figures } from '../http/telemetry/figures.ts'
import type { Log } from '../lib/log.ts'
import type { Secret } from '../lib/secret.ts'
import type { UserData } from './user-data.ts'

/** What the console joins: the parts and steps that the admin API stands on, and its own settings. */
export interface ConsoleOptions extends AdminOptions {
  readonly settings: ConsoleConfig
  /** As clients see the service; https, or http on loopback. */
  readonly publicUrl: string
  /** The secret in an environment variable, or in the file that its `_FILE` twin names. */
  readonly secret: (name: string) => (() => Secret) | undefined
  readonly figures: Figures
  /** Threads, export and erase. */
  readonly userData: UserData
  readonly log: Log
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
