// Finds a port: the usual one, or any free one when that is taken.

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { accepts } from '../lib/connections.ts'
import { systemCode } from '../lib/errors.ts'

/** The usual loopback ports of the servers that the commands for developers start. */
export const USUAL_PORTS = { service: 8787, signIn: 8788, chatkit: 8789, server: 8790 } as const

/** Milliseconds in which a server on this machine must accept a connection. */
const ASK_MS = 500

/**
 * Starts a server on its usual port, or on any free one when that is taken.
 *
 * @param port - the usual one; 0 for any
 * @param start - listens on the given port
 */
export async function onUsualPort<T>(
  port: number,
  start: (port: number) => Promise<T>,
): Promise<T> {
  if (port === 0 || (await isTaken(port))) return start(0)
  try {
    return await start(port)
  } catch (error) {
    if (['EADDRINUSE', 'EACCES'].includes(systemCode(error) ?? '')) return start(0)
    throw error
  }
}

/**
 * A free port, the usual one if possible, for a server that must know its address before it listens.
 *
 * @param port - the usual one; 0 for any
 */
export function freePort(port: number): Promise<number> {
  return onUsualPort(port, async (wanted) => {
    const server = createServer()
    server.listen(wanted, '127.0.0.1')
    await once(server, 'listening')
    const { port: found } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    return found
  })
}

/**
 * A line that says that the service is not at the wanted port; empty when it is.
 *
 * @param port - the wanted port; 0 for any
 */
export function takenLine(port: number, url: string): string {
  if (port === 0 || new URL(url).port === String(port)) return ''
  return `\nPort ${port} is taken, so the service is at another; stop what uses it, or set PORT.\n`
}

/**
 * Whether anything accepts connections at the port. `localhost` may mean either address family, and some
 * systems allow a second listener beside one that has the port on all addresses.
 */
async function isTaken(port: number): Promise<boolean> {
  const answers = await Promise.all(['127.0.0.1', '::1'].map((host) => accepts(host, port, ASK_MS)))
  return answers.includes(true)
}
