// Starts an embedded server on a loopback address, and stops it at once when asked to.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { ServerType } from '@hono/node-server'
import { isLoopback } from '../../lib/loopback.ts'

/** Port and address of an embedded server. */
export interface ListenAt {
  /** 0 for a free one. */
  readonly port: number
  /** `127.0.0.1` when absent. */
  readonly host?: string | undefined
}

/**
 * @param server - not listening yet
 * @throws when `host` is not loopback; Node's own error when the port is taken
 */
export async function listenOnLoopback(server: ServerType, { port, host = '127.0.0.1' }: ListenAt) {
  const hostname = host.includes(':') ? `[${host}]` : host
  if (!isLoopback(hostname)) throw new Error(`not a loopback address: ${host}`)
  server.listen(port, host)
  await once(server, 'listening')
  return {
    /** `http://127.0.0.1:8789` */
    origin: `http://${hostname}:${(server.address() as AddressInfo).port}`,
    /** Stops listening and drops every connection, hanging and streaming ones included. */
    async close(): Promise<void> {
      const closed = once(server, 'close')
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await closed
    },
  }
}
