import { Agent, Pool } from 'undici'
import { type Adapters, createAdapters } from './chatkit/adapters.ts'
import type { ChatKit } from './chatkit/port.ts'
import type { SigningKeys } from './chatkit/signing/signing-keys.ts'
import type { Environment } from './config/env.ts'
import type { Settings } from './config/settings.ts'
import type { Clock } from './lib/clock.ts'
import type { Registry } from './registry/port.ts'

/** What {@link createUpstreams} needs. */
export interface UpstreamsOptions {
  readonly environment: Environment
  readonly settings: Settings
  readonly registry: Registry
  readonly now: Clock
}

/** The way to the ChatKit API, and to ChatKit servers of one's own. */
export interface Upstreams {
  readonly adapters: Adapters
  /** Undefined when every workflow is at OpenAI. */
  readonly selfHosted: SelfHostedParts | undefined
  disconnect(): Promise<void>
}

/** What self-hosted workflows need besides. */
export interface SelfHostedParts {
  /** `PUBLIC_URL`. */
  readonly issuer: string
  readonly keys: SigningKeys
  /** Connections to the servers. */
  readonly dispatcher: Agent
}

/** Connections to the ChatKit API: more calls than these wait for one. */
const UPSTREAM_CONNECTIONS = 256
const CANCEL_CONNECTIONS = 64

/**
 * The adapter of each workflow, and the connections that they use: one half of the composition root.
 *
 * @param options - settings, secrets, the books
 */
export async function createUpstreams(options: UpstreamsOptions): Promise<Upstreams> {
  const { environment, settings } = options
  const { origin } = new URL(environment.openaiBaseUrl)
  // HTTP/1.1 only: over HTTP/2 one connection that dies takes every call on it along.
  const openai = new Pool(origin, { connections: UPSTREAM_CONNECTIONS, allowH2: false })
  const cancels = new Pool(origin, { connections: CANCEL_CONNECTIONS, allowH2: false })
  const selfHosted = await selfHostedParts(options)
  const adapters = createAdapters({
    workflows: settings.workflows.filter((workflow) => workflow.kind === 'hosted'),
    selfHosted: await selfHostedAdapters(selfHosted, options),
    secret: environment.secret,
    baseUrl: environment.openaiBaseUrl,
    organization: environment.openaiOrgId,
    project: environment.openaiProjectId,
    dispatcher: openai,
    cancelDispatcher: cancels,
  })
  const disconnect = async () => {
    await Promise.all([openai, cancels, selfHosted?.dispatcher].map((pool) => pool?.destroy()))
  }
  return { adapters, selfHosted, disconnect }
}

async function selfHostedParts({
  environment,
  settings,
  registry,
}: UpstreamsOptions): Promise<SelfHostedParts | undefined> {
  const { publicUrl: issuer, signingKeys } = environment
  const wanted = settings.workflows.some(({ kind }) => kind === 'self-hosted')
  if (issuer === undefined || !wanted) return undefined
  const { openSigningKeys } = await import('./chatkit/signing/signing-keys.ts')
  // Unbounded connections: each open stream holds one.
  const dispatcher = new Agent({ allowH2: false })
  const keep = (made: Uint8Array) => registry.keptKey('signing-keys', () => made)
  return { issuer, dispatcher, keys: await openSigningKeys(signingKeys?.(), keep) }
}

/** Like the keys and the gateway loaded only for such workflows: a start without them is faster. */
async function selfHostedAdapters(
  parts: SelfHostedParts | undefined,
  { settings, registry, now }: UpstreamsOptions,
): Promise<ReadonlyMap<string, ChatKit>> {
  if (parts === undefined) return new Map()
  const workflows = settings.workflows.filter((workflow) => workflow.kind === 'self-hosted')
  const { createSelfHostedAdapters } = await import('./chatkit/self-hosted/adapters.ts')
  return createSelfHostedAdapters({ ...parts, registry, now, workflows })
}
