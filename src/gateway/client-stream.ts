// Writes a stream to the client's connection: reads from the server only while that connection has room,
// keeps the connection alive, and ends the stream on time.

import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { type ChunkedBody, chunkedBody } from './chunked-body.ts'
import { type StreamEnd, StreamFault } from './stream-fault.ts'

/** Bounds of a stream, in milliseconds. */
export interface StreamLimits {
  /** Silence after which a comment is sent, so that no proxy closes the connection as idle. */
  readonly heartbeatMs: number
  /** Silence of the server after which the stream ends. */
  readonly idleMs: number
  /** Length of the whole stream. */
  readonly totalMs: number
}

/** Milliseconds that a client has to read the last event before its connection is destroyed. */
const LAST_EVENT_MS = 250

const HEARTBEAT = ': \n\n'

/** Whole frames of an event stream; text is sent as UTF-8. */
export type Frames = Uint8Array | string

/**
 * Writes the frames of a chunk that may go on; without a chunk, those of the unfinished rest. Returns a
 * promise when that takes time. Throws a `StreamFault` when the stream must not go on, after it has written
 * the frames before.
 */
export type FrameFilter = (
  chunk: Buffer | undefined,
  write: (frames: Frames) => void,
) => Promise<void> | undefined

/**
 * Writes a stream to the client's connection, after the head has been written. It does not use web streams
 * or iterators: they cost more CPU than all other work on a frame.
 *
 * @param parts - `source`: destroyed at the end; `onFull`: called when the connection has no room left; `onEnd`: called
 * once, without a fault when the server finished or the client left
 * @returns a function that ends the stream now, with a last event that says why
 */
export function streamToClient({
  source,
  filter,
  limits,
  connection,
  onFull,
  onEnd,
}: {
  readonly source: Readable
  readonly filter: FrameFilter
  readonly limits: StreamLimits
  readonly connection: ServerResponse
  readonly onFull: () => void
  readonly onEnd: (fault: StreamFault | undefined) => void
}): (why: StreamEnd) => void {
  const body = chunkedBody(connection)
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
      body.end()
      return
    }
    // A client that does not read must keep neither the answer nor the connection open.
    const { socket } = connection
    body.write(`data: ${JSON.stringify(fault.event)}\n\n`)
    body.end(() => socket?.destroySoon())
    setTimeout(() => {
      if (!connection.writableFinished) connection.destroy()
    }, LAST_EVENT_MS).unref()
  }

  function onSilence(): void {
    const silentMs = performance.now() - heardAt
    // Set anew here and not by each chunk, which would cost more than to look at the time.
    if (silentMs < waitMs) {
      silence = setTimeout(onSilence, waitMs - silentMs)
      return
    }
    // While the client does not read, nothing is read from the server, so its silence means nothing.
    if (connection.writableNeedDrain) heardAt = performance.now()
    else if (silentMs < limits.idleMs) body.write(HEARTBEAT)
    else {
      finish(new StreamFault('server_silent'))
      return
    }
    silence = setTimeout(onSilence, waitMs)
  }

  const waitMs = Math.min(limits.heartbeatMs, limits.idleMs)
  let silence = setTimeout(onSilence, waitMs)
  const total = setTimeout(() => finish(new StreamFault('too_long')), limits.totalMs)
  connection.once('close', () => finish(undefined))

  const onChunk = (): void => {
    heardAt = performance.now()
  }
  pump({ source, filter, connection, body, onChunk, onFull }).then(
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
  body,
  onChunk,
  onFull,
}: {
  readonly source: Readable
  readonly filter: FrameFilter
  readonly connection: ServerResponse
  readonly body: ChunkedBody
  readonly onChunk: () => void
  readonly onFull: () => void
}): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  /** Pending while frames are checked; no other chunk is read meanwhile. */
  let looking: Promise<void> | undefined

  function write(frames: Frames): void {
    if (connection.writableEnded || connection.destroyed) return
    if (body.write(frames)) return
    source.pause()
    onFull()
  }

  function goOn(): void {
    if (looking === undefined && !connection.writableNeedDrain) source.resume()
  }

  function take(chunk: Buffer | undefined): void {
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

  /** Waits for a check under way: the source may end while its last frames are checked. */
  function afterLook(next: () => void): void {
    if (looking === undefined) next()
    else looking.then(next, reject)
  }

  connection.on('drain', goOn)
  source.on('data', (chunk: Buffer) => {
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
