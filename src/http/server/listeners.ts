// Listens with several sockets on one port.

import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { setImmediate as nextCheck } from 'node:timers/promises'
import { systemCode } from '../../lib/errors.ts'

interface ListenAddress {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly backlog: number
}

/** Turns of the event loop at most in which connections are still accepted, so that a flood cannot hold up the stop. */
const MOST_TURNS = 100

/** The sockets of one server. */
export interface Listeners {
  readonly port: number
  /** Stops taking connections; resolves when the open ones have ended. */
  close(): Promise<void>
}

/**
 * Listens with several sockets on one port. In each turn of the event loop, Node takes one connection from each
 * socket (libuv since 1.47). With one socket and turns of 20 ms, only 50 clients a second would get in, and
 * health checks and revokes on new connections would wait in the same queue.
 *
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
      await takeWaiting(server)
      await Promise.all(opened.map(closing))
    },
  }
}

/** Opens and closes the port alone. This fails when another process has the port; opening it shared would not. */
async function reserve(address: ListenAddress): Promise<number> {
  const alone = await opening(createServer(), { ...address, reusePort: false })
  const { port } = alone.address() as AddressInfo
  await closing(alone)
  return port
}

/** A listener that hands its connections to `server`, with the options that an HTTP server itself sets. */
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

/**
 * Lets the server accept the connections that wait for it: when a socket closes, the system resets those in its queue, and
 * their requests fail. Resolves after a turn of the event loop in which none came.
 */
async function takeWaiting(server: HttpServer): Promise<void> {
  let taken = true
  const note = () => {
    taken = true
  }
  server.on('connection', note)
  for (let turn = 0; taken && turn < MOST_TURNS; turn++) {
    taken = false
    await nextCheck()
  }
  server.off('connection', note)
}

function closing(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

/** Only Linux and some BSDs spread connections over sockets that share a port. */
function isUnsupported(error: unknown): boolean {
  return ['ENOTSUP', 'EINVAL', 'ENOPROTOOPT'].includes(systemCode(error) ?? '')
}
