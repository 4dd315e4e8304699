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
  for (const workflow of settings.workflows) {
    if (workflow.kind !== 'self-hosted') continue
    const { name, server, adoptThreads, uploadUrl, maxRequestsPerMinute } = workflow
    const maxPerMinute = maxRequestsPerMinute ?? DEFAULT_PER_MINUTE
    workflows.set(name, { server, maxPerMinute, adoptThreads, uploadUrl })
  }
  return workflows
}
