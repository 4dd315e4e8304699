// Streams a server's answer to the client frame by frame. Events that can hold a thread or a link are
// checked before they go on.

import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { fileFieldsOfEvent } from '../chatkit/protocol/file-fields.ts'
import type { ServerReply } from '../chatkit/protocol/server-call.ts'
import type { AppContext } from '../http/context.ts'
import type { Log } from '../lib/log.ts'
import type { HeldMemory } from '../lib/shares/memory-budget.ts'
import { type FrameFilter, type StreamLimits, streamToClient } from './client-stream.ts'
import { createEventOwner, type EventOwnership, type SeenEvent } from './event-owner.ts'
import type { FileLinks } from './files/file-links.ts'
import { createFrameCutter, type Frame, type Piece } from './frames.ts'
import type { Call } from './open-call.ts'
import type { OpenStreams } from './open-streams.ts'
import type { Shares } from './shares.ts'
import { StreamFault } from './stream-fault.ts'

/** Checks an event, and returns whether it changed the event. */
type Look = (event: SeenEvent) => Promise<boolean>

interface StreamExchange {
  readonly reply: ServerReply
  /** Called once, when the stream has ended for any reason. */
  readonly onEnd: () => void
}

/** {@link createAnswerEvents} */
export type AnswerEvents = ReturnType<typeof createAnswerEvents>

/** @param parts - `streams`: ends streams of sessions that are cancelled or revoked */
export function createAnswerEvents({
  ownership,
  replaceFiles,
  shares,
  streams,
  limits,
  maxFrameBytes,
  log,
}: {
  readonly ownership: EventOwnership
  readonly replaceFiles: FileLinks
  readonly shares: Pick<Shares, 'memoryFor'>
  readonly streams: OpenStreams
  readonly limits: StreamLimits
  readonly maxFrameBytes: number
  readonly log: Log
}) {
  /**
   * Streams until the server has finished, the client leaves, a limit is reached, or the session is cancelled
   * or revoked. A session that expires or is replaced by a refresh does not end it.
   */
  return function answerEvents(
    c: AppContext,
    call: Call,
    { reply: { body }, onEnd }: StreamExchange,
  ): Response {
    const { workflow, session } = call
    const memory = shares.memoryFor(session.user)
    const checkOwner = createEventOwner(call, ownership)
    const look = async (event: SeenEvent): Promise<boolean> => {
      await checkOwner(event)
      const files = fileFieldsOfEvent(event)
      return files.length > 0 && replaceFiles(call, files)
    }
    const { outgoing: connection } = c.env
    if (connection === undefined) throw new TypeError('a stream needs a connection')
    connection.writeHead(200, {
      ...c.get('headers'),
      'Content-Type': 'text/event-stream',
      // Tells proxies not to hold frames back.
      'X-Accel-Buffering': 'no',
    })
    connection.flushHeaders()
    // Counts the bytes that have been cut, and those that the client has not read yet.
    let cut = 0
    const count = () => hold(memory, cut + connection.writableLength)
    const cutter = createFrameCutter(maxFrameBytes, (bytes) => {
      cut = bytes
      count()
    })
    const filter = createFrameFilter(cutter, look)
    connection.on('drain', count)
    const end = streamToClient({
      source: body,
      filter: (chunk, write) =>
        filter(chunk, (frames) => {
          write(frames)
          if (connection.writableNeedDrain) count()
        }),
      limits,
      connection,
      onEnd: (fault) => {
        unwatch()
        memory.release()
        onEnd()
        if (fault === undefined) return
        const at = { request_id: c.var.requestId, workflow: workflow.name, session: session.id }
        log.warn({ ...at, reason: fault.why, err: fault.cause }, 'a stream was ended')
      },
    })
    const unwatch = streams.watch({ id: session.id, user: session.user }, end)
    return RESPONSE_ALREADY_SENT.clone()
  }
}

function hold(memory: HeldMemory, bytes: number): void {
  try {
    memory.hold(bytes)
  } catch (error) {
    throw new StreamFault('overloaded', error)
  }
}

/**
 * Checks each frame before it goes on. Frames of one chunk are written together, up to the first one that
 * needs a check, and together from there on. A frame that is no event (`[DONE]`, `ping`, broken JSON) is left
 * out: a client could not read it either.
 *
 * @throws `StreamFault`: `bad_frame`; `overloaded`; `store_unavailable`; `thread_taken`; `foreign_thread`
 */
function createFrameFilter(cutter: ReturnType<typeof createFrameCutter>, look: Look): FrameFilter {
  async function lookAtRest(
    first: Frame,
    pieces: Iterator<Piece, void, void>,
    write: (frames: Uint8Array) => void,
  ): Promise<void> {
    const passed: Uint8Array[] = []
    try {
      for (let piece: Piece | undefined = first; piece; piece = pieces.next().value ?? undefined) {
        if (piece instanceof Uint8Array) passed.push(piece)
        else passed.push(Buffer.from(await lookedAt(piece, look)))
      }
    } finally {
      // Good frames go on even if a later frame of the same chunk is refused.
      const whole = Buffer.concat(passed)
      if (whole.length > 0) write(whole)
    }
  }
  return (chunk, write) => {
    const pieces = chunk === undefined ? cutter.rest() : cutter.push(chunk)
    for (let piece = pieces.next().value; piece; piece = pieces.next().value) {
      if (!(piece instanceof Uint8Array)) return lookAtRest(piece, pieces, write)
      write(piece)
    }
    return undefined
  }
}

/** A comment passes, and so does an event once it is checked; anything else becomes an empty text. */
async function lookedAt({ data, text }: Frame, look: Look): Promise<string> {
  if (data === undefined) return text
  const event = eventOf(data)
  if (event === undefined) return ''
  return (await look(event)) ? `data: ${JSON.stringify(event)}\n\n` : text
}

function eventOf(data: string): SeenEvent | undefined {
  try {
    const event: unknown = JSON.parse(data)
    return isEvent(event) ? event : undefined
  } catch {
    return undefined
  }
}

function isEvent(value: unknown): value is SeenEvent {
  return (
    typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
  )
}
