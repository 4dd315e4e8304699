import type { Dispatcher } from 'undici'
import type { ServerIdentityHeaders } from '../chatkit/signing/server-token.ts'
import type { SigningKeys } from '../chatkit/signing/signing-keys.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord } from '../registry/records.ts'
import type { StreamLimits } from './client-stream.ts'
import type { OpenStreams } from './open-streams.ts'

/** A self-hosted workflow, as far as the gateway goes. */
export interface GatewayWorkflow {
  /** The ChatKit server's endpoint. */
  readonly server: string
  /** Where it takes `direct` uploads; the endpoint itself when undefined. */
  readonly uploadUrl?: string | undefined
  /** Requests of a session in a minute. */
  readonly maxPerMinute: number
  /** Whether a thread that nobody owns yet is the first asker's. */
  readonly adoptThreads: boolean
}

/** How long what may take, in milliseconds. */
export interface GatewayLimits extends StreamLimits {
  /** A body's arrival. */
  readonly bodyMs: number
  /** A whole JSON answer. */
  readonly answerMs: number
}

/** What `createGateway` needs. */
export interface GatewayOptions {
  /** By name; hosted ones are not among them. */
  readonly workflows: ReadonlyMap<string, GatewayWorkflow>
  /** `PUBLIC_URL`. */
  readonly issuer: string
  readonly keys: SigningKeys
  readonly registry: Pick<
    Registry,
    'useSession' | 'endedAmong' | 'claimOwnership' | 'ownersOf' | 'releaseOwnership'
  >
  /** Connections to the servers; a stream holds one, so their number bounds the streams. */
  readonly dispatcher: Dispatcher
  readonly maxBodyBytes: number
  readonly allowUnknownTypes: boolean
  readonly now: Clock
  readonly log: Log
  readonly hashUser: (user: string) => string
  /** Other than the usual ones. */
  readonly limits?: Partial<GatewayLimits> | undefined
}

/** The options, and what is made of them once. */
export interface GatewayDeps extends Omit<GatewayOptions, 'limits'> {
  readonly limits: GatewayLimits
  readonly identity: ServerIdentityHeaders
  readonly streams: OpenStreams
}

/** One request, once its session is known. */
export interface GatewayCall extends GatewayDeps {
  /** Name in the config. */
  readonly name: string
  readonly workflow: GatewayWorkflow
  readonly session: SessionRecord
}
