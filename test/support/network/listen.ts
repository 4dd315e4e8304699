import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { createServer } from 'node:net'
import { Readable } from 'node:stream'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'

/** A server that listens on loopback. */
export type Listening = Awaited<ReturnType<typeof serve>>

/** Answers HTTP on a free port of this machine. */
export function serve(listener: RequestListener) {
  return listenOnLoopback(createHttpServer(listener))
}

/**
 * A body of so many bytes, sent as fast as it is read.
 *
 * @param onSent - called before each piece, with its length
 */
export function flood(
  response: ServerResponse,
  bytes: number,
  onSent: (bytes: number) => void,
): void {
  const piece = Buffer.alloc(65_536, ' ')
  function* pieces() {
    for (let sent = 0; sent < bytes; sent += piece.length) {
      onSent(piece.length)
      yield piece
    }
  }
  Readable.from(pieces()).pipe(response)
}

/** Below those that the kernel gives to `listen(0)` and to connections, so that no other test gets one meanwhile. */
const FREE_PORTS = [20_000, 32_767] as const

/** A port of loopback that nobody listens at. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...FREE_PORTS)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
