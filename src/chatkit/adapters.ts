import type { Dispatcher } from 'undici'
import { ServiceError } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import { createOpenAi } from './openai.ts'
import type { ChatKit } from './port.ts'

/** What {@link createAdapters} needs. */
export interface AdaptersOptions {
  readonly workflows: readonly { readonly name: string; readonly apiKeyEnv: string }[]
  /** The current key in an environment variable. */
  readonly secret: (name: string) => (() => Secret) | undefined
  readonly baseUrl: string
  readonly organization: string | undefined
  readonly project: string | undefined
  readonly dispatcher: Dispatcher
}

/** The adapter of each workflow. */
export interface Adapters {
  /** Also for a workflow that has left the config: its sessions still have to be cancelled. */
  readonly of: (workflow: string) => ChatKit
  /** By API key variable, for metrics. */
  readonly breakers: () => readonly { key: string; breaker: string; open: boolean }[]
}

/**
 * One adapter per API key, so that each key has breakers of its own: a key that is over its limit
 * does not stop the workflows of another.
 *
 * @param options - workflows, keys, address
 * @throws Error when a key is not set
 */
export function createAdapters(options: AdaptersOptions): Adapters {
  const byKey = new Map<string, ReturnType<typeof createOpenAi>>()
  const byWorkflow = new Map<string, ChatKit>()
  for (const { name, apiKeyEnv } of options.workflows) {
    const adapter = byKey.get(apiKeyEnv) ?? withKey(apiKeyEnv, options)
    byKey.set(apiKeyEnv, adapter)
    byWorkflow.set(name, adapter)
  }
  const [anyKey] = byKey.values()
  return {
    of(workflow) {
      const adapter = byWorkflow.get(workflow) ?? anyKey
      if (adapter !== undefined) return adapter
      throw new ServiceError('workflow_unavailable', { reason: `no adapter for ${workflow}` })
    },
    breakers: () =>
      [...byKey].flatMap(([key, adapter]) =>
        Object.entries(adapter.breakers()).map(([breaker, state]) => ({
          key,
          breaker,
          open: state !== 'closed',
        })),
      ),
  }
}

function withKey(name: string, options: AdaptersOptions) {
  const apiKey = options.secret(name)
  if (apiKey === undefined) throw new Error(`${name} is not set`)
  const { baseUrl, organization, project, dispatcher } = options
  return createOpenAi({ baseUrl, apiKey, organization, project, dispatcher })
}
