// Finds self-hosted ChatKit servers that accept no connection, so that the log warns at the start, before a chat
// fails.

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
      const isFine = proxyFor(url) !== undefined || (await accepts(...addressOf(url), WAIT_MS))
      return isFine ? [] : [workflow]
    }),
  )
  return found.flat()
}

function addressOf({ hostname, port, protocol }: URL): [host: string, port: number] {
  const usual = protocol === 'https:' ? 443 : 80
  return [hostname.replace(/^\[|\]$/g, ''), Number(port) || usual]
}

/** Logs one warning for each. The service starts nevertheless, because a server may start after it. */
export async function warnOfSilentServers(
  workflows: readonly WorkflowSettings[],
  proxyFor: ProxyFor,
  log: Log,
): Promise<void> {
  for (const { name, server } of await silentServers(workflows, proxyFor)) {
    const { origin, pathname } = new URL(server)
    log.warn(
      { workflow: name },
      `nobody listens at ${origin}${pathname} (workflows.${name}.server): start your ChatKit server, or correct the address; chats are 503 until then`,
    )
  }
}
