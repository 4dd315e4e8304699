// Streams a server's answer to the client frame by frame, and looks at each event before it goes on.

import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { ServerReply } from '../chatkit/protocol/server-call.ts'
import type { AppContext } from '../http/context.ts'
import type { Log } from '../lib/log.ts'
import { type FrameFilter, type StreamLimits, streamToClient } from './client-stream.ts'
import { createEventOwner, type EventOwnership, type SeenEvent } from './event-owner.ts'
import { fileFieldsOfEvent } from './files/file-fields.ts'
import type { FileLinks } from './files/file-links.ts'
import { createFrameCutter, type Frame, type Piece } from './frames.ts'
import type { Call } from './open-call.ts'
import type { OpenStreams } from './open-streams.ts'
import type { HeldMemory, Shares } from './shares.ts'
import { StreamFault } from './stream-fault.ts'

/** Looks at an event, and says whether it changed. */
type Look = (event: SeenEvent) => Promise<boolean>

/** The head of a server's stream. */
interface StreamExchange {
  readonly reply: ServerReply
  /** Called once, when the stream has ended for whatever reason. */
  readonly onEnd: () => void
}

/** {@link createAnswerEvents} */
export type AnswerEvents = ReturnType<typeof createAnswerEvents>

/** @param parts - what ends a stream, and who owns the threads that it makes */
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
  /** The stream goes on for as long as the session is active. */
  return function answerEvents(
    c: AppContext,
    call: Call,
    { reply: { body }, onEnd }: StreamExchange,
  ): Response {
    const { workflow, session } = call
    const memory = shares.memoryFor(session.user)
    const cutter = createFrameCutter(maxFrameBytes, (bytes) => hold(memory, bytes))
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
      // No proxy on the way may collect frames.
      'X-Accel-Buffering': 'no',
    })
    connection.flushHeaders()
    const end = streamToClient({
      source: body,
      filter: createFrameFilter(cutter, look),
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
 * Looks at every frame before it goes on. Frames that came in one chunk go on in one, up to the first
 * that needs a look. A frame that is no event (`[DONE]`, `ping`, broken JSON) is left out: a client
 * could not read it either.
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
      // Frames that are good go on, although a later one in the same chunk is not.
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

/** A comment passes, and an event that was looked at; what is no event becomes nothing. */
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
