// Bounds the open connections of the process.

import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { LANE_SLOTS } from '../../chatkit/port.ts'
import type { Log } from '../../lib/log.ts'

/** An idle connection takes about 10 kB. */
const MOST = 20_000
const LEAST = 128
/** Descriptors for files, store and identity providers, and for the three lanes of connections to the ChatKit API. */
const OTHER_DESCRIPTORS = 320 + 3 * LANE_SLOTS
const REPORT_MS = 1000
/** Milliseconds before room is made, because a connection that has just come counts as idle until its request is read. */
const READ_MS = 100

/**
 * The number of connections that the process's limit on open files allows, 20,000 at most. Beyond that limit the
 * process could open nothing, not even a connection to the store or the ChatKit API.
 *
 * @param each - descriptors that a connection takes: 2 when a connection to a server comes with it
 * @param limits - as Linux shows them in `/proc/self/limits`; undefined elsewhere
 */
export function mostConnections(each = 1, limits: string | undefined = ownLimits()): number {
  const found = /^Max open files +(\d+)/m.exec(limits ?? '')
  if (found === null) return MOST
  return Math.min(MOST, Math.max(LEAST, Math.floor((Number(found[1]) - OTHER_DESCRIPTORS) / each)))
}

/** Undefined on systems other than Linux. */
function ownLimits(): string | undefined {
  try {
    return readFileSync('/proc/self/limits', 'latin1')
  } catch {
    return undefined
  }
}

/** Unread bytes of an answer that may stay for as long as its client likes: about what a stream writes ahead. */
const MOST_LEFT_BYTES = 1024 * 1024
/**
 * Connections with such a rest. Linux keeps up to 4 MB more for each, outside of this process: without a bound, a client
 * with a thousand could keep, at no cost, what all connections of the machine may take.
 */
const MOST_LEFT = 128

/** A connection, or in a test a stream like one. */
type Connection = Duplex & { resetAndDestroy(): unknown }

/**
 * Makes the function that closes a connection on which nothing has moved for some time, unless the app still works on
 * its answer or little of it is left: the end of a film that somebody pauses. Where too many such ends are left, it
 * closes the connection that has waited longest.
 */
export function createCloseUnused(isAnswering: (socket: Duplex) => boolean) {
  const left = new Set<Connection>()

  function isLeft(socket: Connection): boolean {
    const { destroyed, writableLength: bytes } = socket
    return !(destroyed || isAnswering(socket)) && bytes > 0 && bytes <= MOST_LEFT_BYTES
  }

  return (socket: Connection): void => {
    if (isAnswering(socket)) return
    if (!isLeft(socket)) {
      close(socket)
      return
    }
    left.add(socket)
    for (const one of left) if (!isLeft(one)) left.delete(one)
    const [longest] = left
    if (left.size > MOST_LEFT && longest) close(longest)
  }
}

/**
 * Resets a connection whose client does not read. After an orderly close, the system would keep what it has not sent, up
 * to 4 MB, for as long as the client acknowledges probes.
 */
function close(socket: Connection): void {
  if (socket.writableLength > 0) socket.resetAndDestroy()
  else socket.destroy()
}

/**
 * Closes new connections at once when too many are open. So that the next clients can connect, it soon closes idle
 * connections too, even those that never sent a request, and those whose clients read nothing of an answer until the
 * server's time-out: otherwise they may pause for as long as they like. Time limits on requests end the others.
 *
 * @param server - not listening yet
 * @param onTurnedAway - gets the number of closed connections, at most once a second
 */
export function capConnections(
  server: Server,
  {
    maxConnections,
    log,
    onTurnedAway,
  }: {
    readonly maxConnections: number
    readonly log: Log
    readonly onTurnedAway?: ((count: number) => void) | undefined
  },
): void {
  let open = 0
  let turnedAway = 0
  let timer: NodeJS.Timeout | undefined
  /** Connections on which nothing moved until the time-out, although there was something to read. */
  const unread = new Set<Socket>()

  function makeRoom(): void {
    server.closeIdleConnections()
    for (const socket of unread) if (socket.writableLength > 0) close(socket)
    unread.clear()
  }

  function report(): void {
    log.warn({ turned_away: turnedAway, most: maxConnections }, 'too many connections')
    onTurnedAway?.(turnedAway)
    turnedAway = 0
    timer = undefined
  }

  // `server.maxConnections` is not used, because it counts each listening socket separately.
  server.on('connection', (socket: Socket) => {
    open++
    socket.on('timeout', () => {
      if (socket.writableLength > 0) unread.add(socket)
    })
    socket.on('drain', () => unread.delete(socket))
    socket.once('close', () => {
      unread.delete(socket)
      open--
    })
    if (open <= maxConnections) return
    socket.destroy()
    turnedAway++
    if (timer !== undefined) return
    setTimeout(makeRoom, READ_MS).unref()
    timer = setTimeout(report, REPORT_MS)
    timer.unref()
  })
}
