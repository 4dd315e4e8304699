// Makes the connections of all calls out, and the adapter of each workflow: one half of the composition root.

import type { Dispatcher } from 'undici'
import { createAdapters } from './chatkit/adapters.ts'
import type { Lane } from './chatkit/hosted/api-client.ts'
import { type ChatKit, LANE_SLOTS } from './chatkit/port.ts'
import type { SigningKeys } from './chatkit/signing/signing-keys.ts'
import { apiKeyReader, type Environment } from './config/env.ts'
import { MOST_TENANTS, type Settings } from './config/settings.ts'
import type { Clock } from './lib/clock.ts'
import { connectTo, connectToAny } from './lib/connections.ts'
import type { Log } from './lib/log.ts'
import { createMemoryBudget, type MemoryBudget } from './lib/shares/memory-budget.ts'
import type { Registry } from './registry/port.ts'

export type Upstreams = Awaited<ReturnType<typeof createUpstreams>>

interface UpstreamsOptions {
  readonly environment: Environment
  readonly settings: Settings
  readonly registry: Pick<Registry, 'keptKey' | 'ownersOf' | 'listOwned' | 'releaseOwnership'>
  readonly now: Clock
  readonly log: Log
}

/** @returns `selfHosted` is undefined when every workflow is hosted */
export async function createUpstreams(options: UpstreamsOptions) {
  const { environment, settings } = options
  const api = apiConnections(environment)
  // Each tenant's keys are fetched by themselves, all at the start: with fewer connections to their host, tenants wait for
  // each other until the deadline.
  const identityProviders = connectToAny(environment.proxies.proxyFor, {
    connections: MOST_TENANTS,
  })
  const memory = createMemoryBudget(settings.gateway)
  const signingKeys = await signingKeysOf(options)
  const selfHosted = selfHostedParts(options, signingKeys, memory)
  const { chatkitOf, cancelsOf, breakers } = createAdapters({
    workflows: settings.workflows.filter((workflow) => workflow.kind === 'hosted'),
    selfHosted: await selfHostedAdapters(selfHosted, options),
    secret: apiKeyReader(environment, (line) => options.log.warn(line)),
    openaiBaseUrl: environment.openaiBaseUrl,
    organization: environment.openaiOrgId,
    project: environment.openaiProjectId,
    dispatcherFor: api.dispatcherFor,
  })
  const disconnect = async () => {
    const pools = [...api.pools.values(), identityProviders, selfHosted?.dispatcher]
    await Promise.all(pools.map((pool) => pool?.destroy()))
  }
  const adapters = { chatkitOf, cancelsOf, breakers }
  return { ...adapters, identityProviders, signingKeys, selfHosted, memory, disconnect }
}

/** A pool for each lane and base URL, so that neither waits for another. */
function apiConnections({ proxies }: Pick<Environment, 'proxies'>) {
  const pools = new Map<string, Dispatcher>()
  return {
    pools,
    dispatcherFor(lane: Lane, baseUrl: string): Dispatcher {
      const { origin } = new URL(baseUrl)
      const name = `${lane} ${origin}`
      const pool = pools.get(name) ?? connectTo(origin, proxies.proxyFor, LANE_SLOTS)
      pools.set(name, pool)
      return pool
    },
  }
}

/**
 * The keys of the file; without one, keys of the store's, where client secrets or receipts are signed.
 * Instances that share Redis need the file: they must not begin to sign with keys that one of them has made.
 */
async function signingKeysOf({
  environment,
  settings,
  registry,
}: UpstreamsOptions): Promise<SigningKeys | undefined> {
  const { publicUrl, signingKeys, store } = environment
  const used = settings.admins !== undefined || settings.workflows.some(isSelfHosted)
  const made = used && publicUrl !== undefined && store.kind !== 'redis'
  if (signingKeys === undefined && !made) return undefined
  const { openSigningKeys } = await import('./chatkit/signing/signing-keys.ts')
  const keep = (make: () => Uint8Array) => registry.keptKey('signing-keys', make)
  return openSigningKeys(signingKeys?.(), keep)
}

const isSelfHosted = ({ kind }: Settings['workflows'][number]) => kind === 'self-hosted'

/** @returns the parts that only self-hosted workflows need: `dispatcher` has the connections to their servers */
function selfHostedParts(
  { environment, settings }: UpstreamsOptions,
  keys: SigningKeys | undefined,
  memory: MemoryBudget,
) {
  const { publicUrl } = environment
  if (publicUrl === undefined || keys === undefined) return undefined
  if (!settings.workflows.some(isSelfHosted)) return undefined
  // Unbounded connections: each open stream holds one.
  const dispatcher = connectToAny(environment.proxies.proxyFor, { allowH2: false })
  return { publicUrl, dispatcher, memory, keys }
}

/** Loaded, like the keys and the gateway, only for such workflows: a start without them is faster. */
async function selfHostedAdapters(
  parts: ReturnType<typeof selfHostedParts>,
  { settings, registry, now }: UpstreamsOptions,
): Promise<ReadonlyMap<string, ChatKit>> {
  const adapters = new Map<string, ChatKit>()
  if (parts === undefined) return adapters
  const { createSelfHosted } = await import('./chatkit/self-hosted/adapter.ts')
  const { publicUrl, keys, dispatcher } = parts
  for (const workflow of settings.workflows) {
    if (workflow.kind !== 'self-hosted') continue
    const adapter = createSelfHosted({ workflow, publicUrl, keys, dispatcher, registry, now })
    adapters.set(workflow.name, adapter)
  }
  return adapters
}
