// Reads a large body from Node's own stream. A client may send it in chunks of one byte: they must take neither much
// memory nor all the time of the process.

import type { IncomingMessage } from 'node:http'
import { finished } from 'node:stream'
import { createBoundedBytes } from '../lib/read-bounded.ts'

/** Chunks of a body after which other connections get a turn; about 1 ms of CPU. */
const MOST_CHUNKS_A_TURN = 1000

/**
 * A web stream would hold a buffer of 100 bytes for each byte, and hand all of them on before anything else runs.
 *
 * @param limits - `milliseconds` for the body to arrive
 * @param hold - called with the number of bytes of the body before they are held; may refuse
 * @throws `TooLargeError`; what `hold` throws; an error when the body does not arrive
 */
export function readIncoming(
  incoming: IncomingMessage,
  limits: { readonly maxBytes: number; readonly milliseconds: number },
  hold: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>()
  const bytes = createBoundedBytes(limits.maxBytes, hold)
  let chunks = 0

  /** Leaves the rest of the body to the server, which drops it. */
  function stop(error: unknown): void {
    clearTimeout(timer)
    incoming.off('data', take)
    reject(error)
  }

  function take(chunk: Buffer): void {
    try {
      bytes.add(chunk)
    } catch (error) {
      stop(error)
      return
    }
    chunks++
    if (chunks === MOST_CHUNKS_A_TURN) waitForOthers()
  }

  function waitForOthers(): void {
    const { socket } = incoming
    socket.pause()
    setImmediate(() => {
      chunks = 0
      socket.resume()
    })
  }

  // If the process stood still, bytes that came meanwhile are read between the timer and `setImmediate`.
  const refuse = () => stop(new Error('too slow'))
  const timer = setTimeout(() => setImmediate(refuse), limits.milliseconds)
  incoming.on('data', take)
  // Until the answer is sent, the request lives on, and with a listener of ours the bytes would, too.
  const stopWaiting = finished(incoming, { writable: false }, (error) => {
    clearTimeout(timer)
    stopWaiting()
    incoming.off('data', take)
    if (error) reject(error)
    else resolve(bytes.all())
  })
  return promise
}
