// Listens with several sockets on one port.
import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'

/** Where to listen. */
export interface ListenAddress {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly backlog: number
}

/** The sockets of one server. */
export interface Listeners {
  readonly port: number
  /** Takes no more connections; resolves when those it has taken have ended. */
  close(): Promise<void>
}

/**
 * Listens with several sockets on one port. Node takes one connection from each at every turn of the
 * event loop (libuv since 1.47): with a single one, turns of 20 ms let in 50 clients a second, while
 * health checks and revokes on new connections stand in the same queue.
 *
 * @param server - gets all connections
 * @param address - where
 * @param count - of sockets; 1 where the system cannot share a port
 * @throws the `listen` error, for example `EADDRINUSE`
 */
export async function openListeners(
  server: HttpServer,
  address: ListenAddress,
  count: number,
): Promise<Listeners> {
  const port = count > 1 ? await reserve(address) : address.port
  const shared = { ...address, port, reusePort: count > 1 }
  const opened: Server[] = []
  try {
    opened.push(await opening(server, shared))
    while (opened.length < count) opened.push(await opening(feeding(server), shared))
  } catch (error) {
    await Promise.all(opened.map(closing))
    if (!isUnsupported(error)) throw error
    return openListeners(server, { ...address, port }, 1)
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      await Promise.all(opened.map(closing))
    },
  }
}

/** A port that sockets share is not refused to a second process: this asks for it alone first. */
async function reserve(address: ListenAddress): Promise<number> {
  const alone = await opening(createServer(), { ...address, reusePort: false })
  const { port } = alone.address() as AddressInfo
  await closing(alone)
  return port
}

/** As an HTTP server makes its own connections. */
function feeding(server: HttpServer): Server {
  const options = { allowHalfOpen: true, noDelay: true }
  return createServer(options, (socket) => server.emit('connection', socket))
}

async function opening(
  server: Server,
  address: ListenAddress & { readonly reusePort: boolean },
): Promise<Server> {
  server.listen(address)
  await once(server, 'listening')
  return server
}

function closing(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

/** Only Linux and some BSDs spread connections over sockets that share a port. */
function isUnsupported(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOTSUP' || code === 'EINVAL' || code === 'ENOPROTOOPT'
}
