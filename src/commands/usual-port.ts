// Finds a port: the usual one, or any free one when that is taken.

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { accepts } from '../lib/connections.ts'

/** The usual ports of what the commands for developers start, on loopback. */
export const USUAL_PORTS = { service: 8787, signIn: 8788, chatkit: 8789, server: 8790 } as const

/** How long this machine may take to answer, in milliseconds. */
const ASK_MS = 500

/**
 * Starts something on its usual port, or on any free one when that is taken.
 *
 * @param port - the usual one; 0 for any
 * @param start - listens on the port it is given
 */
export async function onUsualPort<T>(
  port: number,
  start: (port: number) => Promise<T>,
): Promise<T> {
  if (port === 0 || (await isTaken(port))) return start(0)
  try {
    return await start(port)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE' || code === 'EACCES') return start(0)
    throw error
  }
}

/**
 * A free port, the usual one where possible, for what has to know its address before it listens.
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
 * A line for the one who started a service that is not at the port they expect; empty when it is.
 *
 * @param port - the wanted one; 0 for any
 * @param url - of the service
 */
export function takenLine(port: number, url: string): string {
  if (port === 0 || new URL(url).port === String(port)) return ''
  return `\nPort ${port} is taken, so the service is at another; stop what uses it, or set PORT.\n`
}

/**
 * Whether anything answers there. `localhost` may mean either address family, and some systems let
 * one listen next to somebody who has the port on all addresses.
 */
async function isTaken(port: number): Promise<boolean> {
  const answers = await Promise.all(['127.0.0.1', '::1'].map((host) => accepts(host, port, ASK_MS)))
  return answers.includes(true)
}
