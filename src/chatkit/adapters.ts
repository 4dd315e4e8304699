// Finds the adapter of a workflow: one for each API key and base URL, and one for each self-hosted workflow.

import type { Dispatcher } from 'undici'
import { ServiceError } from '../lib/errors.ts'
import type { WorkflowName } from '../lib/ids.ts'
import type { Secret } from '../lib/secret.ts'
import type { Lane } from './hosted/api-client.ts'
import { createOpenAi } from './hosted/openai.ts'
import type { ChatKit } from './port.ts'

/**
 * Each pair of API key and base URL has its own breakers. A key that is over its limit, or a region that is down,
 * does not stop the workflows of another.
 *
 * @throws Error when a key is not set
 */
export function createAdapters({
  workflows,
  selfHosted,
  secret,
  openaiBaseUrl,
  organization,
  project,
  dispatcherFor,
}: {
  /** The hosted workflows. */
  readonly workflows: readonly {
    readonly name: WorkflowName
    readonly apiKeyEnv: string
    /** `openaiBaseUrl` when undefined. */
    readonly baseUrl: string | undefined
  }[]
  /** Adapters of self-hosted workflows, by name. */
  readonly selfHosted: ReadonlyMap<string, ChatKit>
  /** Gives a reader of the current key in an environment variable; undefined when the variable is not set. */
  readonly secret: (name: string) => (() => Secret) | undefined
  readonly openaiBaseUrl: string
  readonly organization: string | undefined
  readonly project: string | undefined
  /** Connections to a base URL for a lane; shared by all adapters that call it. */
  readonly dispatcherFor: (lane: Lane, baseUrl: string) => Dispatcher
}) {
  const byKey = new Map<string, ReturnType<typeof createOpenAi>>()
  const byWorkflow = new Map(selfHosted)
  for (const { name, apiKeyEnv, baseUrl = openaiBaseUrl } of workflows) {
    const apiKey = secret(apiKeyEnv)
    if (apiKey === undefined) throw new Error(`${apiKeyEnv} is not set`)
    const key = baseUrl === openaiBaseUrl ? apiKeyEnv : `${apiKeyEnv} at ${baseUrl}`
    const adapter =
      byKey.get(key) ??
      createOpenAi({
        ...{ baseUrl, apiKey, organization, project },
        dispatcherFor: (lane) => dispatcherFor(lane, baseUrl),
      })
    byKey.set(key, adapter)
    byWorkflow.set(name, adapter)
  }
  const unknown = cancelWithAny([...byKey.values()])
  return {
    /** A workflow that has left the config has an adapter too, because its sessions still have to be cancelled. */
    chatkitOf: (workflow: WorkflowName): ChatKit => byWorkflow.get(workflow) ?? unknown,
    /**
     * State of each breaker, for metrics. `key` names the API key's variable, and the base URL unless it is the
     * usual one.
     */
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

/**
 * Cancels sessions of a workflow that has left the config. It is unknown which key made such a session, and
 * with any other key the API answers 404. So every key is tried, and the session counts as gone only when no
 * key knows it.
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
