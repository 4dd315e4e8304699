import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer as createHttpServer,
  Server as HttpServer,
  type RequestListener,
} from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'

/** A server that listens on loopback. */
export type Listening = Awaited<ReturnType<typeof listen>>

/** Lets a server listen on a free port of this machine. */
export async function listen(server: Server, wanted = 0) {
  await once(server.listen(wanted, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    /** `http://127.0.0.1:8789` */
    origin: `http://127.0.0.1:${port}`,
    port,
    /** Cuts every connection of HTTP, too. */
    async close(): Promise<void> {
      const closed = once(server, 'close')
      server.close()
      if (server instanceof HttpServer) server.closeAllConnections()
      await closed
    },
  }
}

/** Answers HTTP on a free port of this machine. */
export function serve(listener: RequestListener): Promise<Listening> {
  return listen(createHttpServer(listener))
}

/** Below those that the kernel gives to `listen(0)` and to connections, so that no other test gets one meanwhile. */
const FREE_PORTS = [20_000, 32_767] as const

/** A port of loopback that nobody listens at. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...FREE_PORTS)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
