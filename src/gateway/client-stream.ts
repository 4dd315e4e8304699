// The client's side of a stream: asks the server for more when the client's connection has room for it,
// and never before; keeps the connection alive; ends the stream on time.

import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { type StreamEnd, StreamFault } from './stream-fault.ts'

/** Bounds of a stream, in milliseconds. */
export interface StreamLimits {
  /** Silence after which a comment goes out, so that no proxy takes the connection for dead. */
  readonly heartbeatMs: number
  /** Silence of the server after which the stream ends. */
  readonly idleMs: number
  /** Length of the whole stream. */
  readonly totalMs: number
}

/** After its end a connection has this long to take the last event, in milliseconds. */
const LAST_EVENT_MS = 250

const HEARTBEAT = ': \n\n'

/**
 * Writes what may go on of a chunk, or of what is left when there is no chunk. A promise when that takes
 * time; a `StreamFault` when the stream must not go on, after what comes before has been written.
 */
export type FrameFilter = (
  chunk: Uint8Array | undefined,
  write: (frames: Uint8Array) => void,
) => Promise<void> | undefined

/**
 * Writes a stream to the client's connection, whose head has been written. It writes to the connection
 * itself: web streams and iterators in between cost more CPU than all that is done with a frame.
 *
 * @param parts - `source`: destroyed at the end, perhaps more than once; `onEnd`: called once, without a
 * fault when the server finished or the client left
 * @returns ends the stream now, with a last event that says why
 */
export function streamToClient({
  source,
  filter,
  limits,
  connection,
  onEnd,
}: {
  readonly source: Readable
  readonly filter: FrameFilter
  readonly limits: StreamLimits
  readonly connection: ServerResponse
  readonly onEnd: (fault: StreamFault | undefined) => void
}): (why: StreamEnd) => void {
  let over = false
  let heardAt = performance.now()

  function finish(fault: StreamFault | undefined): void {
    if (over) return
    over = true
    clearTimeout(total)
    clearTimeout(silence)
    source.destroy()
    onEnd(fault)
    if (connection.destroyed) return
    if (fault === undefined) {
      connection.end()
      return
    }
    // A client that does not read keeps nothing open, neither the answer nor the connection.
    const { socket } = connection
    connection.end(`data: ${JSON.stringify(fault.event)}\n\n`, () => socket?.destroySoon())
    setTimeout(() => {
      if (!connection.writableFinished) connection.destroy()
    }, LAST_EVENT_MS).unref()
  }

  function onSilence(): void {
    const silentMs = performance.now() - heardAt
    // While the client takes nothing, the server is not asked, and its silence means nothing.
    if (connection.writableNeedDrain) heardAt = performance.now()
    else if (silentMs < limits.idleMs) connection.write(HEARTBEAT)
    else {
      finish(new StreamFault('server_silent'))
      return
    }
    silence = setTimeout(onSilence, Math.min(limits.heartbeatMs, limits.idleMs))
  }

  let silence = setTimeout(onSilence, Math.min(limits.heartbeatMs, limits.idleMs))
  const total = setTimeout(() => finish(new StreamFault('too_long')), limits.totalMs)
  connection.once('close', () => finish(undefined))

  const onChunk = (): void => {
    heardAt = performance.now()
    silence.refresh()
  }
  pump({ source, filter, connection, onChunk }).then(
    () => finish(undefined),
    (error: unknown) => {
      finish(error instanceof StreamFault ? error : new StreamFault('broke_off', error))
    },
  )
  return (why) => finish(new StreamFault(why))
}

/** Settles when the source has ended and its last frame is written, or when it failed. */
function pump({
  source,
  filter,
  connection,
  onChunk,
}: {
  readonly source: Readable
  readonly filter: FrameFilter
  readonly connection: ServerResponse
  readonly onChunk: () => void
}): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  /** While frames are being looked at, nothing else is taken. */
  let looking: Promise<void> | undefined

  function write(frames: Uint8Array): void {
    if (connection.writableEnded || connection.destroyed) return
    if (!connection.write(frames)) source.pause()
  }

  function goOn(): void {
    if (looking === undefined && !connection.writableNeedDrain) source.resume()
  }

  function take(chunk: Uint8Array | undefined): void {
    try {
      looking = filter(chunk, write)
    } catch (error) {
      reject(error)
    }
    if (looking === undefined) return
    source.pause()
    looking.then(() => {
      looking = undefined
      goOn()
    }, reject)
  }

  /** The source may end while its last frames are being looked at. */
  function afterLook(next: () => void): void {
    if (looking === undefined) next()
    else looking.then(next, reject)
  }

  connection.on('drain', goOn)
  source.on('data', (chunk: Uint8Array) => {
    onChunk()
    take(chunk)
  })
  source.on('error', (error) => afterLook(() => reject(error)))
  source.on('end', () => {
    afterLook(() => {
      take(undefined)
      afterLook(resolve)
    })
  })
  return promise
}
