// Finds the adapter of a workflow: one for each API key and base URL, and one for each self-hosted workflow.

import type { Dispatcher } from 'undici'
import { ServiceError } from '../lib/errors.ts'
import type { WorkflowName } from '../lib/ids.ts'
import type { Secret } from '../lib/secret.ts'
import type { Lane } from './hosted/api-client.ts'
import { createOpenAi } from './hosted/openai.ts'
import type { ChatKit } from './port.ts'

/** The key's variable where no workflow names another. */
const USUAL_KEY = 'OPENAI_API_KEY'

type CancelsSessions = Pick<ChatKit, 'cancelSession'>

/** The parts of a session that decide which upstream cancels it. */
interface MintedFor {
  readonly workflow: WorkflowName
  /** State variables of a self-hosted session; undefined for a hosted one. */
  readonly state?: unknown
}

/** The gateway reads the registry at each request: a self-hosted session has ended once the registry says so. */
const NO_UPSTREAM: CancelsSessions = { cancelSession: async () => null }

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
  const hosted = new Map<string, ChatKit>()

  function adapterOf(apiKeyEnv: string, baseUrl = openaiBaseUrl): ChatKit {
    const apiKey = secret(apiKeyEnv)
    if (apiKey === undefined) throw new Error(`${apiKeyEnv} is not set`)
    const key = baseUrl === openaiBaseUrl ? apiKeyEnv : `${apiKeyEnv} at ${baseUrl}`
    const adapter =
      byKey.get(key) ??
      createOpenAi({
        baseUrl,
        apiKey,
        organization,
        project,
        dispatcherFor: (lane) => dispatcherFor(lane, baseUrl),
      })
    byKey.set(key, adapter)
    return adapter
  }

  for (const { name, apiKeyEnv, baseUrl } of workflows) {
    hosted.set(name, adapterOf(apiKeyEnv, baseUrl))
  }
  const leftAtOpenAi = cancelWithAny(() => {
    if (byKey.size === 0) adapterOf(USUAL_KEY)
    return [...byKey.values()]
  })
  /** Other keys are asked only where the workflow's own does not know the session: its outage must not load them. */
  function cancelsFirstWith(own: ChatKit): CancelsSessions {
    const others = cancelWithAny(() => [...byKey.values()].filter((one) => one !== own))
    return {
      cancelSession: async (id, call) =>
        (await own.cancelSession(id, call)) ?? others.cancelSession(id, call),
    }
  }
  const cancels = new Map([...hosted].map(([name, own]) => [name, cancelsFirstWith(own)]))
  return {
    /** @throws `workflow_unavailable` when the workflow is not in the config */
    chatkitOf(workflow: WorkflowName): ChatKit {
      const adapter = selfHosted.get(workflow) ?? hosted.get(workflow)
      if (adapter !== undefined) return adapter
      throw new ServiceError('workflow_unavailable', { reason: 'not in the config' })
    },
    /**
     * Where a session is cancelled. Since it was minted, its workflow may have left the config, have got another key or
     * base URL, or have become self-hosted or hosted. `state` tells what it was then: a hosted session has none.
     */
    cancelsOf: ({ workflow, state }: MintedFor): CancelsSessions =>
      state === undefined ? (cancels.get(workflow) ?? leftAtOpenAi) : NO_UPSTREAM,
    /**
     * State of each breaker, for metrics. `key` names the API key's variable, and the base URL unless it is the
     * usual one.
     */
    breakers: () =>
      [...byKey].flatMap(([key, adapter]) =>
        Object.entries(adapter.breakers()).map(([breaker, open]) => ({ key, breaker, open })),
      ),
  }
}

/**
 * Cancels hosted sessions. The config may have changed since, so it is unknown which key made a session, and with any
 * other key the API answers 404. So every key is tried, and the session counts as gone only when no key knows it.
 */
function cancelWithAny(adapters: () => readonly CancelsSessions[]): CancelsSessions {
  return {
    async cancelSession(id, call) {
      const calls = adapters().map((adapter) => adapter.cancelSession(id, call))
      for (const one of await Promise.allSettled(calls)) {
        if (one.status === 'fulfilled' && one.value !== null) return one.value
      }
      // The session may belong to a key that failed.
      await Promise.all(calls)
      return null
    },
  }
}
