import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Clock } from '../../lib/clock.ts'
import { isLoopback } from '../../lib/loopback.ts'
import { type ChatKitServer, createChatKitServer } from './sample.ts'

/** A sample ChatKit server that listens. */
export interface RunningChatKitServer {
  /** The endpoint, a workflow's `server:`; `http://127.0.0.1:8790/chatkit`. */
  readonly url: string
  /** The root of uploads and control calls: `http://127.0.0.1:8790`. */
  readonly origin: string
  readonly server: ChatKitServer
  /** Stops listening and drops every connection, running streams included. */
  close(): Promise<void>
}

/**
 * Serves the sample ChatKit server on a loopback address.
 *
 * @param options - `port`, 0 for a free one; `host`, `127.0.0.1` when absent; `now`, the real clock
 * when absent; `wordMs`, milliseconds for a word of the assistant, 20 when absent
 * @throws when `host` is not loopback, or with node's own error when the port is taken
 */
export async function startChatKitServer(options: {
  readonly port: number
  readonly host?: string
  readonly now?: Clock
  readonly wordMs?: number
}): Promise<RunningChatKitServer> {
  const { port, host = '127.0.0.1', now = Date.now, ...rest } = options
  const hostname = host.includes(':') ? `[${host}]` : host
  if (!isLoopback(hostname)) throw new Error(`not a loopback address: ${host}`)
  const server = createChatKitServer({ now, ...rest })
  const listener = createAdaptorServer({ fetch: server.app.fetch })
  listener.listen(port, host)
  await once(listener, 'listening')
  const origin = `http://${hostname}:${(listener.address() as AddressInfo).port}`
  return {
    url: `${origin}/chatkit`,
    origin,
    server,
    async close() {
      const closed = once(listener, 'close')
      listener.close()
      if ('closeAllConnections' in listener) listener.closeAllConnections()
      await closed
    },
  }
}
