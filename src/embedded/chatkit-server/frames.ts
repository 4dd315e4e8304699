// Sends events as `text/event-stream`, with the faults that are set.

import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import type { HttpBindings } from '@hono/node-server'
import type { ServerEvent } from '../../chatkit/protocol/event.ts'
import type { ServerFaults } from './faults.ts'
import type { OpenEntry } from './recorder.ts'
import type { Events } from './turn.ts'

/** Faults, record and connection of a stream. */
export interface StreamContext {
  readonly faults: ServerFaults
  /** Told of each frame and of the end. */
  readonly entry: OpenEntry
  /** Aborted when the client leaves; whoever makes the events listens to it. */
  readonly left: AbortController
  /** The connection; undefined when there is none, in which case it cannot be cut. */
  readonly connection: HttpBindings['outgoing'] | undefined
}

/** A stream is to be cut here. */
class Cut extends Error {
  override readonly name = 'Cut'
}

/**
 * Events as `text/event-stream`. Each is made when the connection has room for it, and no more are
 * made when the client leaves.
 *
 * @param events - to send
 * @param context - how
 */
export function eventStream(events: Events, context: StreamContext): Response {
  const { entry, left } = context
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
          await end(error, context)
          if (entry.outcome === 'failed') controller.error(error)
        }
      },
      async cancel() {
        left.abort()
        await chunks.return()
        // Recorded when nothing is made any more.
        if (entry.outcome === 'pending') entry.outcome = 'client_gone'
      },
    },
    { highWaterMark: 0 },
  )
  // Named, so that the adapter sends the headers at once and does not wait for the first frames.
  const headers = { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }
  return new Response(body, { headers: { ...headers, 'cache-control': 'no-cache' } })
}

async function* framesOf(events: Events, { faults, entry, left }: StreamContext) {
  if (faults.preface !== undefined) yield faults.preface
  for await (const event of withHugeOne(events, faults.huge_frame_bytes)) {
    if (faults.frame_ms !== undefined) {
      await wait(faults.frame_ms, undefined, { signal: left.signal })
    }
    if (entry.frames === faults.close_after_frames) throw new Cut()
    entry.frames += 1
    yield `data: ${JSON.stringify(event)}\n\n`
  }
}

async function* withHugeOne(events: Events, bytes: number | undefined): Events {
  if (bytes !== undefined) yield hugeEvent(bytes)
  yield* events
}

/** An event whose frame, from `data:` to the empty line, has so many bytes where that is possible. */
function hugeEvent(bytes: number): ServerEvent {
  const empty = `data: ${JSON.stringify({ type: 'progress_update', text: '' })}\n\n`
  return { type: 'progress_update', text: 'x'.repeat(Math.max(0, bytes - empty.length)) }
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
      // Pieces that are written in one turn would go out as one packet.
      if (size !== undefined) await nextTurn()
    }
  }
}

async function end(error: unknown, { entry, left, connection }: StreamContext): Promise<void> {
  if (left.signal.aborted) return
  if (!(error instanceof Cut) || connection === undefined) {
    entry.outcome = 'failed'
    return
  }
  entry.outcome = 'cut'
  // The bytes that were sent before the cut arrive.
  while (!connection.destroyed && connection.writableLength > 0) await nextTurn()
  connection.destroy()
}
