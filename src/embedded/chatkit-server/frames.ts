// Sends events as `text/event-stream`, with the faults that are set.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { HttpBindings } from '@hono/node-server'
import type { ServerFaults } from './middleware.ts'
import type { ServerRequest } from './recorder.ts'
import type { Events } from './turn.ts'

/** Faults, record and connection of a stream. */
export interface StreamContext {
  readonly faults: ServerFaults
  /** Gets the number of frames and the outcome. */
  readonly entry: ServerRequest
  /** Aborted when the client leaves; the source of the events watches it. */
  readonly left: AbortController
  /** The connection to cut. */
  readonly connection: HttpBindings['outgoing']
}

/** Thrown where a fault cuts the stream. */
class Cut extends Error {
  override readonly name = 'Cut'
}

/**
 * Sends events as `text/event-stream`. An event is made only when the connection can take it, and never after the
 * client has left.
 */
export function eventStream(events: Events, context: StreamContext): Response {
  const { entry, left, connection } = context
  const chunks = chunksOf(framesOf(events, context), context.faults.chunk_bytes)
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const next = await chunks.next()
          if (left.signal.aborted) return
          if (!next.done) return controller.enqueue(next.value)
          entry.outcome = 'answered'
          controller.close()
        } catch (error) {
          if (left.signal.aborted) return
          if (!(error instanceof Cut)) throw error
          entry.outcome = 'cut'
          // Bytes written before the cut still arrive.
          while (!connection.destroyed && connection.writableLength > 0) await nextTurn()
          connection.destroy()
        }
      },
      async cancel() {
        left.abort()
        await chunks.return()
        // Recorded only after the last event was made.
        if (entry.outcome === 'pending') entry.outcome = 'client_gone'
      },
    },
    { highWaterMark: 0 },
  )
  // With `transfer-encoding` set, the adapter sends the headers at once and does not wait for the first frames.
  const headers = { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }
  return new Response(body, { headers: { ...headers, 'cache-control': 'no-cache' } })
}

async function* framesOf(events: Events, { faults, entry }: StreamContext) {
  for await (const event of events) {
    if (entry.frames === faults.close_after_frames) throw new Cut()
    entry.frames += 1
    yield `data: ${JSON.stringify(event)}\n\n`
  }
}

async function* chunksOf(
  frames: AsyncGenerator<string, void, void>,
  size: number | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const frame of frames) {
    const bytes = new TextEncoder().encode(frame)
    const step = size ?? bytes.length
    for (let at = 0; at < bytes.length; at += step) {
      yield bytes.subarray(at, at + step)
      // Pieces written in one turn of the event loop would leave in one packet.
      if (size !== undefined) await nextTurn()
    }
  }
}
