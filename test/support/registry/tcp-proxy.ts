import { connect, createServer, type Socket } from 'node:net'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'

/**
 * @param delay - how long what the server says is under way, in milliseconds; it is lost when the server goes
 */
export async function startTcpProxy(target: number, delay = 0) {
  let delayMs = delay
  let aimedAt = target
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(aimedAt, '127.0.0.1')
    const end = () => {
      for (const socket of [client, upstream]) {
        socket.destroy()
        sockets.delete(socket)
      }
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true).on('error', end).on('close', end)
    }
    client.on('data', (chunk) => upstream.write(chunk))
    upstream.on('data', (chunk) => {
      if (delayMs === 0) client.write(chunk)
      else setTimeout(() => client.destroyed || client.write(chunk), delayMs)
    })
  })
  const { port } = await listenOnLoopback(server)
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port,
    /** The next connections lead to another port; those that are open stay. */
    lead(port: number) {
      aimedAt = port
    },
    /** Cuts all connections; the next ones lead to another port. */
    aim(port: number) {
      aimedAt = port
      cut()
    },
    /** Makes what the server says from now on later, never earlier: it stays in order. */
    delay(milliseconds: number) {
      delayMs = Math.max(delayMs, milliseconds)
    },
    close() {
      server.close()
      cut()
    },
  }
}
