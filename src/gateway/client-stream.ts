// The client's side of a stream: asks the server for more when the client's connection has room for it,
// and never before; keeps the connection alive; ends the stream on time.

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
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
 * Writes a stream to the client's connection, whose head has been written. It writes to the connection
 * itself: a web stream in between costs more CPU than all that is done with a frame.
 *
 * @param parts - `chunks`: whole frames, ready to go out, a `StreamFault` when the stream must not go
 * on; `server`: destroyed at the end, perhaps more than once; `onEnd`: called once, without a fault when
 * the server finished or the client left
 * @returns ends the stream now, with a last event that says why
 */
export function streamToClient({
  chunks,
  limits,
  connection,
  server,
  onEnd,
}: {
  readonly chunks: AsyncGenerator<Uint8Array, void, void>
  readonly limits: StreamLimits
  readonly connection: ServerResponse
  readonly server: { destroy(): unknown }
  readonly onEnd: (fault: StreamFault | undefined) => void
}): (why: StreamEnd) => void {
  let over = false
  let heardAt = performance.now()

  function finish(fault: StreamFault | undefined): void {
    if (over) return
    over = true
    clearTimeout(total)
    clearTimeout(silence)
    server.destroy()
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

  async function pump(): Promise<void> {
    for await (const chunk of chunks) {
      if (over) return
      heardAt = performance.now()
      silence.refresh()
      if (!connection.write(chunk)) await once(connection, 'drain')
    }
    finish(undefined)
  }
  pump().catch((error: unknown) => {
    finish(error instanceof StreamFault ? error : new StreamFault('broke_off', error))
  })
  return (why) => finish(new StreamFault(why))
}
