// Bounds the open connections of the process.
import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Log } from '../../lib/log.ts'

/** Bound on connections, and who hears of those beyond it. */
export interface ConnectionCapOptions {
  readonly maxConnections: number
  readonly log: Log
  /** Told how many were turned away, at most once a second. */
  readonly onTurnedAway?: ((count: number) => void) | undefined
}

/** Idle ones take some 10 kB each. */
const MOST = 20_000
const LEAST = 128
/** Files, store, identity providers, and 320 connections to the ChatKit API. */
const OTHER_DESCRIPTORS = 640
const REPORT_MS = 1000

/**
 * How many connections fit beside all else into the process's limit on open files, 20,000 at most:
 * beyond that limit nothing could be opened any more, neither to the store nor to the ChatKit API.
 *
 * @param each - descriptors that a connection takes: 2 when a connection to a server comes with it
 * @param limits - as Linux shows them in `/proc/self/limits`; undefined elsewhere
 */
export function mostConnections(each = 1, limits: string | undefined = ownLimits()): number {
  const found = /^Max open files +(\d+)/m.exec(limits ?? '')
  if (found === null) return MOST
  return Math.min(MOST, Math.max(LEAST, Math.floor((Number(found[1]) - OTHER_DESCRIPTORS) / each)))
}

/** Absent on other systems than Linux. */
function ownLimits(): string | undefined {
  try {
    return readFileSync('/proc/self/limits', 'latin1')
  } catch {
    return undefined
  }
}

/**
 * Turns connections away when there are too many. Those that carry no request, also those that have
 * not sent one yet, then make room for who comes next; those whose request does not come to an end
 * have their own time limits.
 *
 * @param server - not listening yet
 * @param options - how many, and who is told
 */
export function capConnections(server: Server, options: ConnectionCapOptions): void {
  const { maxConnections, log, onTurnedAway } = options
  let open = 0
  let turnedAway = 0
  let timer: NodeJS.Timeout | undefined

  function report(): void {
    log.warn({ turned_away: turnedAway, most: maxConnections }, 'too many connections')
    onTurnedAway?.(turnedAway)
    turnedAway = 0
    timer = undefined
  }

  // Not `server.maxConnections`, which counts for each listening socket by itself.
  server.on('connection', (socket: Socket) => {
    open++
    socket.once('close', () => open--)
    if (open <= maxConnections) return
    socket.destroy()
    turnedAway++
    if (timer !== undefined) return
    server.closeIdleConnections()
    timer = setTimeout(report, REPORT_MS)
    timer.unref()
  })
}
