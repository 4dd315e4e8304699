// Lets an embedded server listen on a loopback address, and stops it at once when asked to.

import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import type { ServerType } from '@hono/node-server'

/**
 * @param server - not listening yet
 * @param wanted - the port; a free one when absent, or 0
 * @throws Node's own error when the port is taken
 */
export async function listenOnLoopback(server: Server | HttpServer | ServerType, wanted = 0) {
  server.listen(wanted, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    /** `http://127.0.0.1:8789` */
    origin: `http://127.0.0.1:${port}`,
    port,
    /** Stops listening and drops every connection, hanging and streaming ones included. */
    async close(): Promise<void> {
      const closed = once(server, 'close')
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await closed
    },
  }
}
