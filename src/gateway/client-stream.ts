// Writes a stream to the client's connection: reads from the server only while that connection's buffer is not full,
// keeps the connection alive, and ends the stream at its time limits. It does HTTP's chunked coding itself.

import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { type StreamEnd, StreamFault } from './stream-fault.ts'

/** Time limits of a stream, in milliseconds. */
export interface StreamLimits {
  /** Silence after which a comment is sent, so that no proxy closes an idle connection. */
  readonly heartbeatMs: number
  /** Silence of the server that ends the stream. */
  readonly idleMs: number
  /** Longest duration of the whole stream. */
  readonly totalMs: number
}

/** How long a client has to read the last event before its connection is destroyed, in milliseconds. */
const LAST_EVENT_MS = 250

/** A timer later than this shows that the process was suspended: what the server sent meanwhile is not read yet. */
const SUSPENDED_MS = 1000

const HEARTBEAT = Buffer.from(': \n\n')

const LINE_END = '\r\n'
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/**
 * Writes those frames of a chunk that the client may get; without a chunk, those of the unfinished rest.
 * Returns a promise if it has to wait for the store. When the stream must not go on, it writes the frames
 * before that point and throws a `StreamFault`.
 */
export type FrameFilter = (
  chunk: Buffer | undefined,
  write: (frames: Uint8Array) => void,
) => Promise<void> | undefined

interface StreamParts {
  readonly source: Readable
  readonly filter: FrameFilter
  readonly limits: StreamLimits
  readonly connection: ServerResponse
  readonly onFull: () => void
  readonly onEnd: (fault: StreamFault | undefined) => void
}

/**
 * Writes a stream to the client's connection, after the head has been written. It uses no web streams or
 * iterators, which take more CPU time than all other work on a frame.
 *
 * @param parts - `source`: destroyed at the end; `onFull`: called when the connection's buffer is full;
 * `onEnd`: called once, without a fault if the server finished or the client left
 * @returns a function that ends the stream at once, with a last event that says why
 */
export function streamToClient({
  source,
  filter,
  limits,
  connection,
  onFull,
  onEnd,
}: StreamParts): (why: StreamEnd) => void {
  // HTTP/1.0 has no chunks: the body ends with the connection.
  const isChunked = connection.chunkedEncoding
  connection.chunkedEncoding = false
  const coded = isChunked ? chunkOf : (piece: Uint8Array) => piece
  const lastChunk = isChunked ? LAST_CHUNK : undefined
  const heard = { at: performance.now() }
  let over = false

  function finish(fault?: StreamFault): void {
    if (over) return
    over = true
    clearTimeout(total)
    clearTimeout(silence)
    source.destroy()
    // An idle connection keeps its last answer, and the listeners would keep the whole stream.
    connection.removeAllListeners('drain')
    onEnd(fault)
    if (fault === undefined) {
      connection.end(lastChunk)
      return
    }
    // A client that does not read cannot keep the answer or the connection open. One that has read everything may
    // send its next request on the connection, so that is not closed.
    const { socket, writableNeedDrain: isUnread } = connection
    connection.write(coded(Buffer.from(`data: ${JSON.stringify(fault.event)}\n\n`)))
    connection.end(lastChunk, () => isUnread && socket?.destroySoon())
    setTimeout(() => {
      if (!connection.writableFinished) connection.destroy()
    }, LAST_EVENT_MS).unref()
  }

  function onSilence(): void {
    const now = performance.now()
    const silentMs = now - heard.at
    // The timer is reset here, not at each chunk, because reading the clock is cheaper than resetting a timer.
    if (silentMs < waitMs) {
      dueAt = heard.at + waitMs
      silence = setTimeout(onSilence, waitMs - silentMs)
      return
    }
    // While the client does not read, the server is not read either, so its silence does not count.
    if (connection.writableNeedDrain || now - dueAt > SUSPENDED_MS) heard.at = now
    else if (silentMs < limits.idleMs) connection.write(coded(HEARTBEAT))
    else {
      finish(new StreamFault('server_silent'))
      return
    }
    dueAt = now + waitMs
    silence = setTimeout(onSilence, waitMs)
  }

  const waitMs = Math.min(limits.heartbeatMs, limits.idleMs)
  let dueAt = heard.at + waitMs
  let silence = setTimeout(onSilence, waitMs)
  const total = setTimeout(() => finish(new StreamFault('too_long')), limits.totalMs)
  connection.once('close', finish)

  pump({ source, filter, connection, coded, heard, onFull }).then(finish, (error: unknown) => {
    // A source that is destroyed because the client left fails, too.
    if (!over) finish(error instanceof StreamFault ? error : new StreamFault('broke_off', error))
  })
  return (why) => finish(new StreamFault(why))
}

/**
 * Settles when the source has ended and its last frame is written, or when the source failed.
 *
 * @param parts - `coded`: gives the bytes for the connection; `heard`: gets the time of each chunk
 */
function pump({
  source,
  filter,
  connection,
  coded,
  heard,
  onFull,
}: Omit<StreamParts, 'limits' | 'onEnd'> & {
  readonly coded: (piece: Uint8Array) => Uint8Array
  readonly heard: { at: number }
}): Promise<undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  /** Pending while frames are checked, when no other chunk is read. */
  let checking: Promise<void> | undefined

  function write(frames: Uint8Array): void {
    if (connection.writableEnded) return
    if (connection.write(coded(frames))) return
    source.pause()
    onFull()
  }

  function goOn(): void {
    checking = undefined
    // The server was not read meanwhile, so its silence does not count.
    heard.at = performance.now()
    if (!connection.writableNeedDrain) source.resume()
  }

  function take(chunk?: Buffer): void {
    heard.at = performance.now()
    try {
      checking = filter(chunk, write)
    } catch (error) {
      reject(error)
    }
    if (checking === undefined) return
    source.pause()
    checking.then(goOn, reject)
  }

  /** The source may end while its last frames are checked. */
  async function end(): Promise<void> {
    try {
      await checking
      take()
      await checking
      resolve(undefined)
    } catch (error) {
      reject(error)
    }
  }

  connection.on('drain', () => {
    if (checking === undefined) source.resume()
  })
  source.on('data', take)
  // If a check under way fails, its error comes first.
  source.on('error', (error) => Promise.allSettled([checking]).then(() => reject(error)))
  source.on('end', end)
  return promise
}

/**
 * Does the chunked coding (RFC 9112 §7.1) itself. Node writes length, line end, bytes and line end one by one,
 * which takes a fifth of the CPU time of a frame.
 *
 * @param piece - not empty, because an empty chunk would end the body
 */
function chunkOf(piece: Uint8Array): Buffer {
  const length = piece.length.toString(16) + LINE_END
  const chunk = Buffer.allocUnsafe(length.length + piece.length + LINE_END.length)
  chunk.write(length, 'latin1')
  chunk.set(piece, length.length)
  chunk.write(LINE_END, length.length + piece.length, 'latin1')
  return chunk
}
