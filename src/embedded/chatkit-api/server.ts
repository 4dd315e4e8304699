import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Clock } from '../../lib/clock.ts'
import { isLoopback } from '../../lib/loopback.ts'
import { type ChatKitApi, createChatKitApi } from './api.ts'

/** An embedded ChatKit API that listens. */
export interface RunningChatKitApi {
  /** What a client takes as its base URL: `http://127.0.0.1:8789/v1`. */
  readonly url: string
  /** The root of the control calls: `http://127.0.0.1:8789`. */
  readonly origin: string
  readonly api: ChatKitApi
  /** Stops listening and drops every connection, hanging calls included. */
  close(): Promise<void>
}

/**
 * Serves the embedded ChatKit API on a loopback address.
 *
 * @param options - `port`, 0 for a free one; `host`, `127.0.0.1` when absent; `now`, the real clock
 * when absent
 * @throws when `host` is not loopback, or with node's own error when the port is taken
 */
export async function startChatKitApi(options: {
  readonly port: number
  readonly host?: string
  readonly now?: Clock
}): Promise<RunningChatKitApi> {
  const { port, host = '127.0.0.1', now = Date.now } = options
  const hostname = host.includes(':') ? `[${host}]` : host
  if (!isLoopback(hostname)) throw new Error(`not a loopback address: ${host}`)
  const api = createChatKitApi({ now, loopbackOnly: true })
  const server = createAdaptorServer({ fetch: api.app.fetch })
  server.listen(port, host)
  await once(server, 'listening')
  const origin = `http://${hostname}:${(server.address() as AddressInfo).port}`
  return {
    url: `${origin}/v1`,
    origin,
    api,
    async close() {
      const closed = once(server, 'close')
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await closed
    },
  }
}
