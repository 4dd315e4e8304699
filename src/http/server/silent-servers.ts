// Finds ChatKit servers that nobody listens at, so that a start says so and not only the first chat.

import type { SelfHostedWorkflow, WorkflowSettings } from '../../config/settings.ts'
import { accepts, type ProxyFor } from '../../lib/connections.ts'
import type { Log } from '../../lib/log.ts'

/** How long a server on another machine may take to let a connection in, in milliseconds. */
const WAIT_MS = 3000

/**
 * The self-hosted workflows whose servers let no connection in. Servers behind a proxy are not asked: only the proxy
 * could be.
 */
export async function silentServers(
  workflows: readonly WorkflowSettings[],
  proxyFor: ProxyFor,
): Promise<readonly SelfHostedWorkflow[]> {
  const selfHosted = workflows.filter((workflow) => workflow.kind === 'self-hosted')
  const found = await Promise.all(
    selfHosted.map(async (workflow) => {
      const url = new URL(workflow.server)
      return proxyFor(url) !== undefined || (await isHeard(url)) ? [] : [workflow]
    }),
  )
  return found.flat()
}

function isHeard({ hostname, port, protocol }: URL): Promise<boolean> {
  const usual = protocol === 'https:' ? 443 : 80
  return accepts(hostname.replace(/^\[|\]$/g, ''), Number(port) || usual, WAIT_MS)
}

/** Says it once. A server may start after this service, so it is no reason to end. */
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
