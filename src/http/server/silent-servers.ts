// Finds self-hosted ChatKit servers that accept no connection, so that the start warns and not only the first
// chat fails.

import type { SelfHostedWorkflow, WorkflowSettings } from '../../config/settings.ts'
import { accepts, type ProxyFor } from '../../lib/connections.ts'
import type { Log } from '../../lib/log.ts'

/** Milliseconds that a server on another machine may take to accept a connection. */
const WAIT_MS = 3000

/**
 * The self-hosted workflows whose servers accept no connection. Servers behind a proxy are left out: a
 * connection would only show that the proxy is there.
 */
export async function silentServers(
  workflows: readonly WorkflowSettings[],
  proxyFor: ProxyFor,
): Promise<readonly SelfHostedWorkflow[]> {
  const selfHosted = workflows.filter((workflow) => workflow.kind === 'self-hosted')
  const found = await Promise.all(
    selfHosted.map(async (workflow) => {
      const url = new URL(workflow.server)
      return proxyFor(url) !== undefined || (await isReachable(url)) ? [] : [workflow]
    }),
  )
  return found.flat()
}

function isReachable({ hostname, port, protocol }: URL): Promise<boolean> {
  const usual = protocol === 'https:' ? 443 : 80
  return accepts(hostname.replace(/^\[|\]$/g, ''), Number(port) || usual, WAIT_MS)
}

/** Logs one warning for each. A server may start after this service, so this is no reason to stop. */
export async function warnOfSilentServers(
  workflows: readonly WorkflowSettings[],
  proxyFor: ProxyFor,
  log: Log,
): Promise<void> {
  for (const { name, server } of await silentServers(workflows, proxyFor)) {
    const { origin, pathname } = new URL(server)
    log.warn(
      { workflow: name },
      `nobody listens at ${origin}${pathname} (workflows.${name}.server): start your ChatKit server, or mend the address; chats are 503 until then`,
    )
  }
}
