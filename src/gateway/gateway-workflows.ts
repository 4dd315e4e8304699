import type { Settings } from '../config/settings.ts'
import type { GatewayWorkflow } from './gateway-options.ts'

/** What a session is good for in a minute when the config does not say, as at OpenAI. */
const DEFAULT_PER_MINUTE = 10

/**
 * The self-hosted workflows of the config, by name, as the gateway needs them.
 *
 * @param settings - the config
 */
export function gatewayWorkflows(settings: Settings): ReadonlyMap<string, GatewayWorkflow> {
  const workflows = new Map<string, GatewayWorkflow>()
  for (const { name, server, maxRequestsPerMinute, ...rest } of settings.workflows) {
    if (server === undefined) continue
    const maxPerMinute = maxRequestsPerMinute ?? DEFAULT_PER_MINUTE
    const { adoptThreads, uploadUrl } = rest
    workflows.set(name, { server, maxPerMinute, adoptThreads, uploadUrl })
  }
  return workflows
}
