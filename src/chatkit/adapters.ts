import type { Dispatcher } from 'undici'
import { ServiceError } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import { createOpenAi } from './hosted/openai.ts'
import type { ChatKit } from './port.ts'

/** What {@link createAdapters} needs. */
export interface AdaptersOptions {
  /** Those at OpenAI. */
  readonly workflows: readonly { readonly name: string; readonly apiKeyEnv: string }[]
  /** Those with a server of one's own, by name. */
  readonly selfHosted: ReadonlyMap<string, ChatKit>
  /** The current key in an environment variable. */
  readonly secret: (name: string) => (() => Secret) | undefined
  readonly baseUrl: string
  readonly organization: string | undefined
  readonly project: string | undefined
  readonly dispatcher: Dispatcher
  /** Connections that only cancels use: mints that hang must not keep a revoke waiting. */
  readonly cancelDispatcher: Dispatcher
}

/** The adapter of each workflow. */
export interface Adapters {
  /** For a workflow that has left the config too: its sessions still have to be cancelled. */
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
  const byWorkflow = new Map(options.selfHosted)
  for (const { name, apiKeyEnv } of options.workflows) {
    const adapter = byKey.get(apiKeyEnv) ?? withKey(apiKeyEnv, options)
    byKey.set(apiKeyEnv, adapter)
    byWorkflow.set(name, adapter)
  }
  const unknown = cancelWithAny([...byKey.values()])
  return {
    of: (workflow) => byWorkflow.get(workflow) ?? unknown,
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
  const { baseUrl, organization, project, dispatcher, cancelDispatcher } = options
  return createOpenAi({ baseUrl, apiKey, organization, project, dispatcher, cancelDispatcher })
}

/**
 * For sessions of a workflow that is no longer configured. Whose key they were made with is not
 * known, and to a wrong key they do not exist: gone is only what no key knows.
 */
function cancelWithAny(adapters: readonly ChatKit[]): ChatKit {
  const refuse = async () => {
    throw new ServiceError('workflow_unavailable', { reason: 'not in the config' })
  }
  return {
    createSession: refuse,
    listThreads: refuse,
    retrieveThread: refuse,
    deleteThread: refuse,
    listThreadItems: refuse,
    async cancelSession(id, call) {
      for (const adapter of adapters) {
        const ended = await adapter.cancelSession(id, call)
        if (ended !== null) return ended
      }
      return null
    },
  }
}
