// Sends long bodies. One that the server did not read to its end is sent again: servers that refuse long uploads answer,
// and close the connection, and the answer is lost when the rest of the body meets the closed connection first.

import { Readable } from 'node:stream'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { systemCode } from '../../lib/errors.ts'

/** Bytes of a piece. */
const PIECE_BYTES = 64 * 1024
/** Bytes, or characters, from which on a body is not kept once it is sent. */
export const LONG_BYTES = PIECE_BYTES

/** A listener that does nothing. Made beside a request, it would keep the body of the request alive. */
export const ignore = () => undefined

type Body = string | Uint8Array

interface SentRequest<B extends Body | null> extends Dispatcher.RequestOptions<null> {
  readonly headers: Record<string, string>
  readonly body: B
}

/**
 * Sends a body that is forgotten when it is written. undici keeps the body that it gets until the answer has ended, which
 * may be a stream of an hour.
 */
export const sendOnce = (dispatcher: Dispatcher, request: SentRequest<Body>) =>
  dispatcher.request(withBody(request, onlyPiece))

/**
 * Sends the body in pieces, between which an answer that has arrived is read. The server had only a part of the
 * request before, so it has not carried it out.
 *
 * @param failure - of the first try
 * @throws the failure, unless the connection was closed while the body was written
 */
export function sendInPieces(
  dispatcher: Dispatcher,
  request: SentRequest<Body | null>,
  failure: unknown,
) {
  const { body } = request
  if (body === null || !isOfWriting(failure)) throw failure
  const inPieces = (bytes: Uint8Array) => Readable.from(piecesOf(bytes), { highWaterMark: 1 })
  return dispatcher.request(withBody({ ...request, body }, inPieces))
}

function withBody(
  { body, headers, ...request }: SentRequest<Body>,
  written: (bytes: Uint8Array) => Readable,
) {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return {
    ...request,
    headers: { ...headers, 'content-length': String(bytes.length) },
    body: written(bytes),
  }
}

/** Not a generator, which keeps its last value. */
function onlyPiece(bytes: Uint8Array): Readable {
  const left = [bytes]
  return new Readable({
    read() {
      this.push(left.pop() ?? null)
    },
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
