// Sends a request again whose body the server did not read to its end, as servers do that refuse long uploads: they
// answer, and close the connection. The answer is lost when the rest of the body meets the closed connection first.

import { Readable } from 'node:stream'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { systemCode } from '../../lib/errors.ts'

/** Bytes of a piece. */
const PIECE_BYTES = 64 * 1024

/**
 * Sends the body in pieces, between which an answer that has arrived is read. The server had only a part of the
 * request before, so it has not carried it out.
 *
 * @param failure - of the first try
 * @throws the failure, unless the connection was closed while the body was written
 */
export function sendInPieces(
  dispatcher: Dispatcher,
  request: Dispatcher.RequestOptions<null> & { readonly headers: Record<string, string> },
  failure: unknown,
) {
  const { body = null, headers } = request
  const isWhole = typeof body === 'string' || body instanceof Uint8Array
  if (!isWhole || !isOfWriting(failure)) throw failure
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return dispatcher.request({
    ...request,
    headers: { ...headers, 'content-length': String(bytes.length) },
    body: Readable.from(piecesOf(bytes), { highWaterMark: 1 }),
  })
}

/**
 * A reset ends both directions, so its code alone does not tell whether the body was still being written. Our connections
 * name it `ECONNRESET_BY_PEER`.
 */
function isOfWriting(failure: unknown): boolean {
  const code = systemCode(failure)
  if (!code?.startsWith('ECONNRESET')) return code === 'EPIPE'
  return failure instanceof Error && 'syscall' in failure && failure.syscall === 'write'
}

async function* piecesOf(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield bytes.subarray(at, at + PIECE_BYTES)
    await sleep(1)
    // Sockets are read between a timer and this.
    await turn()
  }
}
